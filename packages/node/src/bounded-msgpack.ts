/**
 * msgpack for request and response bodies, never hashed (CNV-1). msgpackr is lenient: it accepts deep nesting until the stack
 * overflows and builds whatever length a message announces. So a message is walked first, without building anything.
 */
import { check, ProtocolError } from '@nacre/protocol'
import { Packr } from 'msgpackr'

const packr = new Packr({ useRecords: false })

/** Nothing on the wire nests deeper. */
const MAX_DEPTH = 4

export function pack(value: readonly unknown[]): Uint8Array {
  return new Uint8Array(packr.pack(value))
}

/** The list in `bytes`. Throws CODEC_TOO_LARGE, CODEC_TRAILING_BYTES or CODEC_MALFORMED and nothing else. */
export function unpackList(bytes: Uint8Array, maxBytes: number, what: string): unknown[] {
  check(bytes.length <= maxBytes, 'CODEC_TOO_LARGE', `${what} has ${bytes.length} bytes, the limit is ${maxBytes}`)
  const end = new Walker(bytes, what).end()
  check(end === bytes.length, 'CODEC_TRAILING_BYTES', `${what} has bytes after the end`)
  let value: unknown
  try {
    value = packr.unpack(bytes)
  } catch (cause) {
    throw new ProtocolError('CODEC_MALFORMED', `${what} is no msgpack`, { cause })
  }
  if (!Array.isArray(value)) throw malformed(what)
  return value
}

export function malformed(what: string): ProtocolError {
  return new ProtocolError('CODEC_MALFORMED', `${what} is not of the expected form`)
}

/** Bytes that follow each tag: a fixed payload, or the size of a length field before one. Source: the msgpack specification. */
const FIXED_PAYLOAD: Readonly<Record<number, number>> = {
  192: 0,
  194: 0,
  195: 0,
  204: 1,
  205: 2,
  206: 4,
  207: 8,
  203: 8,
}
const PAYLOAD_LENGTH_BYTES: Readonly<Record<number, 1 | 2 | 4>> = { 196: 1, 197: 2, 198: 4, 217: 1, 218: 2, 219: 4 }
const LIST_LENGTH_BYTES: Readonly<Record<number, 1 | 2 | 4>> = { 220: 2, 221: 4 }

/** Accepts arrays, unsigned integers, floats, strings, byte strings, booleans and nil; maps and extensions are malformed. */
class Walker {
  readonly #view: DataView
  readonly #what: string
  #at = 0

  constructor(bytes: Uint8Array, what: string) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#what = what
  }

  /** Where the one value at the start ends. */
  end(): number {
    this.#value(0)
    return this.#at
  }

  #value(depth: number): void {
    if (depth > MAX_DEPTH) throw malformed(this.#what)
    const tag = this.#unsigned(1)
    const fixed = FIXED_PAYLOAD[tag]
    const payload = PAYLOAD_LENGTH_BYTES[tag]
    const list = LIST_LENGTH_BYTES[tag]
    if (tag <= 0x7f) return
    if (tag >= 0x90 && tag <= 0x9f) this.#list(tag & 0x0f, depth)
    else if (tag >= 0xa0 && tag <= 0xbf) this.#skip(tag & 0x1f)
    else if (fixed !== undefined) this.#skip(fixed)
    else if (payload !== undefined) this.#skip(this.#unsigned(payload))
    else if (list !== undefined) this.#list(this.#unsigned(list), depth)
    else throw malformed(this.#what)
  }

  #list(count: number, depth: number): void {
    if (count > this.#view.byteLength - this.#at) throw malformed(this.#what)
    for (let i = 0; i < count; i++) this.#value(depth + 1)
  }

  #skip(count: number): void {
    if (count > this.#view.byteLength - this.#at) throw malformed(this.#what)
    this.#at += count
  }

  #unsigned(size: 1 | 2 | 4): number {
    const at = this.#at
    this.#skip(size)
    return size === 1 ? this.#view.getUint8(at) : size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at)
  }
}
