import { equalBytes, type KeyedHash, keyedHash } from '@nacre/protocol'
import { createBLAKE3, type IHasher } from 'hash-wasm'
import {
  type BatchHash,
  batchOf,
  checkKey,
  DIGEST_BYTES,
  type HashImplementation,
  KEY_BYTES,
  oneByOne,
} from './batch-hash.ts'
import { compileBlake3 } from './blake3-simd.ts'
import { CHUNK_BYTES, INPUT_BYTES } from './layout.ts'

/**
 * The fastest keyed BLAKE3 that works here: WebAssembly SIMD over four messages or chunks at a time, else hash-wasm, else the
 * reference: slower, never wrong. `only` asks for one implementation and rejects if it does not work.
 */
export async function createFastHash(only?: HashImplementation): Promise<BatchHash> {
  if (only !== undefined) return create(only)
  for (const implementation of ['wasm-simd', 'wasm'] as const) {
    try {
      return await create(implementation)
    } catch {
      // The next one asks less of the platform.
    }
  }
  return create('reference')
}

async function create(implementation: HashImplementation): Promise<BatchHash> {
  const hash = await untested(implementation)
  if (implementation !== 'reference') hashSelfTest(hash)
  return hash
}

async function untested(implementation: HashImplementation): Promise<BatchHash> {
  switch (implementation) {
    case 'wasm-simd':
      return compileBlake3()
    case 'wasm': {
      const key = new Uint8Array(KEY_BYTES)
      return oneByOne(rekeyable(await createBLAKE3(256, key), key), 'wasm')
    }
    case 'reference':
      return oneByOne(keyedHash, 'reference')
  }
}

/**
 * One hasher for all keys: hash-wasm fixes the key when a hasher is made, which is asynchronous, but `init()` reads the key's
 * array again each time. That is not a documented promise: {@link hashSelfTest} holds it to it.
 */
function rekeyable(hasher: IHasher, key: Uint8Array): KeyedHash {
  return (nextKey, data) => {
    checkKey(nextKey)
    key.set(nextKey)
    return hasher.init().update(data).digest('binary')
  }
}

/** Lengths around those of words, vectors, blocks and chunks. */
const SINGLE_LENGTHS = [0, 1, 31, 64, 65, 80, 768, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 1]
const BATCH_LENGTHS = [0, 1, 15, 16, 17, 63, 64, 65, 80, 768, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES + 65]
const MOST_MESSAGES = 9

/**
 * Throws unless `hash` equals the reference: for several keys, around BLAKE3's block and chunk lengths, over more than one
 * subtree, and, message by message, for batches of all sizes at odd addresses. Also warms it.
 */
export function hashSelfTest(hash: KeyedHash): void {
  const data = Uint8Array.from({ length: INPUT_BYTES + CHUNK_BYTES + 1 }, (_, i) => (i ^ (i >>> 8)) % 251)
  const keyOf = (length: number): Uint8Array => Uint8Array.from({ length: KEY_BYTES }, (_, i) => (i * 7 + length) & 255)
  for (const length of [...SINGLE_LENGTHS, data.length]) {
    const input = data.subarray(0, length)
    const key = keyOf(length)
    if (!equalBytes(hash(key, input), keyedHash(key, input))) throw new Error(`hash differs for ${length} bytes`)
  }
  for (const length of BATCH_LENGTHS) {
    const input = data.subarray(1, 1 + MOST_MESSAGES * length)
    const key = keyOf(length)
    const expected = oneByOne(keyedHash, 'reference').many(key, input, MOST_MESSAGES, length)
    for (let count = 0; count <= MOST_MESSAGES; count++) {
      const actual = batchOf(hash).many(key, input.subarray(0, count * length), count, length)
      if (!equalBytes(actual, expected.subarray(0, count * DIGEST_BYTES))) {
        throw new Error(`hashes differ for ${count} messages of ${length} bytes`)
      }
    }
  }
}
