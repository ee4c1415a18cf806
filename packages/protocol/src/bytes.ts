/** Small byte helpers; all integers are little-endian (section 3). */

export { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'

/** Constant-length comparison without early exit semantics that callers could rely on; not constant-time. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Whether two lists have the same numbers in the same order. */
export function equalNumbers(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Lexicographic order of two byte strings: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length)
  for (let i = 0; i < n; i++) {
    const d = a[i]! - b[i]!
    if (d !== 0) return d
  }
  return a.length - b.length
}

/** `value` as 4 little-endian bytes, value in 0..2^32-1. */
export function u32le(value: number): Uint8Array {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, value, true)
  return out
}

/** Little-endian bytes as an unsigned integer. */
export function bigintFromLe(bytes: Uint8Array): bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
  return value
}

/** `count` u32 values as little-endian bytes. */
export function u32ListToBytes(values: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array(values.length * 4)
  const view = new DataView(out.buffer)
  for (let i = 0; i < values.length; i++) view.setUint32(4 * i, values[i]!, true)
  return out
}

/** The little-endian bytes of a binary32 row. Copies. */
export function f32ToBytes(row: Float32Array): Uint8Array {
  const out = new Uint8Array(row.length * 4)
  const view = new DataView(out.buffer)
  for (let i = 0; i < row.length; i++) view.setFloat32(4 * i, row[i]!, true)
  return out
}

/** Inverse of {@link f32ToBytes}; `bytes.length` must be a multiple of 4. */
export function f32FromBytes(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const out = new Float32Array(bytes.length >>> 2)
  for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true)
  return out
}
