/** A trace as one file: its header, its arrays one after the other in the machine's order of bytes, and their hash. */
import { createHash } from 'node:crypto'
import { NodeError } from '@nacre/node'
import { equalBytes, type ModelDims, type Trace, type TraceShape } from '@nacre/protocol'

/** Magic 8, model 32, height until which it is kept u32, prompt tokens u32, generated tokens u32. */
export const TRACE_HEADER_BYTES: number = 8 + 32 + 3 * 4
const HASH_BYTES = 32
const MAGIC = new TextEncoder().encode('NCRTRC1\n')

/** What a trace file says before its arrays. */
export interface TraceHeader {
  readonly modelId: Uint8Array
  /** Last height at which anybody may ask for openings of the unit. */
  readonly untilHeight: number
  readonly promptTokens: number
  readonly newTokens: number
}

const bytesOf = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
const corrupt = (why: string): NodeError => new NodeError('TRACE_CORRUPT', `the file is no trace of the unit: ${why}`)

export function encodeTrace(modelId: Uint8Array, untilHeight: number, trace: Trace): Uint8Array {
  const { promptTokens, newTokens } = trace.shape
  const arrays = arraysOf(trace).map(bytesOf)
  const out = new Uint8Array(TRACE_HEADER_BYTES + arrays.reduce((sum, { length }) => sum + length, 0) + HASH_BYTES)
  out.set(MAGIC)
  out.set(modelId, 8)
  const view = new DataView(out.buffer)
  view.setUint32(40, untilHeight, true)
  view.setUint32(44, promptTokens, true)
  view.setUint32(48, newTokens, true)
  let at = TRACE_HEADER_BYTES
  for (const array of arrays) {
    out.set(array, at)
    at += array.length
  }
  out.set(hashOf(out.subarray(0, at)), at)
  return out
}

/** Throws NodeError TRACE_CORRUPT for what is no header. */
export function decodeTraceHeader(bytes: Uint8Array): TraceHeader {
  if (bytes.length < TRACE_HEADER_BYTES || !equalBytes(bytes.subarray(0, 8), MAGIC)) throw corrupt('no header')
  const view = new DataView(bytes.buffer, bytes.byteOffset, TRACE_HEADER_BYTES)
  return {
    modelId: bytes.slice(8, 40),
    untilHeight: view.getUint32(40, true),
    promptTokens: view.getUint32(44, true),
    newTokens: view.getUint32(48, true),
  }
}

/** Bytes of the file of a trace with this shape. */
export function traceFileBytes({ promptTokens, newTokens, dims }: TraceShape): number {
  const { nLayers, dModel, nHeads, nKvHeads, headDim } = dims
  const position = 4 * dModel + nLayers * (4 * 2 * dModel + nKvHeads * (2 * headDim + 12) + nHeads * headDim)
  const positions = promptTokens + newTokens - 1
  return TRACE_HEADER_BYTES + 4 * (promptTokens + newTokens) + positions * position + HASH_BYTES
}

/**
 * The trace in a file. Its length is checked against the shape, and its hash against its bytes, before anything is made of it.
 * Throws NodeError TRACE_CORRUPT.
 */
export function decodeTrace(bytes: Uint8Array, dims: ModelDims): Trace {
  const { promptTokens, newTokens } = decodeTraceHeader(bytes)
  const shape: TraceShape = { promptTokens, newTokens, dims }
  if (newTokens === 0 || bytes.length !== traceFileBytes(shape)) throw corrupt('its length is another')
  const end = bytes.length - HASH_BYTES
  if (!equalBytes(hashOf(bytes.subarray(0, end)), bytes.subarray(end))) throw corrupt('its hash is another')
  const { nLayers, dModel, nHeads, nKvHeads, headDim } = dims
  const positions = promptTokens + newTokens - 1
  let at = TRACE_HEADER_BYTES
  // A copy of its own for each array, so that it is aligned.
  const take = (length: number): ArrayBuffer => {
    at += length
    return bytes.slice(at - length, at).buffer as ArrayBuffer
  }
  const f32 = (length: number) => new Float32Array(take(4 * length))
  const i8 = (length: number) => new Int8Array(take(length))
  const layers = <T>(make: () => T, count = nLayers): T[] => Array.from({ length: count }, make)
  return {
    shape,
    tokens: new Uint32Array(take(4 * (promptTokens + newTokens))),
    h: layers(() => f32(positions * dModel), nLayers + 1),
    x: layers(() => f32(positions * dModel)),
    k: layers(() => i8(positions * nKvHeads * headDim)),
    v: layers(() => i8(positions * nKvHeads * headDim)),
    kScale: layers(() => f32(positions * nKvHeads)),
    vScale: layers(() => f32(positions * nKvHeads)),
    o: layers(() => i8(positions * nHeads * headDim)),
    oScale: layers(() => f32(positions * nKvHeads)),
  }
}

/** In the order of the file. */
const arraysOf = ({ tokens, h, x, k, v, kScale, vScale, o, oScale }: Trace): readonly ArrayBufferView[] => [
  tokens,
  ...h,
  ...x,
  ...k,
  ...v,
  ...kScale,
  ...vScale,
  ...o,
  ...oScale,
]

const hashOf = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
