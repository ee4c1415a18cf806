/** How much of its width a fold step keeps when the operands are zero: the rank of what the noise alone puts into it. */
import { pearl } from '@nacre/protocol'

/** A prime below 2^26, so that products of two residues are exact in a double. */
const PRIME = 67_108_859

/**
 * Mean rank of E_R F_L over the fold steps of k columns, as a part of r. With A = B = 0 a step adds E_L (E_R F_L) F_R to the
 * accumulators, so this is the part of its products that cannot be saved.
 * @param seed 32 bytes.
 */
export function zeroStepRank(seed: Uint8Array, k: number, r: number): number {
  const e = pearl.sparseFactor(pearl.LABEL_A, seed, k, r)
  const f = pearl.sparseFactor(pearl.LABEL_B, seed, k, r)
  let sum = 0
  for (let from = 0; from < k; from += r) {
    const product = new Float64Array(r * r)
    for (let c = from; c < from + r; c++) {
      const [ep, em] = e[c]!
      const [fp, fm] = f[c]!
      product[ep * r + fp]! += 1
      product[em * r + fm]! += 1
      product[ep * r + fm]! -= 1
      product[em * r + fp]! -= 1
    }
    sum += rankOf(product, r)
  }
  return sum / (k / r) / r
}

/** The rank of an r x r matrix modulo {@link PRIME}, which is at most its rank, and less only by a rare chance. */
function rankOf(matrix: Float64Array, r: number): number {
  for (let i = 0; i < matrix.length; i++) matrix[i] = ((matrix[i]! % PRIME) + PRIME) % PRIME
  let rank = 0
  for (let column = 0; column < r && rank < r; column++) {
    let pivot = rank
    while (pivot < r && matrix[pivot * r + column] === 0) pivot++
    if (pivot === r) continue
    for (let j = 0; j < r; j++) {
      const swapped = matrix[rank * r + j]!
      matrix[rank * r + j] = matrix[pivot * r + j]!
      matrix[pivot * r + j] = swapped
    }
    const inverse = power(matrix[rank * r + column]!, PRIME - 2)
    for (let row = rank + 1; row < r; row++) {
      const factor = (matrix[row * r + column]! * inverse) % PRIME
      if (factor === 0) continue
      for (let j = column; j < r; j++) {
        const value = (matrix[row * r + j]! - ((factor * matrix[rank * r + j]!) % PRIME)) % PRIME
        matrix[row * r + j] = value < 0 ? value + PRIME : value
      }
    }
    rank++
  }
  return rank
}

function power(base: number, exponent: number): number {
  let result = 1
  for (let b = base, e = exponent; e > 0; e = Math.floor(e / 2), b = (b * b) % PRIME)
    if (e % 2 === 1) result = (result * b) % PRIME
  return result
}
