/** The safetensors container: 8-byte little-endian header length, JSON header, data. Strict and bounded (CNV-7). */
import { f32FromBytes, ProtocolError } from '@nacre/protocol'

/** A header describes at most some thousands of tensors. */
export const MAX_HEADER_BYTES: number = 4 << 20
const MAX_RANK = 4
const ELEMENT_BYTES = { I8: 1, F32: 4 } as const
export type TensorType = keyof typeof ELEMENT_BYTES

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
  throw new ProtocolError('MODEL_MALFORMED', why)
}

/**
 * Reads the container. Tensors must cover the data exactly, without gaps or overlaps; so a file has no hidden bytes and no
 * name twice. Throws MODEL_MALFORMED and nothing else; allocates nothing larger than the header.
 */
export function parseSafetensors(file: Uint8Array): Safetensors {
  if (file.length < 8) malformed('the file ends before its header length')
  const headerBytes = new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true)
  if (headerBytes > BigInt(MAX_HEADER_BYTES)) malformed(`a header of ${headerBytes} bytes exceeds ${MAX_HEADER_BYTES}`)
  const dataStart = 8 + Number(headerBytes)
  if (dataStart > file.length) malformed('the header is longer than the file')
  const header = parseHeader(file.subarray(8, dataStart))
  const data = file.subarray(dataStart)

  const metadata = new Map<string, string>()
  const tensors = new Map<string, StoredTensor>()
  const extents: [number, number][] = []
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      for (const [key, value] of Object.entries(record(entry, name))) {
        if (typeof value !== 'string') malformed(`metadata ${key} is no string`)
        metadata.set(key, value)
      }
      continue
    }
    const tensor = parseTensor(name, record(entry, name), data)
    tensors.set(name, tensor)
    const start = tensor.bytes.byteOffset - data.byteOffset
    extents.push([start, start + tensor.bytes.length])
  }
  checkCoverage(extents, data.length)
  return { metadata, tensors }
}

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

function parseTensor(name: string, entry: Record<string, unknown>, data: Uint8Array): StoredTensor {
  const { dtype, shape, data_offsets: offsets } = entry
  if (dtype !== 'I8' && dtype !== 'F32') malformed(`${name} has the type ${String(dtype)}, not I8 or F32`)
  if (!isCounts(shape) || shape.length > MAX_RANK) malformed(`${name} has no valid shape`)
  if (!isCounts(offsets) || offsets.length !== 2) malformed(`${name} has no valid offsets`)
  const [start, end] = offsets as [number, number]
  if (start > end || end > data.length) malformed(`${name} lies at ${start}..${end} of ${data.length} bytes`)
  const bytes = shape.reduce((product, n) => product * n, ELEMENT_BYTES[dtype])
  if (bytes !== end - start) malformed(`${name} has ${end - start} bytes for the shape ${shape.join(' x ')}`)
  return { type: dtype, shape, bytes: data.subarray(start, end) }
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0)
}

function checkCoverage(extents: [number, number][], length: number): void {
  extents.sort((a, b) => a[0] - b[0] || a[1] - b[1])
  let end = 0
  for (const [start, next] of extents) {
    if (start !== end) malformed(start < end ? `tensors overlap at byte ${start}` : `no tensor has byte ${end}`)
    end = next
  }
  if (end !== length) malformed(`no tensor has byte ${end} of ${length}`)
}

/** A tensor of exactly this shape as int8 values. Copies, so that the file's buffer can go; Buffer's `slice` would not. */
export function int8Tensor(file: Safetensors, name: string, shape: readonly number[]): Int8Array {
  return new Int8Array(exactTensor(file, name, 'I8', shape))
}

/** A tensor of exactly this shape as binary32 values. Copies. */
export function f32Tensor(file: Safetensors, name: string, shape: readonly number[]): Float32Array {
  return f32FromBytes(exactTensor(file, name, 'F32', shape))
}

function exactTensor(file: Safetensors, name: string, type: TensorType, shape: readonly number[]): Uint8Array {
  const tensor = file.tensors.get(name)
  if (tensor === undefined) malformed(`there is no tensor ${name}`)
  const same = tensor.shape.length === shape.length && tensor.shape.every((n, i) => n === shape[i])
  if (tensor.type !== type || !same)
    malformed(`${name} is ${tensor.type} ${tensor.shape.join(' x ')}, not ${type} ${shape.join(' x ')}`)
  return tensor.bytes
}
