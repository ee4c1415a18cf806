/** The random factors of the lottery (WRK-2): fast twins of the reference's, block by block without allocation. */
import {
  type KeyedHash,
  permutedSparseFactor,
  RANDOM_BLOCK_BYTES,
  type SparseFactor,
  utf8ToBytes,
} from '@nacre/protocol'

/** A noise matrix in factored form, all rows: `uniform` is rows x r, `sparse` is over the k columns. */
export interface NoiseFactors {
  readonly uniform: Int8Array
  readonly sparse: SparseFactor
  /** Most entries of `sparse` that meet in one of the r sums: bounds |sums| by this times the largest value. */
  readonly maxCount: number
}

/** The whole noise of one operand (`rows` prompt rows) or of one weight matrix (`rows` output columns). */
export function noiseFactors(
  label: string,
  seed: Uint8Array,
  rows: number,
  k: number,
  r: number,
  hash: KeyedHash,
): NoiseFactors {
  const sparse = permutedSparseFactor(label, seed, k, r, hash)
  const counts = new Uint32Array(r)
  for (const t of sparse.plus) counts[t]!++
  for (const t of sparse.minus) counts[t]!++
  return { uniform: uniform(label, seed, rows * r, hash), sparse, maxCount: Math.max(...counts) }
}

/** `count` values of the slot-0 stream: (byte & 63) - 32. */
function uniform(label: string, seed: Uint8Array, count: number, hash: KeyedHash): Int8Array {
  const out = new Int8Array(count)
  const message = new Uint8Array(64)
  message.set(utf8ToBytes(label), 32)
  const view = new DataView(message.buffer)
  for (let index = 0; index * RANDOM_BLOCK_BYTES < count; index++) {
    view.setInt32(0, 1 + index, true)
    const block = hash(seed, message)
    const at = index * RANDOM_BLOCK_BYTES
    const end = Math.min(RANDOM_BLOCK_BYTES, count - at)
    for (let i = 0; i < end; i++) out[at + i] = (block[i]! & 63) - 32
  }
  return out
}

/** W' = W + F as rows x k values in [-126, 126], one output column a row. */
export function addFactors(weights: Int8Array, rows: number, k: number, r: number, noise: NoiseFactors): Int8Array {
  const out = new Int8Array(rows * k)
  const { plus, minus } = noise.sparse
  for (let n = 0; n < rows; n++) {
    const u = n * r
    const at = n * k
    for (let c = 0; c < k; c++) {
      out[at + c] = weights[at + c]! + noise.uniform[u + plus[c]!]! - noise.uniform[u + minus[c]!]!
    }
  }
  return out
}
