import type { Model, ModelDims } from '../model/types.ts'
import type { Trace, TraceShape } from '../trace/types.ts'
import { attendGroup } from './attend-group.ts'
import { embedRow } from './embed-row.ts'
import { ffnRow } from './ffn-row.ts'
import { type KvRow, kvOf } from './kv-of.ts'
import { attentionOperand } from './operands.ts'
import { projRow } from './proj-row.ts'

/** A trace of zeros for `shape`. */
export function emptyTrace(shape: TraceShape): Trace {
  const { dModel, nLayers, nHeads, nKvHeads, headDim } = shape.dims
  const positions = shape.promptTokens + shape.newTokens - 1
  const layers = <T>(make: () => T, count = nLayers): T[] => Array.from({ length: count }, make)
  return {
    shape,
    tokens: new Uint32Array(positions + 1),
    h: layers(() => new Float32Array(positions * dModel), nLayers + 1),
    x: layers(() => new Float32Array(positions * dModel)),
    k: layers(() => new Int8Array(positions * nKvHeads * headDim)),
    v: layers(() => new Int8Array(positions * nKvHeads * headDim)),
    kScale: layers(() => new Float32Array(positions * nKvHeads)),
    vScale: layers(() => new Float32Array(positions * nKvHeads)),
    o: layers(() => new Int8Array(positions * nHeads * headDim)),
    oScale: layers(() => new Float32Array(positions * nKvHeads)),
  }
}

/** The trace cut to `newTokens` generated tokens, for a generation that ended before its maximum. */
export function shortenTrace(trace: Trace, newTokens: number): Trace {
  const shape: TraceShape = { ...trace.shape, newTokens }
  const before = trace.shape.promptTokens + trace.shape.newTokens - 1
  const after = shape.promptTokens + newTokens - 1
  const cut = <T extends Float32Array | Int8Array>(arrays: readonly T[]): T[] =>
    arrays.map((array) => array.slice(0, (array.length / before) * after) as T)
  return {
    shape,
    tokens: trace.tokens.slice(0, after + 1),
    h: cut(trace.h),
    x: cut(trace.x),
    k: cut(trace.k),
    v: cut(trace.v),
    kScale: cut(trace.kScale),
    vScale: cut(trace.vScale),
    o: cut(trace.o),
    oScale: cut(trace.oScale),
  }
}

/** Keys and values of one group at one position of a trace: views, not copies. */
export function kvRowOf(trace: Trace, layer: number, group: number, position: number): KvRow {
  const { nKvHeads, headDim } = trace.shape.dims
  const row = position * nKvHeads + group
  return {
    k: trace.k[layer]!.subarray(row * headDim, (row + 1) * headDim),
    kScale: trace.kScale[layer]![row]!,
    v: trace.v[layer]!.subarray(row * headDim, (row + 1) * headDim),
    vScale: trace.vScale[layer]![row]!,
  }
}

/** Runs all layers at `position`, whose token is in the trace, and writes every row; needs all earlier positions. */
export function forwardPosition(model: Model, trace: Trace, position: number): void {
  const { dModel, nLayers }: ModelDims = model.config
  const start = position * dModel
  let h = embedRow(model, trace.tokens[position]!)
  trace.h[0]!.set(h, start)
  for (let layer = 0; layer < nLayers; layer++) {
    const { o, oScale } = attention(model, trace, layer, position, h)
    const x = projRow(model, layer, h, o, oScale)
    trace.x[layer]!.set(x, start)
    h = ffnRow(model, layer, x)
    trace.h[layer + 1]!.set(h, start)
  }
}

function attention(
  model: Model,
  trace: Trace,
  layer: number,
  position: number,
  h: Float32Array,
): { o: Int8Array; oScale: Float32Array } {
  const { nKvHeads, nHeads, headDim } = model.config
  const width = nHeads * headDim
  const a = attentionOperand(model, layer, h)
  const o = trace.o[layer]!.subarray(position * width, (position + 1) * width)
  const oScale = trace.oScale[layer]!.subarray(position * nKvHeads, (position + 1) * nKvHeads)
  for (let group = 0; group < nKvHeads; group++) {
    const row = position * nKvHeads + group
    const kv = kvOf(model, layer, group, position, a)
    trace.k[layer]!.set(kv.k, row * headDim)
    trace.v[layer]!.set(kv.v, row * headDim)
    trace.kScale[layer]![row] = kv.kScale
    trace.vScale[layer]![row] = kv.vScale
    const rows = Array.from({ length: position + 1 }, (_, j) => kvRowOf(trace, layer, group, j))
    const out = attendGroup(model, layer, group, position, a, rows)
    o.set(out.q, group * out.q.length)
    oScale[group] = out.scale
  }
  return { o, oScale }
}
