import type { KeyedHash } from '@nacre/protocol'

export const HASH_IMPLEMENTATIONS = ['wasm-simd', 'wasm', 'reference'] as const
export type HashImplementation = (typeof HASH_IMPLEMENTATIONS)[number]

/** A keyed hash that also takes many messages of one length at once. Equal to the reference, bit for bit. */
export interface BatchHash extends KeyedHash {
  readonly implementation: HashImplementation
  /**
   * The hashes of `count` messages of `lengthBytes` bytes that lie one after the other in `input`: count x 32 bytes.
   * @param key 32 bytes. @param input exactly count * lengthBytes bytes.
   * @param out where they go, exactly count * 32 bytes and no part of `input`; a new array by default. It is returned.
   */
  many(key: Uint8Array, input: Uint8Array, count: number, lengthBytes: number, out?: Uint8Array): Uint8Array
}

export const KEY_BYTES = 32
export const DIGEST_BYTES = 32

/** `hash` itself if it takes many messages at once, and otherwise with a loop for them. */
export function batchOf(hash: KeyedHash): BatchHash {
  return 'many' in hash ? (hash as BatchHash) : oneByOne(hash, 'reference')
}

export function oneByOne(hash: KeyedHash, implementation: HashImplementation): BatchHash {
  const many: BatchHash['many'] = (key, input, count, lengthBytes, out = new Uint8Array(count * DIGEST_BYTES)) => {
    checkBatch(key, input, count, lengthBytes, out)
    for (let i = 0; i < count; i++) {
      out.set(hash(key, input.subarray(i * lengthBytes, (i + 1) * lengthBytes)), i * DIGEST_BYTES)
    }
    return out
  }
  return Object.assign((key: Uint8Array, data: Uint8Array) => hash(key, data), { implementation, many })
}

/** Throws RangeError for lengths that do not fit together. */
export function checkBatch(
  key: Uint8Array,
  input: Uint8Array,
  count: number,
  lengthBytes: number,
  out: Uint8Array,
): void {
  checkKey(key)
  if (input.length !== count * lengthBytes) {
    throw new RangeError(`${input.length} bytes are not ${count} messages of ${lengthBytes}`)
  }
  if (out.length !== count * DIGEST_BYTES) throw new RangeError(`${out.length} bytes do not hold ${count} hashes`)
}

export function checkKey(key: Uint8Array): void {
  if (key.length !== KEY_BYTES) throw new RangeError(`a key has ${KEY_BYTES} bytes, not ${key.length}`)
}
