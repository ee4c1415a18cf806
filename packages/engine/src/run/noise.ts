/** The random factors of the lottery (WRK-2): fast twins of the reference's, many random blocks at a time. */
import {
  type KeyedHash,
  OPERAND_NOISE_LABEL,
  RANDOM_BLOCK_BYTES,
  SLOT_PARTNER,
  SLOT_PERMUTATION,
  SLOT_UNIFORM,
  type SparseFactor,
  sparseFactorOf,
  utf8ToBytes,
  WEIGHT_NOISE_LABEL,
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
  return { uniform: uniformValues(label, seed, firstRow * r, rows * r, batch), sparse }
}

/** `count` values of the slot-0 stream from value `start`: (byte & 63) - 32, in place and four at a time. */
export function uniformValues(
  label: string,
  seed: Uint8Array,
  start: number,
  count: number,
  hash: BatchHash,
): Int8Array {
  const skipped = start % RANDOM_BLOCK_BYTES
  const { buffer } = randomBytes(label, seed, SLOT_UNIFORM, skipped + count, hash, start - skipped)
  const words = new Uint32Array(buffer)
  for (let i = 0; i < words.length; i++) {
    const x = words[i]!
    // A byte below 32 gets three ones in front, one from 32 on three zeros: that is x - 32 in two's complement.
    const low = ~x & 0x20202020
    words[i] = (x & 0x1f1f1f1f) | low | (low << 1) | (low << 2)
  }
  return new Int8Array(buffer, skipped, count)
}

/** Bytes from .. from + length - 1 of a random stream, as `randomStream`, many blocks at a time. */
export function randomBytes(
  label: string,
  key: Uint8Array,
  slot: number,
  length: number,
  hash: BatchHash,
  from = 0,
): Uint8Array<ArrayBuffer> {
  const firstBlock = Math.floor(from / RANDOM_BLOCK_BYTES)
  const skipped = from % RANDOM_BLOCK_BYTES
  const blocks = Math.ceil((skipped + length) / RANDOM_BLOCK_BYTES)
  const out = new Uint8Array(blocks * RANDOM_BLOCK_BYTES)
  const first = firstMessages(label, slot)
  for (let start = 0; start < blocks; start += BLOCKS_AT_ONCE) {
    const count = Math.min(BLOCKS_AT_ONCE, blocks - start)
    const shift = firstBlock + start
    const input = first.subarray(0, count * MESSAGE_BYTES)
    const end = (start + count) * RANDOM_BLOCK_BYTES
    const messages = shift === 0 ? input : shifted(input, slot, shift)
    hash.many(key, messages, count, MESSAGE_BYTES, out.subarray(start * RANDOM_BLOCK_BYTES, end))
  }
  return out.subarray(skipped, skipped + length)
}

/** The messages of blocks 0 .. BLOCKS_AT_ONCE - 1, kept for the two labels of the lottery. */
const kept = new Map<string, Uint8Array>()

function firstMessages(label: string, slot: number): Uint8Array {
  const name = `${slot}/${label}`
  const known = kept.get(name)
  if (known !== undefined) return known
  const messages = new Uint8Array(BLOCKS_AT_ONCE * MESSAGE_BYTES)
  const view = new DataView(messages.buffer)
  const text = utf8ToBytes(label)
  for (let i = 0; i < BLOCKS_AT_ONCE; i++) {
    messages.set(text, i * MESSAGE_BYTES + MESSAGE_BYTES / 2)
    view.setInt32(i * MESSAGE_BYTES + 4 * slot, 1 + i, true)
  }
  if (label === OPERAND_NOISE_LABEL || label === WEIGHT_NOISE_LABEL) kept.set(name, messages)
  return messages
}

/** The same messages for blocks `shift` further on. */
function shifted(messages: Uint8Array, slot: number, shift: number): Uint8Array {
  const out = messages.slice()
  const view = new DataView(out.buffer)
  for (let i = 0; i < out.length / MESSAGE_BYTES; i++) view.setInt32(i * MESSAGE_BYTES + 4 * slot, 1 + shift + i, true)
  return out
}
