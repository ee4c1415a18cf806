/** The two random factors of a noise matrix (WRK-2). */
import type { KeyedHash } from '../hash.ts'
import { randomStream } from './random-block.ts'

/** Slots of the three streams of a noise matrix. */
export const SLOT_UNIFORM = 0
export const SLOT_PERMUTATION = 1
export const SLOT_PARTNER = 2

/**
 * A sparse factor with two entries per index c of k: +1 at plus[c] and -1 at minus[c], both in 0..r-1 and never equal.
 * It is E_R (r x k) read by columns, or F_L (k x r) read by rows.
 */
export interface SparseFactor {
  readonly plus: Uint16Array
  readonly minus: Uint16Array
}

/**
 * Rows firstRow .. firstRow + rows - 1 of a uniform factor with r values per row, row-major: value t of the whole factor is
 * (byte t of the slot-0 stream & 63) - 32, so it lies in [-32, 31].
 */
export function uniformFactorRows(
  label: string,
  key: Uint8Array,
  firstRow: number,
  rows: number,
  r: number,
  hash?: KeyedHash,
): Int8Array {
  const bytes = randomStream(label, key, SLOT_UNIFORM, firstRow * r, rows * r, hash)
  return Int8Array.from(bytes, (byte) => (byte & 63) - 32)
}

/** A whole uniform factor: rows x r values in [-32, 31], row-major. */
export function uniformFactor(label: string, key: Uint8Array, rows: number, r: number, hash?: KeyedHash): Int8Array {
  return uniformFactorRows(label, key, 0, rows, r, hash)
}

/**
 * The sparse factor of k indices. Each group of r consecutive indices draws a permutation p from the identity by
 * p[j] <-> p[floor((j + 1) u_j / 2^32)] for j = r-1..1; its index j has +1 at p[j] and -1 at
 * p[j] xor (1 + floor((r - 1) v_j / 2^32)). u_j and v_j are the u32 words of the index in the streams of slots 1 and 2.
 * All products are below 2^42, exact in a double.
 * @param k a multiple of r. @param r a power of two in 2..1024.
 */
export function permutedSparseFactor(
  label: string,
  key: Uint8Array,
  k: number,
  r: number,
  hash?: KeyedHash,
): SparseFactor {
  const u = randomStream(label, key, SLOT_PERMUTATION, 0, 4 * k, hash)
  const v = randomStream(label, key, SLOT_PARTNER, 0, 4 * k, hash)
  return sparseFactorOf(u, v, k, r)
}

/** {@link permutedSparseFactor} out of the first 4 k bytes of the streams of slots 1 and 2, for callers that have them. */
export function sparseFactorOf(permutation: Uint8Array, partner: Uint8Array, k: number, r: number): SparseFactor {
  const u = words(permutation)
  const v = words(partner)
  const plus = new Uint16Array(k)
  const minus = new Uint16Array(k)
  for (let start = 0; start < k; start += r) {
    for (let j = 0; j < r; j++) plus[start + j] = j
    for (let j = r - 1; j >= 1; j--) {
      const other = start + floorOf((j + 1) * u[start + j]!)
      const swapped = plus[start + j]!
      plus[start + j] = plus[other]!
      plus[other] = swapped
    }
  }
  for (let c = 0; c < k; c++) minus[c] = plus[c]! ^ (1 + floorOf((r - 1) * v[c]!))
  return { plus, minus }
}

/** floor(x / 2^32) for 0 <= x < 2^63; scaling by a power of two is exact. */
const floorOf = (x: number): number => (x * 2 ** -32) | 0

/** A stream as words: eight little-endian u32 per block. */
function words(stream: Uint8Array): Uint32Array {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength)
  const out = new Uint32Array(stream.length >>> 2)
  for (let c = 0; c < out.length; c++) out[c] = view.getUint32(4 * c, true)
  return out
}
