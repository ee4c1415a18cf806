/**
 * The pinned binary32 arithmetic between the products (MOD-2, MOD-4), in the reference's order of operations and without
 * allocation. Every function here has a differential test against `@nacre/protocol`.
 */
import { MIN_NORMAL_F32, QUANT_MAX } from '@nacre/protocol'

const f = Math.fround
/** 1.5 * 2^23: adding and subtracting it rounds half to even. */
const ROUND_MAGIC = 12582912
const MAX_FINITE_F32 = 3.4028234663852886e38

/** Sum of the first n values with four partial sums (MOD-4). */
export function sum4(values: Float32Array, n: number): number {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let i = 0
  for (; i + 4 <= n; i += 4) {
    s0 = f(s0 + values[i]!)
    s1 = f(s1 + values[i + 1]!)
    s2 = f(s2 + values[i + 2]!)
    s3 = f(s3 + values[i + 3]!)
  }
  if (i < n) s0 = f(s0 + values[i]!)
  if (i + 1 < n) s1 = f(s1 + values[i + 1]!)
  if (i + 2 < n) s2 = f(s2 + values[i + 2]!)
  return f(f(s0 + s1) + f(s2 + s3))
}

/** RMSNorm of row[start ..] with gain.length values into `out` (MOD-4). */
export function normRow(row: Float32Array, start: number, gain: Float32Array, eps: number, out: Float32Array): void {
  const n = gain.length
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let i = 0
  for (; i + 4 <= n; i += 4) {
    const at = start + i
    s0 = f(s0 + f(row[at]! * row[at]!))
    s1 = f(s1 + f(row[at + 1]! * row[at + 1]!))
    s2 = f(s2 + f(row[at + 2]! * row[at + 2]!))
    s3 = f(s3 + f(row[at + 3]! * row[at + 3]!))
  }
  if (i < n) s0 = f(s0 + f(row[start + i]! * row[start + i]!))
  if (i + 1 < n) s1 = f(s1 + f(row[start + i + 1]! * row[start + i + 1]!))
  if (i + 2 < n) s2 = f(s2 + f(row[start + i + 2]! * row[start + i + 2]!))
  const meanSquare = f(f(f(s0 + s1) + f(s2 + s3)) / n)
  const inv = f(1 / f(Math.sqrt(f(meanSquare + eps))))
  for (let j = 0; j < n; j++) out[j] = f(f(row[start + j]! * inv) * gain[j]!)
}

/** Quantises row[start .. start + n - 1] into q[qStart ..] and returns the scale (MOD-2). */
export function quantise(row: Float32Array, start: number, n: number, q: Int16Array, qStart: number): number {
  let amax = 0
  let finite = true
  for (let i = start; i < start + n; i++) {
    const a = Math.abs(row[i]!)
    if (a <= MAX_FINITE_F32) {
      if (a > amax) amax = a
    } else finite = false
  }
  const scale = f(amax / QUANT_MAX)
  if (scale < MIN_NORMAL_F32) {
    for (let i = 0; i < n; i++) q[qStart + i] = 0
    return 0
  }
  for (let i = 0; i < n; i++) {
    const r = f(f(f(row[start + i]! / scale) + ROUND_MAGIC) - ROUND_MAGIC)
    q[qStart + i] = r > QUANT_MAX ? QUANT_MAX : r < -QUANT_MAX ? -QUANT_MAX : r
  }
  if (!finite) for (let i = 0; i < n; i++) if (!(Math.abs(row[start + i]!) <= MAX_FINITE_F32)) q[qStart + i] = 0
  return scale
}

/** Rotates one head in place by row `position` of the tables (MOD-4). */
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

/** f32(acc) * rowScale * colScale for n accumulators (MOD-3). */
export function scaleRow(
  acc: Int32Array,
  start: number,
  n: number,
  rowScale: number,
  columnScale: Float32Array,
  out: Float32Array,
): void {
  for (let j = 0; j < n; j++) out[j] = f(f(f(acc[start + j]!) * rowScale) * columnScale[j]!)
}

/** f(base + f(f32(acc) * rowScale * colScale)), stored finite, into `out` (MOD-3, MOD-4). */
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
    const y = f(f(f(acc[accStart + d]!) * rowScale) * columnScale[d]!)
    const v = f(base[start + d]! + y)
    out[start + d] = Math.abs(v) <= MAX_FINITE_F32 ? v : 0
  }
}

/**
 * f(base + f(sum * colScale)), stored finite, where `sum` is the products of all groups, f32(acc_g) * s_g added in group
 * order (MOD-4). @param groupStride accumulators between two groups.
 */
export function addGroupedRow(
  acc: Int32Array,
  accStart: number,
  groupStride: number,
  groupScales: Float32Array,
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
      sum = f(sum + f(f(acc[accStart + g * groupStride + d]!) * groupScales[scaleStart + g]!))
    }
    const v = f(base[start + d]! + f(sum * columnScale[d]!))
    out[start + d] = Math.abs(v) <= MAX_FINITE_F32 ? v : 0
  }
}
