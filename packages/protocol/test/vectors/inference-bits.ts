import { bytesToHex, f32FromBytes, f32ToBytes, hexToBytes } from '../../src/bytes.ts'

/** binary32 values as hex of their little-endian bytes, eight digits each. */
export const hexF32 = (values: ArrayLike<number>): string => bytesToHex(f32ToBytes(Float32Array.from(values)))
export const f32Hex = (hex: string): Float32Array => f32FromBytes(hexToBytes(hex))

/** int8 values as hex, two digits each. */
export const hexInt8 = (values: ArrayLike<number>): string => bytesToHex(Uint8Array.from(Int8Array.from(values)))
export const int8Hex = (hex: string): Int8Array => new Int8Array(hexToBytes(hex).buffer)
