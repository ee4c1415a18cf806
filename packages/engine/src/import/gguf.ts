/**
 * The GGUF container, versions 2 and 3, little-endian: header, metadata, tensor list, aligned data. Strict and bounded (CNV-7).
 * Source: docs/gguf.md of ggml-org/ggml.
 */
import { malformed } from '../files/safetensors.ts'
import { shown } from '../files/shown.ts'
import type { DiskFile } from './disk-file.ts'
import type { Findings } from './findings.ts'

/** Everything before the data: mostly the vocabulary. */
const MAX_HEAD_BYTES = 1 << 27
const MAX_KEYS = 1 << 14
const MAX_TENSORS = 1 << 16
const MAX_NAME_BYTES = 1024
const MAX_RANK = 4
/** Items of all arrays together. */
const MAX_ITEMS = 1 << 22
const DEFAULT_ALIGNMENT = 32

export type GgufValue = number | boolean | string | readonly (number | boolean | string)[]

export interface GgufTensor {
  readonly name: string
  /** Columns first. */
  readonly dimensions: readonly number[]
  /** ggml's number for the format. */
  readonly type: number
  /** From the start of the data. */
  readonly offset: number
}

export interface Gguf {
  readonly version: number
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly tensors: readonly GgufTensor[]
  readonly alignment: number
  /** Position of the data in the file. */
  readonly dataStart: number
}

export function isGguf(first: Uint8Array): boolean {
  return first.length >= 4 && String.fromCharCode(...first.subarray(0, 4)) === 'GGUF'
}

/**
 * Reads everything before the data. Throws MODEL_MALFORMED, or MODEL_UNSUPPORTED for another version; reads and allocates in
 * proportion to what is there, whatever the counts say.
 */
export async function readGguf(file: DiskFile, findings: Findings): Promise<Gguf> {
  const version = checkVersion(file, await file.read(0, 8), findings)
  for (let bytes = 1 << 20; ; bytes *= 4) {
    const length = Math.min(bytes, file.size, MAX_HEAD_BYTES)
    try {
      return parseHead(new Cursor(await file.read(0, length), file), version)
    } catch (error) {
      if (!(error instanceof MoreBytes)) throw error
      if (length === MAX_HEAD_BYTES) malformed(`${file.path} has more than ${MAX_HEAD_BYTES} bytes before its tensors`)
    }
  }
}

function checkVersion(file: DiskFile, first: Uint8Array, findings: Findings): number {
  const view = new DataView(first.buffer)
  const version = view.getUint32(4, true)
  if (version === 2 || version === 3) return version
  const swapped = view.getUint32(4, false)
  findings.unsupported(swapped <= 3 ? `GGUF ${swapped} in big-endian order` : `GGUF ${version}, only 2 and 3 are read`)
  findings.settle(file.path)
  return version
}

/** The head goes on behind the bytes that were read. */
class MoreBytes extends Error {}

/** Reads values one after the other; counts are compared with what the file can still hold before anything is allocated. */
class Cursor {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #file: DiskFile
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  position = 8
  items = 0

  constructor(bytes: Uint8Array, file: DiskFile) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer)
    this.#file = file
  }

  #take(length: number): number {
    const at = this.position
    if (at + length > this.#file.size) malformed(`${this.#file.path} ends at ${this.#file.size}, inside its head`)
    if (at + length > this.#bytes.length) throw new MoreBytes()
    this.position += length
    return at
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  /** A count or size. */
  u64(what: string, max: number): number {
    const value = this.#view.getBigUint64(this.#take(8), true)
    if (value > BigInt(max)) malformed(`${this.#file.path}: ${what} is ${value}, more than ${max}`)
    return Number(value)
  }

  text(what: string, maxBytes: number): string {
    const length = this.u64(`the length of ${what}`, maxBytes)
    const at = this.#take(length)
    try {
      return this.#decoder.decode(this.#bytes.subarray(at, at + length))
    } catch {
      return malformed(`${this.#file.path}: ${what} is no UTF-8`)
    }
  }

  value(key: string, type: number): GgufValue {
    if (type !== 9) return this.#single(key, type)
    const itemType = this.u32()
    if (itemType === 9) malformed(`${this.#file.path}: ${key} is an array of arrays`)
    const count = this.u64(`the length of ${key}`, MAX_ITEMS)
    this.items += count
    if (this.items > MAX_ITEMS) malformed(`${this.#file.path} has more than ${MAX_ITEMS} array items`)
    const out: (number | boolean | string)[] = []
    for (let i = 0; i < count; i++) out.push(this.#single(key, itemType))
    return out
  }

  #single(key: string, type: number): number | boolean | string {
    const view = this.#view
    switch (type) {
      case 0:
        return view.getUint8(this.#take(1))
      case 1:
        return view.getInt8(this.#take(1))
      case 2:
        return view.getUint16(this.#take(2), true)
      case 3:
        return view.getInt16(this.#take(2), true)
      case 4:
        return view.getUint32(this.#take(4), true)
      case 5:
        return view.getInt32(this.#take(4), true)
      case 6:
        return view.getFloat32(this.#take(4), true)
      case 7:
        return view.getUint8(this.#take(1)) !== 0
      case 8:
        return this.text(key, MAX_HEAD_BYTES)
      // Values beyond 2^53 are no counts that a model has; a rounded one is refused by whoever reads it.
      case 10:
        return Number(view.getBigUint64(this.#take(8), true))
      case 11:
        return Number(view.getBigInt64(this.#take(8), true))
      case 12:
        return view.getFloat64(this.#take(8), true)
      default:
        return malformed(`${this.#file.path}: ${key} has the unknown type ${type}`)
    }
  }
}

function parseHead(cursor: Cursor, version: number): Gguf {
  const tensorCount = cursor.u64('the number of tensors', MAX_TENSORS)
  const keyCount = cursor.u64('the number of metadata entries', MAX_KEYS)
  const metadata = new Map<string, GgufValue>()
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.text('a metadata key', MAX_NAME_BYTES)
    if (metadata.has(key)) malformed(`the metadata has ${key} twice`)
    metadata.set(key, cursor.value(key, cursor.u32()))
  }
  const tensors: GgufTensor[] = []
  const names = new Set<string>()
  for (let i = 0; i < tensorCount; i++) {
    const name = cursor.text('the name of a tensor', MAX_NAME_BYTES)
    if (names.has(name)) malformed(`there are two tensors ${name}`)
    names.add(name)
    const rank = cursor.u32()
    if (rank < 1 || rank > MAX_RANK) malformed(`${name} has ${rank} dimensions`)
    const dimensions = Array.from({ length: rank }, () => cursor.u64(`a dimension of ${name}`, 2 ** 40))
    if (dimensions.includes(0)) malformed(`${name} is empty`)
    const type = cursor.u32()
    tensors.push({ name, dimensions, type, offset: cursor.u64(`the offset of ${name}`, Number.MAX_SAFE_INTEGER) })
  }
  const alignment = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT
  const isPower = typeof alignment === 'number' && Number.isInteger(Math.log2(alignment))
  if (!isPower || alignment < 8 || alignment > 1 << 16) malformed(`the alignment is ${shown(alignment)}`)
  return { version, metadata, tensors, alignment, dataStart: alignUp(cursor.position, alignment) }
}

export const alignUp = (position: number, alignment: number): number => Math.ceil(position / alignment) * alignment

/**
 * Throws MODEL_MALFORMED unless the tensors follow one another with no more than padding between them, up to the file's end.
 * @param bytesOf of each tensor.
 */
export function checkGgufExtents(file: DiskFile, gguf: Gguf, bytesOf: (tensor: GgufTensor) => number): void {
  const { alignment, dataStart, tensors } = gguf
  let end = 0
  for (const tensor of [...tensors].sort((a, b) => a.offset - b.offset)) {
    const { name, offset } = tensor
    if (offset % alignment !== 0) malformed(`${name} is not aligned to ${alignment} bytes`)
    if (offset < end) malformed(`${name} overlaps another tensor at byte ${offset} of the data`)
    if (offset > alignUp(end, alignment)) malformed(`no tensor has byte ${end} of the data`)
    end = offset + bytesOf(tensor)
    if (dataStart + end > file.size) malformed(`${file.path} ends at ${file.size}, inside ${name}`)
  }
  // Some writers pad the last tensor, some do not.
  if (file.size > dataStart + alignUp(end, alignment))
    malformed(`no tensor has byte ${end} of the data, the file goes on`)
}
