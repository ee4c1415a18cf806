import { utf8ToBytes } from '../bytes.ts'
import { type KeyedHash, keyedHash } from '../hash.ts'

/** Bytes of one random block. */
export const RANDOM_BLOCK_BYTES = 32

const MESSAGE_BYTES = 64
const LABEL_OFFSET = 32

/**
 * Random block `index` of a label under a key (WRK-2, section 12): BLAKE3 keyed with `key` of 64 bytes that are zero except
 * 1 + index as i32 LE at byte 4 * slot and the label, zero-padded, in bytes 32..63.
 * @param index 0..2^31-2. @param label at most 32 bytes of ASCII. @param key 32 bytes. @param slot 0..7.
 */
export function randomBlock(
  index: number,
  label: string,
  key: Uint8Array,
  slot: number,
  hash: KeyedHash = keyedHash,
): Uint8Array {
  const message = new Uint8Array(MESSAGE_BYTES)
  new DataView(message.buffer).setInt32(4 * slot, 1 + index, true)
  message.set(utf8ToBytes(label), LABEL_OFFSET)
  return hash(key, message)
}

/** Bytes start .. start + length - 1 of the concatenated random blocks 0, 1, 2, ... of one label, key and slot. */
export function randomStream(
  label: string,
  key: Uint8Array,
  slot: number,
  start: number,
  length: number,
  hash: KeyedHash = keyedHash,
): Uint8Array {
  const out = new Uint8Array(length)
  const end = start + length
  for (let index = Math.floor(start / RANDOM_BLOCK_BYTES); index * RANDOM_BLOCK_BYTES < end; index++) {
    const block = randomBlock(index, label, key, slot, hash)
    const at = index * RANDOM_BLOCK_BYTES
    const from = Math.max(start - at, 0)
    out.set(block.subarray(from, Math.min(end - at, RANDOM_BLOCK_BYTES)), at + from - start)
  }
  return out
}
