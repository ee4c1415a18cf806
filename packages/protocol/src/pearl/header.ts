/** A Pearl block header without its proof commitment, 76 bytes (chapter 12). */
import { check } from '../errors.ts'

export const HEADER_BYTES = 76
const MAX_U32 = 0xffffffff

export interface PearlHeader {
  readonly version: number
  /** 32 bytes, in the order in which hashes are shown; reversed in the encoding. Likewise the root of the transactions. */
  readonly previousBlock: Uint8Array
  readonly merkleRoot: Uint8Array
  /** Seconds since 1970. */
  readonly time: number
  /** Compact target. */
  readonly bits: number
}

/**
 * version u32 | previous block (32, reversed) | merkle root (32, reversed) | time u32 | bits u32, little-endian.
 * Throws PEARL_HEADER.
 */
export function encodeHeader(header: PearlHeader): Uint8Array {
  check(typeof header === 'object' && header !== null, 'PEARL_HEADER', 'a header is an object')
  const { version, previousBlock, merkleRoot, time, bits } = header
  const out = new Uint8Array(HEADER_BYTES)
  const view = new DataView(out.buffer)
  const numbers = { version: [0, version], time: [68, time], bits: [72, bits] } as const
  for (const [name, [at, value]] of Object.entries(numbers)) {
    check(Number.isInteger(value) && value >= 0 && value <= MAX_U32, 'PEARL_HEADER', `${name} is no u32`)
    view.setUint32(at, value, true)
  }
  for (const [at, hash] of [
    [4, previousBlock],
    [36, merkleRoot],
  ] as const) {
    check(hash instanceof Uint8Array && hash.length === 32, 'PEARL_HEADER', 'a hash of a header has 32 bytes')
    out.set(hash.toReversed(), at)
  }
  return out
}

/** Inverse of {@link encodeHeader}; every 76 bytes are a header. Throws PEARL_HEADER for another length. */
export function decodeHeader(bytes: Uint8Array): PearlHeader {
  check(
    bytes instanceof Uint8Array && bytes.length === HEADER_BYTES,
    'PEARL_HEADER',
    `a header has ${HEADER_BYTES} bytes`,
  )
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    version: view.getUint32(0, true),
    // Not slice: that of a Node Buffer is a view, and reversing it would change the caller's bytes.
    previousBlock: new Uint8Array(bytes.subarray(4, 36)).reverse(),
    merkleRoot: new Uint8Array(bytes.subarray(36, 68)).reverse(),
    time: view.getUint32(68, true),
    bits: view.getUint32(72, true),
  }
}
