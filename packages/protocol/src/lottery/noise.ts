/**
 * The noise matrices (WRK-2). Weights are stored by output column, so E (m x k) and the transpose of F (n x k) have one form:
 * element (row, c) is uniform[row][plus[c]] - uniform[row][minus[c]], a value in [-63, 63].
 */
import type { KeyedHash } from '../hash.ts'
import type { QuantMatrix } from '../model/types.ts'
import { QUANT_MAX } from '../numerics/quantise.ts'
import { permutedSparseFactor, type SparseFactor, uniformFactorRows } from './factors.ts'
import { OPERAND_NOISE_LABEL, WEIGHT_NOISE_LABEL } from './seeds.ts'

/** Operand or weight plus noise lies in [-126, 126]. */
export const NOISED_MAX: number = 2 * QUANT_MAX

/** Some consecutive rows of a noise matrix in factored form. */
export interface Noise {
  /** r. */
  readonly rank: number
  /** Index of the first row held in `uniform`. */
  readonly firstRow: number
  /** rows x r values in [-32, 31]: rows of E_L, or columns of F_R. */
  readonly uniform: Int8Array
  /** Over the k columns: E_R, or F_L. */
  readonly sparse: SparseFactor
}

/** Rows firstRow .. firstRow + rows - 1 of E, from the seed of {@link operandNoiseSeed}. */
export function operandNoise(
  seed: Uint8Array,
  k: number,
  r: number,
  firstRow: number,
  rows: number,
  hash?: KeyedHash,
): Noise {
  return noiseRows(OPERAND_NOISE_LABEL, seed, k, r, firstRow, rows, hash)
}

/** Columns firstColumn .. firstColumn + columns - 1 of F as rows, from the seed of {@link weightNoiseSeed}. */
export function weightNoise(
  seed: Uint8Array,
  k: number,
  r: number,
  firstColumn: number,
  columns: number,
  hash?: KeyedHash,
): Noise {
  return noiseRows(WEIGHT_NOISE_LABEL, seed, k, r, firstColumn, columns, hash)
}

function noiseRows(
  label: string,
  seed: Uint8Array,
  k: number,
  r: number,
  firstRow: number,
  rows: number,
  hash?: KeyedHash,
): Noise {
  return {
    rank: r,
    firstRow,
    uniform: uniformFactorRows(label, seed, firstRow, rows, r, hash),
    sparse: permutedSparseFactor(label, seed, k, r, hash),
  }
}

/** Number of rows held. */
export function noiseRowCount(noise: Noise): number {
  return noise.uniform.length / noise.rank
}

/** E[row][c], or F[c][row]. `row` counts from the top of the whole matrix. */
export function noiseElement(noise: Noise, row: number, c: number): number {
  const base = (row - noise.firstRow) * noise.rank
  return noise.uniform[base + noise.sparse.plus[c]!]! - noise.uniform[base + noise.sparse.minus[c]!]!
}

/** One row of E, or one column of F: k values in [-63, 63]. */
export function noiseRow(noise: Noise, row: number): Int8Array {
  const { rank, uniform, sparse } = noise
  const { plus, minus } = sparse
  const base = (row - noise.firstRow) * rank
  const out = new Int8Array(plus.length)
  for (let c = 0; c < out.length; c++) out[c] = uniform[base + plus[c]!]! - uniform[base + minus[c]!]!
  return out
}

/** All rows held, row-major: rows x k. */
export function noiseMatrix(noise: Noise): Int8Array {
  const k = noise.sparse.plus.length
  const rows = noiseRowCount(noise)
  const out = new Int8Array(rows * k)
  for (let i = 0; i < rows; i++) out.set(noiseRow(noise, noise.firstRow + i), i * k)
  return out
}

/**
 * A' = A + E for the rows that `noise` holds.
 * @param operand those rows of A, rows x k, values in [-63, 63]. @returns rows x k, values in [-126, 126].
 */
export function noisedOperandRows(operand: Int8Array, noise: Noise): Int8Array {
  return addNoise(operand, noise)
}

/**
 * W' = W + F for the columns that `noise` holds, as rows.
 * @param matrix whole weights of the operation, values in [-63, 63]. @returns columns x k, values in [-126, 126].
 */
export function noisedWeightColumns(matrix: QuantMatrix, noise: Noise): Int8Array {
  const start = noise.firstRow * matrix.columns
  return addNoise(matrix.q.subarray(start, start + noiseRowCount(noise) * matrix.columns), noise)
}

/** Throws RangeError where the shapes differ or a value is no quantised one: either is a bug of the caller. */
function addNoise(values: Int8Array, noise: Noise): Int8Array {
  const out = noiseMatrix(noise)
  if (values.length !== out.length) throw new RangeError(`${values.length} values for ${out.length} of noise`)
  for (let i = 0; i < out.length; i++) {
    const value = values[i]!
    if (value > QUANT_MAX || value < -QUANT_MAX) throw new RangeError(`${value} is outside [-63, 63]`)
    out[i]! += value
  }
  return out
}
