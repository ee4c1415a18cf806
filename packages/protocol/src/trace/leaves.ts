/**
 * Byte layouts of the trace's leaves (TRC-2), and their strict decoding: a leaf that does not decode is fraud
 * (TRACE_LEAF).
 */
import { f32FromBytes, f32ToBytes, u32ListToBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import type { KvRow } from '../inference/kv-of.ts'
import type { ModelDims } from '../model/types.ts'
import { QUANT_MAX, type QuantRow } from '../numerics/quantise.ts'
import { isScale } from '../numerics/scale.ts'
import { groupWidth, positionCount } from './subtrees.ts'
import type { TraceShape } from './types.ts'

/** Bytes of the dimensions leaf: seven u32. */
export const DIMENSIONS_LEAF_BYTES = 28

/** P, G, dModel, nLayers, nHeads, nKvHeads, headDim as u32 little-endian. */
export function encodeDimensions(shape: TraceShape): Uint8Array {
  const { dModel, nLayers, nHeads, nKvHeads, headDim } = shape.dims
  return u32ListToBytes([shape.promptTokens, shape.newTokens, dModel, nLayers, nHeads, nKvHeads, headDim])
}

/**
 * P and G of a dimensions leaf that belongs to `dims`; TRACE_LEAF for another length, TRACE_DIMENSIONS for another
 * model.
 */
export function decodeDimensions(dims: ModelDims, leaf: Uint8Array): TraceShape {
  check(leaf.length === DIMENSIONS_LEAF_BYTES, 'TRACE_LEAF', `the dimensions leaf has ${leaf.length} bytes`)
  const [promptTokens, newTokens, ...rest] = readU32List(leaf)
  const expected = [dims.dModel, dims.nLayers, dims.nHeads, dims.nKvHeads, dims.headDim]
  check(
    expected.every((value, i) => value === rest[i]),
    'TRACE_DIMENSIONS',
    `the trace has dimensions ${rest.join(', ')}, the model ${expected.join(', ')}`,
  )
  return { promptTokens: promptTokens!, newTokens: newTokens!, dims }
}

function readU32List(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length >>> 2 }, (_, i) => view.getUint32(4 * i, true))
}

/** All P + G tokens as u32 little-endian. */
export function encodeTokens(tokens: ArrayLike<number>): Uint8Array {
  return u32ListToBytes(tokens)
}

/** P + G tokens inside the vocabulary. */
export function decodeTokens(shape: TraceShape, leaf: Uint8Array): number[] {
  const count = positionCount(shape) + 1
  check(leaf.length === 4 * count, 'TRACE_LEAF', `the tokens leaf has ${leaf.length} bytes, not ${4 * count}`)
  const tokens = readU32List(leaf)
  for (const token of tokens)
    check(token < shape.dims.vocabSize, 'TRACE_LEAF', `token ${token} of ${shape.dims.vocabSize}`)
  return tokens
}

/** A residual row: dModel binary32, little-endian. */
export function encodeRow(row: Float32Array): Uint8Array {
  return f32ToBytes(row)
}

/** dModel finite values. */
export function decodeRow(dims: ModelDims, leaf: Uint8Array): Float32Array {
  checkLength(leaf, 4 * dims.dModel)
  const row = f32FromBytes(leaf)
  for (let i = 0; i < row.length; i++)
    if (!Number.isFinite(row[i]!)) check(false, 'TRACE_LEAF', `element ${i} is not finite`)
  return row
}

/** Bytes of a leaf of keys and values. */
export function kvLeafBytes(dims: ModelDims): number {
  return 8 + 2 * dims.headDim
}

/** kScale f32, vScale f32, k int8[headDim], v int8[headDim]. */
export function encodeKv(row: KvRow): Uint8Array {
  const headDim = row.k.length
  const out = new Uint8Array(8 + 2 * headDim)
  const view = new DataView(out.buffer)
  view.setFloat32(0, row.kScale, true)
  view.setFloat32(4, row.vScale, true)
  new Int8Array(out.buffer).set(row.k, 8)
  new Int8Array(out.buffer).set(row.v, 8 + headDim)
  return out
}

export function decodeKv(dims: ModelDims, leaf: Uint8Array): KvRow {
  checkLength(leaf, kvLeafBytes(dims))
  return {
    kScale: readScale(leaf, 0),
    vScale: readScale(leaf, 4),
    k: readInt8(leaf, 8, dims.headDim),
    v: readInt8(leaf, 8 + dims.headDim, dims.headDim),
  }
}

/** Bytes of a leaf of the attention output operand. */
export function oLeafBytes(dims: ModelDims): number {
  return 4 + groupWidth(dims)
}

/** oScale f32, int8[group width]. */
export function encodeO(row: QuantRow): Uint8Array {
  const out = new Uint8Array(4 + row.q.length)
  new DataView(out.buffer).setFloat32(0, row.scale, true)
  new Int8Array(out.buffer).set(row.q, 4)
  return out
}

export function decodeO(dims: ModelDims, leaf: Uint8Array): QuantRow {
  checkLength(leaf, oLeafBytes(dims))
  return { scale: readScale(leaf, 0), q: readInt8(leaf, 4, groupWidth(dims)) }
}

function checkLength(leaf: Uint8Array, length: number): void {
  check(leaf.length === length, 'TRACE_LEAF', `the leaf has ${leaf.length} bytes, not ${length}`)
}

function readScale(leaf: Uint8Array, offset: number): number {
  const scale = new DataView(leaf.buffer, leaf.byteOffset, leaf.byteLength).getFloat32(offset, true)
  check(isScale(scale), 'TRACE_LEAF', `${scale} is no scale`)
  return scale
}

function readInt8(leaf: Uint8Array, offset: number, length: number): Int8Array {
  const out = new Int8Array(leaf.slice(offset, offset + length).buffer)
  for (let i = 0; i < length; i++)
    if (out[i]! > QUANT_MAX || out[i]! < -QUANT_MAX) check(false, 'TRACE_LEAF', `${out[i]} is outside [-63, 63]`)
  return out
}
