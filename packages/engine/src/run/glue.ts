/** The small steps between kernels that stay in TypeScript, in the reference's order of operations (MOD-4). */
const f = Math.fround
const MAX_FINITE_F32 = 3.4028234663852886e38

/** Rotates one head in place by row `position` of the tables. */
export function rotate(
  values: Float32Array,
  start: number,
  cos: Float32Array,
  sin: Float32Array,
  position: number,
  pairs: number,
): void {
  const table = position * pairs
  for (let j = 0; j < pairs; j++) {
    const a = values[start + 2 * j]!
    const b = values[start + 2 * j + 1]!
    const c = cos[table + j]!
    const s = sin[table + j]!
    values[start + 2 * j] = f(f(a * c) - f(b * s))
    values[start + 2 * j + 1] = f(f(a * s) + f(b * c))
  }
}

/** out = f(base + f(f(f32(acc) * rowScale) * columnScale)), stored finite; base and out from `start`. */
export function addScaledRow(
  acc: Int32Array,
  accStart: number,
  rowScale: number,
  columnScale: Float32Array,
  base: Float32Array,
  out: Float32Array,
  start: number,
): void {
  for (let d = 0; d < columnScale.length; d++) {
    const v = f(base[start + d]! + f(f(f(acc[accStart + d]!) * rowScale) * columnScale[d]!))
    out[start + d] = Math.abs(v) <= MAX_FINITE_F32 ? v : 0
  }
}

/**
 * out = f(base + f(sum * columnScale)), stored finite, where `sum` is f(f32(acc_g) * s_g) added in group order from +0.
 * @param groupStride accumulators between two groups. @param scales one per group from `scaleStart`.
 */
export function addGroupedRow(
  acc: Int32Array,
  accStart: number,
  groupStride: number,
  scales: Float32Array,
  scaleStart: number,
  groups: number,
  columnScale: Float32Array,
  base: Float32Array,
  out: Float32Array,
  start: number,
): void {
  for (let d = 0; d < columnScale.length; d++) {
    let sum = 0
    for (let g = 0; g < groups; g++) {
      sum = f(sum + f(f(acc[accStart + g * groupStride + d]!) * scales[scaleStart + g]!))
    }
    const v = f(base[start + d]! + f(sum * columnScale[d]!))
    out[start + d] = Math.abs(v) <= MAX_FINITE_F32 ? v : 0
  }
}
