import type { QuantMatrix } from '../model/types.ts'

const f = Math.fround

/** Exact integer dot product of q[qStart ..] with row `n` of the matrix, columns from `kStart`, `length` of them (MOD-3). */
export function dotRow(
  q: Int8Array,
  qStart: number,
  matrix: QuantMatrix,
  n: number,
  kStart: number,
  length: number,
): number {
  const base = n * matrix.columns + kStart
  let acc = 0
  for (let i = 0; i < length; i++) acc += q[qStart + i]! * matrix.q[base + i]!
  return acc
}

/** Output element n of a linear layer: f32(acc) * rowScale * colScale, in that order (MOD-3). */
export function linearElement(q: Int8Array, rowScale: number, matrix: QuantMatrix, n: number): number {
  return scaledElement(dotRow(q, 0, matrix, n, 0, matrix.columns), rowScale, matrix, n)
}

/** Output element n of a linear layer from its accumulator (MOD-3). */
export function scaledElement(accumulator: number, rowScale: number, matrix: QuantMatrix, n: number): number {
  return f(f(f(accumulator) * rowScale) * matrix.scale[n]!)
}

/** Elements nStart .. nStart + count - 1 of a linear layer on one quantised row. */
export function linearRow(
  q: Int8Array,
  rowScale: number,
  matrix: QuantMatrix,
  nStart: number,
  count: number,
): Float32Array {
  const out = new Float32Array(count)
  for (let j = 0; j < count; j++) out[j] = linearElement(q, rowScale, matrix, nStart + j)
  return out
}

/**
 * A linear layer whose operand has one scale per group of columns (MOD-4): f32(acc_g) * s_g summed in group order from +0,
 * then multiplied by colScale.
 * @param q length columns. @param groupScales one per group; groups are contiguous and of equal length.
 */
export function groupedLinearRow(q: Int8Array, groupScales: Float32Array, matrix: QuantMatrix): Float32Array {
  const length = matrix.columns / groupScales.length
  return groupedRow(matrix, groupScales, (n, g) => dotRow(q, g * length, matrix, n, g * length, length))
}

/** {@link groupedLinearRow} from the accumulators of each output and group. */
export function groupedRow(
  matrix: QuantMatrix,
  groupScales: Float32Array,
  accumulator: (n: number, group: number) => number,
): Float32Array {
  const out = new Float32Array(matrix.rows)
  for (let n = 0; n < matrix.rows; n++) {
    let sum = 0
    for (let g = 0; g < groupScales.length; g++) sum = f(sum + f(f(accumulator(n, g)) * groupScales[g]!))
    out[n] = f(sum * matrix.scale[n]!)
  }
  return out
}
