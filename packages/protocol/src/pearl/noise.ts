/**
 * The noise of the baseline (chapter 12): random blocks, uniform and sparse factors. Blocks are those of WRK-2; the sparse factor
 * is not: each of its positions is drawn by itself, so that a block of r columns keeps about 0.81 of full rank instead of 0.95.
 */
import { utf8ToBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import type { KeyedHash } from '../hash.ts'
import { RANDOM_BLOCK_BYTES } from '../lottery/random-block.ts'
import { checkBytes, checkInteger, checkPowerOfTwo } from './argument.ts'
import { CV_WORDS, cvFromBytes, cvToBytes, hashBlock } from './blake3.ts'
import { MAX_DIMENSION, MAX_FACTOR_ROWS, MAX_K, MAX_RANK } from './limits.ts'

/** Labels of A's and of B's noise; 32 bytes with zeros behind. */
export const LABEL_A = 'A_tensor'
export const LABEL_B = 'B_tensor'
/** Slots of the uniform and of the sparse factor. */
export const SLOT_UNIFORM = 0
export const SLOT_SPARSE = 1

const MESSAGE_WORDS = 16
const LABEL_AT = 8
const SLOTS = 8
const TWO_32 = 2 ** 32
const MAX_INDEX: number = 2 ** 31 - 2

/** A label in ASCII, or its 32 bytes. */
export type Label = string | Uint8Array

/** The 64-byte message of a label's blocks, as 16 words; the slot's word is still zero. Throws PEARL_ARGUMENT. */
function messageOf(label: Label): Int32Array {
  const bytes = typeof label === 'string' ? utf8ToBytes(label) : label
  check(bytes instanceof Uint8Array && bytes.length <= 32, 'PEARL_ARGUMENT', 'a label has at most 32 bytes')
  const padded = new Uint8Array(32)
  padded.set(bytes)
  const message = new Int32Array(MESSAGE_WORDS)
  message.set(cvFromBytes(padded), LABEL_AT)
  return message
}

/**
 * Random blocks `first` .. `first + count - 1` of a label, key and slot, eight words each.
 * @param hash another keyed hash, equal to BLAKE3's; by default this package's own compression function.
 */
function randomWords(
  label: Label,
  key: Uint8Array,
  slot: number,
  first: number,
  count: number,
  hash?: KeyedHash,
): Int32Array {
  checkBytes('the key', key, 32)
  const message = messageOf(label)
  const keyWords = cvFromBytes(key)
  const out = new Int32Array(count * CV_WORDS)
  const bytes = new Uint8Array(4 * MESSAGE_WORDS)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < count; i++) {
    message[slot] = 1 + first + i
    if (hash === undefined) hashBlock(keyWords, message, out, i * CV_WORDS)
    else {
      message.forEach((word, w) => {
        view.setInt32(4 * w, word, true)
      })
      out.set(cvFromBytes(hash(key, bytes)), i * CV_WORDS)
    }
  }
  return out
}

/**
 * Random block `index`, 32 bytes: BLAKE3 keyed with `key` of 64 bytes, zero except 1 + index as i32 LE at byte 4 * slot and the
 * label in bytes 32..63. @param index 0..2^31-2. @param key 32 bytes. @param slot 0..7. Throws PEARL_ARGUMENT.
 */
export function randomBlock(index: number, label: Label, key: Uint8Array, slot: number, hash?: KeyedHash): Uint8Array {
  checkInteger('the index', index, 0, MAX_INDEX)
  checkInteger('the slot', slot, 0, SLOTS - 1)
  return cvToBytes(randomWords(label, key, slot, index, 1, hash))
}

/** Row `row` of a uniform factor with r values a row, into `out` at `to`: (byte & 63) - 32 of the stream of slot 0. */
function uniformRowInto(
  label: Label,
  key: Uint8Array,
  row: number,
  r: number,
  out: Int8Array,
  to: number,
  hash?: KeyedHash,
): void {
  const start = row * r
  const first = Math.floor(start / RANDOM_BLOCK_BYTES)
  const last = Math.floor((start + r - 1) / RANDOM_BLOCK_BYTES)
  const words = randomWords(label, key, SLOT_UNIFORM, first, last - first + 1, hash)
  const skip = start - first * RANDOM_BLOCK_BYTES
  for (let t = 0; t < r; t++) {
    const at = skip + t
    out[to + t] = ((words[at >>> 2]! >>> (8 * (at & 3))) & 63) - 32
  }
}

/** The given rows of a uniform factor, one after the other: rows.length x r values in [-32, 31]. */
export function uniformFactorRows(
  label: Label,
  key: Uint8Array,
  rows: readonly number[],
  r: number,
  hash?: KeyedHash,
): Int8Array {
  checkInteger('the number of values a row', r, 1, MAX_RANK)
  const out = new Int8Array(rows.length * r)
  rows.forEach((row, i) => {
    checkInteger('a row', row, 0, MAX_DIMENSION - 1)
    uniformRowInto(label, key, row, r, out, i * r, hash)
  })
  return out
}

/** Rows 0 .. rows - 1 of a uniform factor, row-major: rows x r values in [-32, 31]. Throws PEARL_ARGUMENT. */
export function uniformFactor(label: Label, key: Uint8Array, rows: number, r: number, hash?: KeyedHash): Int8Array {
  checkInteger('the number of rows', rows, 0, MAX_FACTOR_ROWS)
  return uniformFactorRows(
    label,
    key,
    Array.from({ length: rows }, (_, i) => i),
    r,
    hash,
  )
}

/** A sparse factor: over the k indices, +1 at plus[c] and -1 at minus[c], both in 0..r-1 and never equal. */
export interface SparseWords {
  readonly plus: Uint16Array
  readonly minus: Uint16Array
}

/**
 * The sparse factor of k indices in two arrays. Index c takes word c of slot 1, eight words a block: with u that word,
 * plus = u & (r - 1) and minus = plus xor (1 + floor((r - 1) u / 2^32)). Products stay below 2^48, exact in a double.
 */
export function sparseWords(label: Label, key: Uint8Array, k: number, r: number, hash?: KeyedHash): SparseWords {
  checkInteger('k', k, 1, MAX_K)
  checkPowerOfTwo('the rank', r)
  const words = randomWords(label, key, SLOT_SPARSE, 0, Math.ceil(k / CV_WORDS), hash)
  const plus = new Uint16Array(k)
  const minus = new Uint16Array(k)
  for (let c = 0; c < k; c++) {
    const u = words[c]! >>> 0
    const first = u & (r - 1)
    plus[c] = first
    minus[c] = first ^ (1 + Math.floor(((r - 1) * u) / TWO_32))
  }
  return { plus, minus }
}

/** The sparse factor as k pairs [first, second]: +1 at first, -1 at second. @param r a power of two. Throws PEARL_ARGUMENT. */
export function sparseFactor(
  label: Label,
  key: Uint8Array,
  k: number,
  r: number,
  hash?: KeyedHash,
): [first: number, second: number][] {
  const { plus, minus } = sparseWords(label, key, k, r, hash)
  return Array.from(plus, (first, c) => [first, minus[c]!])
}

/** Rows of an operand to which noise is added: rows.length x k values. */
export interface NoisedRowsInput {
  readonly label: Label
  readonly seed: Uint8Array
  readonly k: number
  readonly r: number
  /** Indices of the rows in the whole matrix. */
  readonly rows: readonly number[]
  /** Those rows of the operand, values in [-64, 64]; a row begins every `k` values. */
  readonly values: Int8Array
}

/**
 * A' (or B' by columns): each value plus uniform[first] - uniform[second] of its row and column. Results lie in [-127, 127].
 * Throws PEARL_ARGUMENT.
 */
export function noisedRows(input: NoisedRowsInput, hash?: KeyedHash): Int8Array {
  const { label, seed, k, r, rows, values } = input
  check(values.length === rows.length * k, 'PEARL_ARGUMENT', `${values.length} values for ${rows.length} rows of ${k}`)
  const { plus, minus } = sparseWords(label, seed, k, r, hash)
  const uniform = uniformFactorRows(label, seed, rows, r, hash)
  const out = new Int8Array(values.length)
  for (let i = 0; i < rows.length; i++) {
    const row = uniform.subarray(i * r, (i + 1) * r)
    const at = i * k
    for (let c = 0; c < k; c++) out[at + c] = values[at + c]! + row[plus[c]!]! - row[minus[c]!]!
  }
  return out
}
