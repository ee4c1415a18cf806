/** The useful product out of the noised one (WRK-5). */
import type { SparseFactor } from './factors.ts'
import type { Noise } from './noise.ts'

export interface DenoiseInput {
  readonly m: number
  readonly k: number
  readonly n: number
  /** A, m x k values in [-63, 63]. */
  readonly operand: Int8Array
  /** E: all m rows. */
  readonly operandNoise: Noise
  /** W', n x k. */
  readonly noisedWeights: Int8Array
  /** F: all n columns. */
  readonly weightNoise: Noise
  /** A'W', m x n. */
  readonly product: Int32Array
}

/**
 * A W = A'W' - A F - E W', exactly, with A F = (A F_L) F_R and E W' = E_L (E_R W'): 2 r MACs per element instead of k.
 * @returns m x n int32, row-major; sums in between are exact in doubles.
 */
export function denoise(input: DenoiseInput): Int32Array {
  const { m, k, n, operand, operandNoise, noisedWeights, weightNoise, product } = input
  const r = operandNoise.rank
  const aFl = timesSparse(operand, m, k, weightNoise.sparse, r)
  const erW = timesSparse(noisedWeights, n, k, operandNoise.sparse, r)
  const out = new Int32Array(m * n)
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let noise = 0
      for (let q = 0; q < r; q++) {
        noise += aFl[i * r + q]! * weightNoise.uniform[j * r + q]! + operandNoise.uniform[i * r + q]! * erW[j * r + q]!
      }
      out[i * n + j] = product[i * n + j]! - noise
    }
  }
  return out
}

/**
 * rows x k times the sparse factor, additions only: A F_L (m x r), and the transpose of E_R W' (n x r).
 * @returns rows x r int32, row-major.
 */
export function timesSparse(values: Int8Array, rows: number, k: number, sparse: SparseFactor, r: number): Int32Array {
  const out = new Int32Array(rows * r)
  for (let i = 0; i < rows; i++) {
    for (let c = 0; c < k; c++) {
      const value = values[i * k + c]!
      out[i * r + sparse.plus[c]!]! += value
      out[i * r + sparse.minus[c]!]! -= value
    }
  }
  return out
}
