/**
 * AUD-4: a whole unit checked in bulk without multiplying by its weights. The miner hands over the accumulators of every integer
 * product beside the trace; Freivalds checks the products, and everything between them is computed again from the accumulators.
 * Products of queries with keys have no weights to save and are computed.
 */
import { equalBytes, u32le } from '../bytes.ts'
import { check } from '../errors.ts'
import { taggedHash } from '../hash.ts'
import { attendQueries } from '../inference/attend-group.ts'
import { embedRow } from '../inference/embed-row.ts'
import { addResidual, gatedOperand } from '../inference/ffn-row.ts'
import { kvRowOf } from '../inference/forward.ts'
import { kvFrom } from '../inference/kv-of.ts'
import { chooseToken } from '../inference/next-token.ts'
import { attentionOperand, ffnOperand } from '../inference/operands.ts'
import type { Model, QuantMatrix } from '../model/types.ts'
import { rmsNorm, storeFinite } from '../numerics/f32.ts'
import { dotRow, groupedRow, scaledElement } from '../numerics/linear.ts'
import { type QuantRow, quantiseRow } from '../numerics/quantise.ts'
import { encodeKv, encodeO, encodeRow } from '../trace/leaves.ts'
import { groupWidth, positionCount } from '../trace/subtrees.ts'
import type { StepKind, Trace } from '../trace/types.ts'
import { endsByRule } from '../unit/length-rule.ts'
import { checkTask } from '../unit/task.ts'
import type { UnitTask } from '../unit/types.ts'
import { checkProducts, type FreivaldsKey, freivaldsKey } from './freivalds.ts'

/** Accumulators of all products of a unit with weights, row-major by position. */
export interface UnitHints {
  readonly layers: readonly LayerHints[]
  /** newTokens x vocabSize. */
  readonly head: Int32Array
}
export interface LayerHints {
  /** positions x rows of the fused q,k,v projection. */
  readonly qkv: Int32Array
  /** For each group positions x dModel. */
  readonly o: readonly Int32Array[]
  /** positions x 2 ffnDim. */
  readonly gateUp: Int32Array
  /** positions x dModel. */
  readonly down: Int32Array
}

/** Secret vectors and their images for every matrix of a model. */
export interface UnitFreivaldsKeys {
  readonly layers: readonly {
    readonly qkv: FreivaldsKey
    /** One for the columns of each group. */
    readonly o: readonly FreivaldsKey[]
    readonly gateUp: FreivaldsKey
    readonly down: FreivaldsKey
  }[]
  readonly head: FreivaldsKey
}

/**
 * What a verifier computes once for a secret: one multiplication by each matrix and vector. Matrix i, in the order of the layers (qkv, o by
 * group, gate and up, down) and the head last, has the seed H[freivalds](secret | u32 i).
 * @param secret 32 bytes. Throws FREIVALDS_SHAPE.
 */
export function unitFreivaldsKeys(model: Model, secret: Uint8Array): UnitFreivaldsKeys {
  let index = 0
  const key = (matrix: QuantMatrix): FreivaldsKey =>
    freivaldsKey(matrix, taggedHash('freivalds', secret, u32le(index++)))
  const { nKvHeads } = model.config
  const layers = model.layers.map(({ qkv, o, gateUp, down }) => ({
    qkv: key(qkv),
    o: Array.from({ length: nKvHeads }, (_, g) =>
      key(columnsOf(o, g * groupWidth(model.config), groupWidth(model.config))),
    ),
    gateUp: key(gateUp),
    down: key(down),
  }))
  return { layers, head: key(model.head) }
}

/** Columns start .. start + count - 1 of a matrix. */
function columnsOf({ q, rows, columns, scale }: QuantMatrix, start: number, count: number): QuantMatrix {
  const part = new Int8Array(rows * count)
  for (let n = 0; n < rows; n++) part.set(q.subarray(n * columns + start, n * columns + start + count), n * count)
  return { q: part, rows, columns: count, scale }
}

/** Operands of every product with weights, as the trace and, for `down`, the hints give them. */
interface LayerOperands {
  readonly attention: readonly QuantRow[]
  readonly ffn: readonly QuantRow[]
}
const operandsOf = (model: Model, trace: Trace, layer: number): LayerOperands => ({
  attention: rowsOf(trace, trace.h[layer]!).map((h) => attentionOperand(model, layer, h)),
  ffn: rowsOf(trace, trace.x[layer]!).map((x) => ffnOperand(model, layer, x)),
})
const rowsOf = ({ shape }: Trace, rows: Float32Array): Float32Array[] =>
  Array.from({ length: positionCount(shape) }, (_, i) =>
    rows.subarray(i * shape.dims.dModel, (i + 1) * shape.dims.dModel),
  )
const finalOperands = (model: Model, trace: Trace): QuantRow[] =>
  rowsOf(trace, trace.h[model.config.nLayers]!)
    .slice(trace.shape.promptTokens - 1)
    .map((h) => quantiseRow(rmsNorm(h, model.finalNorm, model.config.normEps)))

function joined(rows: readonly QuantRow[]): Int8Array {
  const width = rows[0]!.q.length
  const out = new Int8Array(rows.length * width)
  rows.forEach(({ q }, i) => {
    out.set(q, i * width)
  })
  return out
}

/** The attention output operands of one group at all positions. */
function groupOperands({ shape, o }: Trace, layer: number, group: number): Int8Array {
  const width = groupWidth(shape.dims)
  const positions = positionCount(shape)
  const out = new Int8Array(positions * width)
  for (let i = 0; i < positions; i++) {
    const start = (i * shape.dims.nKvHeads + group) * width
    out.set(o[layer]!.subarray(start, start + width), i * width)
  }
  return out
}

const outputs = (acc: Int32Array, row: number, scale: number, matrix: QuantMatrix) => (start: number, count: number) =>
  Float32Array.from({ length: count }, (_, j) =>
    scaledElement(acc[row * matrix.rows + start + j]!, scale, matrix, start + j),
  )

/** The hints that an honest miner hands over with this trace: it has them while it executes. */
export function unitHints(model: Model, trace: Trace): UnitHints {
  const all = (matrix: QuantMatrix, operands: Int8Array, kStart = 0, width = matrix.columns): Int32Array =>
    Int32Array.from({ length: (operands.length / width) * matrix.rows }, (_, at) =>
      dotRow(operands, Math.floor(at / matrix.rows) * width, matrix, at % matrix.rows, kStart, width),
    )
  const width = groupWidth(model.config)
  const layers = model.layers.map(({ qkv, o, gateUp, down }, layer) => {
    const { attention, ffn } = operandsOf(model, trace, layer)
    const gateUpHints = all(gateUp, joined(ffn))
    const gated = ffn.map(({ scale }, i) => gatedOperand(outputs(gateUpHints, i, scale, gateUp)(0, gateUp.rows)))
    return {
      qkv: all(qkv, joined(attention)),
      o: Array.from({ length: model.config.nKvHeads }, (_, g) =>
        all(o, groupOperands(trace, layer, g), g * width, width),
      ),
      gateUp: gateUpHints,
      down: all(down, joined(gated)),
    }
  })
  return { layers, head: all(model.head, joined(finalOperands(model, trace))) }
}

export interface HintedUnit {
  readonly model: Model
  readonly task: UnitTask
  /** Whole, of the model's dimensions; that it leads to the trace root is for the caller to check (TRC-2). */
  readonly trace: Trace
  readonly hints: UnitHints
}

/**
 * Checks every step of a unit. Throws FREIVALDS_SHAPE, FREIVALDS_RANGE, FREIVALDS_MISMATCH (hints are not the products: the
 * miner's word for them is false, which proves nothing about the trace) and STEP_MISMATCH (the trace is wrong, or its hints are by 2^-62).
 */
export function checkHintedUnit(keys: UnitFreivaldsKeys, { model, task, trace, hints }: HintedUnit): void {
  checkTask(model.config, task)
  const { shape } = trace
  const { promptTokens, newTokens } = shape
  const tokens = [...trace.tokens]
  const isShape = promptTokens === task.promptTokens.length && tokens.length === promptTokens + newTokens
  check(
    isShape && endsByRule(task, model.config.eosToken, tokens.slice(promptTokens)),
    'STEP_MISMATCH',
    'shape: the tokens do not end by the rule',
  )
  check(
    task.promptTokens.every((token, i) => token === tokens[i]),
    'STEP_MISMATCH',
    'input: the prompt is not the assigned one',
  )
  check(
    hints.layers.length === model.layers.length,
    'FREIVALDS_SHAPE',
    `hints of ${hints.layers.length} layers, the model has ${model.layers.length}`,
  )
  rowsOf(trace, trace.h[0]!).forEach((h, i) => {
    same('embed', 0, i, encodeRow(h), encodeRow(embedRow(model, tokens[i]!)))
  })
  hints.layers.forEach((layerHints, layer) => {
    checkLayer(keys, { model, trace, layer, hints: layerHints })
  })
  const finals = finalOperands(model, trace)
  checkProducts(keys.head, joined(finals), hints.head)
  finals.forEach(({ scale }, j) => {
    const position = promptTokens - 1 + j
    const logits = storeFinite(outputs(hints.head, j, scale, model.head)(0, model.head.rows))
    const chosen = chooseToken(logits, task.decoding, position)
    check(chosen === tokens[position + 1], 'STEP_MISMATCH', `head at ${position}: the model chooses ${chosen}`)
  })
}

interface HintedLayer {
  readonly model: Model
  readonly trace: Trace
  readonly layer: number
  readonly hints: LayerHints
}

function checkLayer(keys: UnitFreivaldsKeys, { model, trace, layer, hints }: HintedLayer): void {
  const { nKvHeads, headDim, dModel } = model.config
  const { qkv, o, gateUp, down } = model.layers[layer]!
  const own = keys.layers[layer]!
  const { attention, ffn } = operandsOf(model, trace, layer)
  check(hints.o.length === nKvHeads, 'FREIVALDS_SHAPE', `hints of ${hints.o.length} groups`)
  checkProducts(own.qkv, joined(attention), hints.qkv)
  own.o.forEach((key, g) => {
    checkProducts(key, groupOperands(trace, layer, g), hints.o[g]!)
  })
  checkProducts(own.gateUp, joined(ffn), hints.gateUp)
  const gated = ffn.map(({ scale }, i) => gatedOperand(outputs(hints.gateUp, i, scale, gateUp)(0, gateUp.rows)))
  checkProducts(own.down, joined(gated), hints.down)

  const next = rowsOf(trace, trace.h[layer + 1]!)
  const xs = rowsOf(trace, trace.x[layer]!)
  rowsOf(trace, trace.h[layer]!).forEach((h, i) => {
    const projected = outputs(hints.qkv, i, attention[i]!.scale, qkv)
    for (let g = 0; g < nKvHeads; g++) {
      const kv = kvFrom(model, g, i, (start) => projected(start, headDim))
      same('kv', layer, i, encodeKv(kvRowOf(trace, layer, g, i)), encodeKv(kv))
      const rows = Array.from({ length: i + 1 }, (_, j) => kvRowOf(trace, layer, g, j))
      const attended = attendQueries(model, g, i, rows, (start) => projected(start, headDim))
      same('attend', layer, i, encodeO(groupRow(trace, layer, g, i)), encodeO(attended))
    }
    const scales = trace.oScale[layer]!.subarray(i * nKvHeads, (i + 1) * nKvHeads)
    const x = addResidual(
      h,
      groupedRow(o, scales, (n, g) => hints.o[g]![i * dModel + n]!),
    )
    same('proj', layer, i, encodeRow(xs[i]!), encodeRow(x))
    const added = outputs(hints.down, i, gated[i]!.scale, down)(0, dModel)
    same('ffn', layer, i, encodeRow(next[i]!), encodeRow(addResidual(x, added)))
  })
}

function groupRow({ shape, o, oScale }: Trace, layer: number, group: number, position: number): QuantRow {
  const width = groupWidth(shape.dims)
  const row = position * shape.dims.nKvHeads + group
  return { q: o[layer]!.subarray(row * width, (row + 1) * width), scale: oScale[layer]![row]! }
}

function same(kind: StepKind, layer: number, position: number, committed: Uint8Array, computed: Uint8Array): void {
  check(
    equalBytes(committed, computed),
    'STEP_MISMATCH',
    `${kind} of layer ${layer} at ${position} does not give the committed output`,
  )
}
