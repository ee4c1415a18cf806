/** The random factors of the lottery (WRK-2): fast twins of the reference's, many random blocks at a time. */
import {
  type KeyedHash,
  RANDOM_BLOCK_BYTES,
  SLOT_PARTNER,
  SLOT_PERMUTATION,
  SLOT_UNIFORM,
  type SparseFactor,
  sparseFactorOf,
  utf8ToBytes,
} from '@nacre/protocol'
import { type BatchHash, batchOf } from '../hashing/batch-hash.ts'

/** Message of one random block (section 12). */
const MESSAGE_BYTES = 64
/** Bounds the messages in memory. */
const BLOCKS_AT_ONCE = 1024

/** A noise matrix in factored form, all rows: `uniform` is rows x r, `sparse` is over the k columns. */
export interface NoiseFactors {
  readonly uniform: Int8Array
  readonly sparse: SparseFactor
}

/** The noise of an operand (`rows` prompt rows) or of a weight matrix (`rows` output columns), from row `firstRow`. */
export function noiseFactors(
  label: string,
  seed: Uint8Array,
  rows: number,
  k: number,
  r: number,
  hash: KeyedHash,
  firstRow = 0,
): NoiseFactors {
  const batch = batchOf(hash)
  const permutation = randomBytes(label, seed, SLOT_PERMUTATION, 4 * k, batch)
  const partner = randomBytes(label, seed, SLOT_PARTNER, 4 * k, batch)
  const sparse = sparseFactorOf(permutation, partner, k, r)
  return { uniform: uniform(label, seed, firstRow * r, rows * r, batch), sparse }
}

/** `count` values of the slot-0 stream from value `start`: (byte & 63) - 32. */
function uniform(label: string, seed: Uint8Array, start: number, count: number, hash: BatchHash): Int8Array {
  const bytes = randomBytes(label, seed, SLOT_UNIFORM, count, hash, start)
  const out = new Int8Array(count)
  for (let i = 0; i < count; i++) out[i] = (bytes[i]! & 63) - 32
  return out
}

/** Bytes from .. from + length - 1 of a random stream, as `randomStream`, many blocks at a time. */
export function randomBytes(
  label: string,
  key: Uint8Array,
  slot: number,
  length: number,
  hash: BatchHash,
  from = 0,
): Uint8Array {
  const firstBlock = Math.floor(from / RANDOM_BLOCK_BYTES)
  const skipped = from % RANDOM_BLOCK_BYTES
  const blocks = Math.ceil((skipped + length) / RANDOM_BLOCK_BYTES)
  const out = new Uint8Array(blocks * RANDOM_BLOCK_BYTES)
  const messages = blockMessages(label, Math.min(blocks, BLOCKS_AT_ONCE))
  const view = new DataView(messages.buffer)
  for (let start = 0; start < blocks; start += BLOCKS_AT_ONCE) {
    const count = Math.min(BLOCKS_AT_ONCE, blocks - start)
    for (let i = 0; i < count; i++) view.setInt32(i * MESSAGE_BYTES + 4 * slot, 1 + firstBlock + start + i, true)
    const input = messages.subarray(0, count * MESSAGE_BYTES)
    const end = (start + count) * RANDOM_BLOCK_BYTES
    hash.many(key, input, count, MESSAGE_BYTES, out.subarray(start * RANDOM_BLOCK_BYTES, end))
  }
  return out.subarray(skipped, skipped + length)
}

/** The messages of random blocks of one label, still without their indices. */
function blockMessages(label: string, count: number): Uint8Array {
  const messages = new Uint8Array(count * MESSAGE_BYTES)
  const text = utf8ToBytes(label)
  for (let i = 0; i < count; i++) messages.set(text, i * MESSAGE_BYTES + MESSAGE_BYTES / 2)
  return messages
}
