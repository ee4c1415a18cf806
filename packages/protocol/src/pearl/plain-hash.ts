import { blake3 } from '@noble/hashes/blake3.js'

/** BLAKE3 without a key or a tag: the baseline has no domains (CNV-2 does not reach it). 32 bytes. */
export function plainHash(data: Uint8Array): Uint8Array {
  return blake3(data)
}
