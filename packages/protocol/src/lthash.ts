/**
 * LtHash (BLK-7): a homomorphic multiset hash with 1024 lanes of 16 bits over BLAKE3.
 * Adding or removing one state entry costs O(1); the order of changes does not matter (P7).
 * Source: Bellare and Micciancio 1997; parameters of Lewi et al., "Securing update propagation with homomorphic hashing", 2019.
 */
import { u32le } from './bytes.ts'
import { taggedHash, taggedXof } from './hash.ts'

export const LTHASH_LANES = 1024
export const LTHASH_BYTES = 2048

/** Lane sums modulo 2^16. */
export type LtHash = Uint16Array

export function emptyLtHash(): LtHash {
  return new Uint16Array(LTHASH_LANES)
}

function element(key: Uint8Array, value: Uint8Array): DataView {
  const bytes = taggedXof('ltHashElement', LTHASH_BYTES, u32le(key.length), key, value)
  return new DataView(bytes.buffer, bytes.byteOffset, LTHASH_BYTES)
}

/** `hash` with the entry (key, value) added. Pure. */
export function ltHashAdd(hash: LtHash, key: Uint8Array, value: Uint8Array): LtHash {
  const out = hash.slice()
  const lanes = element(key, value)
  for (let i = 0; i < LTHASH_LANES; i++) out[i] = out[i]! + lanes.getUint16(2 * i, true)
  return out
}

/** `hash` with the entry (key, value) removed. Pure; the inverse of {@link ltHashAdd}. */
export function ltHashRemove(hash: LtHash, key: Uint8Array, value: Uint8Array): LtHash {
  const out = hash.slice()
  const lanes = element(key, value)
  for (let i = 0; i < LTHASH_LANES; i++) out[i] = out[i]! - lanes.getUint16(2 * i, true)
  return out
}

/** The lanes as 2048 little-endian bytes. */
export function ltHashToBytes(hash: LtHash): Uint8Array {
  const out = new Uint8Array(LTHASH_BYTES)
  const view = new DataView(out.buffer)
  for (let i = 0; i < LTHASH_LANES; i++) view.setUint16(2 * i, hash[i]!, true)
  return out
}

/** Inverse of {@link ltHashToBytes}. */
export function ltHashFromBytes(bytes: Uint8Array): LtHash {
  const view = new DataView(bytes.buffer, bytes.byteOffset, LTHASH_BYTES)
  return Uint16Array.from({ length: LTHASH_LANES }, (_, i) => view.getUint16(2 * i, true))
}

/** The state root: the tagged hash of the lanes. */
export function stateRootOf(hash: LtHash): Uint8Array {
  return taggedHash('stateRoot', ltHashToBytes(hash))
}
