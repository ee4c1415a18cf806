/**
 * The consensus codec (CNV-1): fixed field order, little-endian integers, length-prefixed bounded lists.
 * Coders come from `micro-packed`; this file adds what consensus needs on top: a size limit before decoding,
 * exact consumption, canonical form (`encode(decode(x)) = x`), private copies, and typed errors.
 */
import * as P from 'micro-packed'
import { equalBytes } from './bytes.ts'
import { ProtocolError } from './errors.ts'

export interface Codec<T> {
  readonly name: string
  readonly maxBytes: number
  /** The micro-packed coder, for use inside other structures. */
  readonly coder: P.CoderType<T>
  /** Canonical bytes. Throws CODEC_MALFORMED or CODEC_TOO_LARGE for a value outside its bounds. */
  encode(value: T): Uint8Array
  /** The value, with no view on `bytes`. Throws CODEC_* and nothing else. */
  decode(bytes: Uint8Array): T
}

/** Turns a coder into a {@link Codec} with a size limit. */
export function defineCodec<T>(name: string, coder: P.CoderType<T>, maxBytes: number): Codec<T> {
  const encode = (value: T): Uint8Array => {
    let bytes: Uint8Array
    try {
      bytes = coder.encode(value)
    } catch (cause) {
      throw new ProtocolError('CODEC_MALFORMED', `${name} cannot be encoded: ${message(cause)}`, { cause })
    }
    if (bytes.length > maxBytes) tooLarge(name, bytes.length, maxBytes)
    return bytes
  }
  const decode = (bytes: Uint8Array): T => {
    if (bytes.length > maxBytes) tooLarge(name, bytes.length, maxBytes)
    // Not slice: that of a Node Buffer is a view.
    const own = new Uint8Array(bytes)
    let value: T
    try {
      value = coder.decode(own)
    } catch (cause) {
      const text = message(cause)
      const trailing = cause instanceof Error && cause.message.includes('left after unpack')
      throw new ProtocolError(
        trailing ? 'CODEC_TRAILING_BYTES' : 'CODEC_MALFORMED',
        `${name}: ${trailing ? 'bytes after the end' : text}`,
        { cause },
      )
    }
    if (!equalBytes(encode(value), own))
      throw new ProtocolError('CODEC_NOT_CANONICAL', `${name} re-encodes differently`)
    return value
  }
  return { name, maxBytes, coder, encode, decode }
}

/** Why micro-packed refused, cut short: its messages can contain the whole input. */
const message = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).slice(0, 200)

function tooLarge(name: string, bytes: number, maxBytes: number): never {
  throw new ProtocolError('CODEC_TOO_LARGE', `${name} has ${bytes} bytes, the limit is ${maxBytes}`)
}

/** A u32 count that must not exceed `max`; checked before anything is allocated. */
function boundedLength(max: number): P.CoderType<number> {
  return P.validate(P.U32LE, (n: number) => {
    if (n > max) throw new Error(`length ${n} exceeds ${max}`)
    return n
  })
}

/** Length-prefixed bytes, at most `max`. */
export function boundedBytes(max: number): P.CoderType<Uint8Array> {
  return P.bytes(boundedLength(max)) as P.CoderType<Uint8Array>
}

/** Length-prefixed list, at most `max` items. */
export function boundedList<T>(max: number, inner: P.CoderType<T>): P.CoderType<T[]> {
  return P.array(boundedLength(max), inner)
}

/** Like {@link boundedList}, for lists that nobody changes. */
export function boundedReadonlyList<T>(max: number, inner: P.CoderType<T>): P.CoderType<readonly T[]> {
  return boundedList(max, inner) as unknown as P.CoderType<readonly T[]>
}

/** Exactly `length` bytes. */
export function fixedBytes(length: number): P.CoderType<Uint8Array> {
  return P.bytes(length) as P.CoderType<Uint8Array>
}

export const bytes32: P.CoderType<Uint8Array> = fixedBytes(32)
export const bytes64: P.CoderType<Uint8Array> = fixedBytes(64)
export const u8: P.CoderType<number> = P.U8
export const u16: P.CoderType<number> = P.U16LE
export const u32: P.CoderType<number> = P.U32LE
/** Amounts in grains (CNV-4). */
export const u64: P.CoderType<bigint> = P.U64LE
/** Amounts of work in MACs. */
export const u128: P.CoderType<bigint> = P.U128LE
/** One byte, 0 or 1. */
export const bool: P.CoderType<boolean> = P.apply(
  P.validate(P.U8, (value: number) => {
    if (value > 1) throw new Error(`${value} is neither 0 nor 1`)
    return value
  }),
  { encode: (value: number): boolean => value === 1, decode: (value: boolean): number => (value ? 1 : 0) },
)
/** A value or nothing: a list of one or none. */
export function optional<T>(inner: P.CoderType<T>): P.CoderType<T | undefined> {
  return P.apply(boundedList(1, inner), {
    encode: (list: T[]): T | undefined => list[0],
    decode: (value: T | undefined): T[] => (value === undefined ? [] : [value]),
  })
}
/**
 * A structure and, where anything follows it, one value more: only for what ends its codec. Without the value the bytes are those of the
 * structure alone.
 */
export function withTrailing<T extends object, K extends string, V>(
  struct: P.CoderType<T>,
  name: K,
  last: P.CoderType<V>,
): P.CoderType<T & { readonly [key in K]?: V | undefined }> {
  type Whole = T & { readonly [key in K]?: V | undefined }
  return P.wrap<Whole>({
    encodeStream: (writer, value) => {
      struct.encodeStream(writer, value)
      const trailing = value[name]
      if (trailing !== undefined) last.encodeStream(writer, trailing)
    },
    decodeStream: (reader) => {
      const value = struct.decodeStream(reader)
      return (reader.isEnd() ? value : { ...value, [name]: last.decodeStream(reader) }) as Whole
    },
  })
}
/** A u64 that fits a double exactly: times in milliseconds. */
export const u64Safe: P.CoderType<number> = P.apply(P.U64LE, {
  encode: (value: bigint): number => {
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`${value} exceeds 2^53 - 1`)
    return Number(value)
  },
  decode: (value: number): bigint => BigInt(value),
})
