/** The safetensors container: 8-byte little-endian header length, JSON header, data. Strict and bounded (CNV-7). */
import { f32FromBytes, ProtocolError } from '@nacre/protocol'
import { oneLine, shown } from './shown.ts'

/** A header describes at most some thousands of tensors. */
export const MAX_HEADER_BYTES: number = 4 << 20
const MAX_RANK = 4
const ELEMENT_BYTES = { I8: 1, U8: 1, F32: 4 } as const
export type TensorType = keyof typeof ELEMENT_BYTES

/** Where a header says that a tensor lies: bytes `start` to `end` of the data, inside it. */
export interface TensorEntry {
  readonly type: string
  readonly shape: readonly number[]
  readonly start: number
  readonly end: number
}

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>
  readonly entries: ReadonlyMap<string, TensorEntry>
}

export interface StoredTensor {
  readonly type: TensorType
  readonly shape: readonly number[]
  /** A view on the file. */
  readonly bytes: Uint8Array
}

export interface Safetensors {
  readonly metadata: ReadonlyMap<string, string>
  readonly tensors: ReadonlyMap<string, StoredTensor>
}

/** Throws MODEL_MALFORMED. */
export function malformed(why: string): never {
  throw new ProtocolError('MODEL_MALFORMED', oneLine(why))
}

/** The length of the header from a file's first 8 bytes. Throws MODEL_MALFORMED. */
export function headerLength(file: Uint8Array): number {
  if (file.length < 8) malformed('the file ends before its header length')
  const bytes = new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true)
  if (bytes > BigInt(MAX_HEADER_BYTES)) malformed(`a header of ${bytes} bytes exceeds ${MAX_HEADER_BYTES}`)
  return Number(bytes)
}

/**
 * Reads a header. Tensors, of any type, must cover the `dataBytes` that follow it exactly, without gaps or overlaps; so a
 * file has no hidden bytes and no name twice. Throws MODEL_MALFORMED and nothing else.
 */
export function parseSafetensorsHeader(json: Uint8Array, dataBytes: number): SafetensorsHeader {
  const metadata = new Map<string, string>()
  const entries = new Map<string, TensorEntry>()
  for (const [name, entry] of Object.entries(parseHeader(json))) {
    if (name === '__metadata__') {
      for (const [key, value] of Object.entries(record(entry, name))) {
        if (typeof value !== 'string') malformed(`metadata ${key} is no string`)
        metadata.set(key, value)
      }
    } else entries.set(name, parseEntry(name, record(entry, name), dataBytes))
  }
  checkCoverage([...entries.values()], dataBytes)
  return { metadata, entries }
}

/** Throws MODEL_MALFORMED unless an entry has exactly the bytes of its shape. */
export function checkTensorBytes(name: string, { shape, start, end }: TensorEntry, elementBytes: number): void {
  const bytes = shape.reduce((product, n) => product * n, elementBytes)
  if (bytes !== end - start) malformed(`${name} has ${end - start} bytes for the shape ${shape.join(' x ')}`)
}

/** Reads the container of a model file. Throws MODEL_MALFORMED and nothing else; allocates nothing larger than the header. */
export function parseSafetensors(file: Uint8Array): Safetensors {
  const dataStart = 8 + headerLength(file)
  if (dataStart > file.length) malformed('the header is longer than the file')
  const { metadata, entries } = parseSafetensorsHeader(file.subarray(8, dataStart), file.length - dataStart)
  const tensors = new Map<string, StoredTensor>()
  for (const [name, entry] of entries) {
    const { type, shape, start, end } = entry
    if (!isTensorType(type)) malformed(`${name} has the type ${type}, not ${Object.keys(ELEMENT_BYTES).join(', ')}`)
    checkTensorBytes(name, entry, ELEMENT_BYTES[type])
    tensors.set(name, { type, shape, bytes: file.subarray(dataStart + start, dataStart + end) })
  }
  return { metadata, tensors }
}

const isTensorType = (type: string): type is TensorType => Object.hasOwn(ELEMENT_BYTES, type)

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown
  try {
    // A copy: decoders refuse shared memory.
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes)))
  } catch {
    malformed('the header is no JSON')
  }
  return record(value, 'the header')
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) malformed(`${what} is no object`)
  return value as Record<string, unknown>
}

function parseEntry(name: string, entry: Record<string, unknown>, dataBytes: number): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string') malformed(`${name} has the type ${shown(dtype)}`)
  if (!isCounts(shape) || shape.length > MAX_RANK) malformed(`${name} has no valid shape`)
  if (!isCounts(offsets) || offsets.length !== 2) malformed(`${name} has no valid offsets`)
  const [start, end] = offsets as [number, number]
  if (start > end || end > dataBytes) malformed(`${name} lies at ${start}..${end} of ${dataBytes} bytes`)
  return { type: dtype, shape, start, end }
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0)
}

function checkCoverage(entries: TensorEntry[], length: number): void {
  entries.sort((a, b) => a.start - b.start || a.end - b.end)
  let covered = 0
  for (const { start, end } of entries) {
    if (start !== covered)
      malformed(start < covered ? `tensors overlap at byte ${start}` : `no tensor has byte ${covered}`)
    covered = end
  }
  if (covered !== length) malformed(`no tensor has byte ${covered} of ${length}`)
}

/** A tensor of exactly this shape as int8 values. Copies, so that the file's buffer can go; Buffer's `slice` would not. */
export function int8Tensor(file: Safetensors, name: string, shape: readonly number[]): Int8Array {
  return new Int8Array(exactTensor(file, name, 'I8', shape))
}

/** A tensor of exactly this shape as binary32 values. Copies. */
export function f32Tensor(file: Safetensors, name: string, shape: readonly number[]): Float32Array {
  return f32FromBytes(exactTensor(file, name, 'F32', shape))
}

/** A tensor of one dimension as bytes. Copies. */
export function byteTensor(file: Safetensors, name: string): Uint8Array {
  const tensor = file.tensors.get(name)
  return new Uint8Array(exactTensor(file, name, 'U8', [tensor?.bytes.length ?? 0]))
}

function exactTensor(file: Safetensors, name: string, type: TensorType, shape: readonly number[]): Uint8Array {
  const tensor = file.tensors.get(name)
  if (tensor === undefined) malformed(`there is no tensor ${name}`)
  const same = tensor.shape.length === shape.length && tensor.shape.every((n, i) => n === shape[i])
  if (tensor.type !== type || !same)
    malformed(`${name} is ${tensor.type} ${tensor.shape.join(' x ')}, not ${type} ${shape.join(' x ')}`)
  return tensor.bytes
}
