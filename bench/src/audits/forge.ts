/** Miners that do not compute what they commit to. Their traces are well formed: only running a step shows it. */
import {
  emptyTrace,
  executeUnit,
  forwardPosition,
  kvRowOf,
  type Model,
  nextToken,
  positionCount,
  type QuantMatrix,
  type StepKind,
  type StepRef,
  type StepView,
  type Trace,
  type UnitTask,
} from '@nacre/protocol'
import { decodeKv, decodeO, decodeRow } from '../../../packages/protocol/src/trace/leaves.ts'
import { STEP_FUNCTIONS } from '../../../packages/protocol/src/trace/steps/step-functions.ts'
import { Draws } from './seeds.ts'

/** What a step reads, out of a trace that is under way. */
function viewOf(model: Model, task: UnitTask, trace: Trace, ref: StepRef): StepView {
  const { shape } = trace
  const { dModel, nKvHeads, nHeads, headDim } = shape.dims
  const { layer, group, position } = ref
  const row = (rows: Float32Array): Float32Array => rows.subarray(position * dModel, (position + 1) * dModel)
  const width = (nHeads / nKvHeads) * headDim
  return {
    ...{ model, task, shape, ref },
    tokens: () => [...trace.tokens],
    h: (l) => row(trace.h[l]!),
    x: () => row(trace.x[layer]!),
    kv: (j) => kvRowOf(trace, layer, group, j),
    o: (g) => {
      const at = position * nKvHeads + g
      return { q: trace.o[layer]!.subarray(at * width, (at + 1) * width), scale: trace.oScale[layer]![at]! }
    },
  }
}

/** Writes the output of a step into the trace, as it is or with the least change that its leaf allows. */
function write(trace: Trace, ref: StepRef, bytes: Uint8Array, isForged: boolean): void {
  const { dims } = trace.shape
  const { kind, layer, group, position } = ref
  const moved = (values: Int8Array): Int8Array => (isForged ? values.with(0, values[0] === 0 ? 1 : 0) : values)
  const start = position * dims.dModel
  const row = (): Float32Array => {
    const values = decodeRow(dims, bytes).slice()
    if (isForged) new Uint32Array(values.buffer)[0]! ^= 1
    return values
  }
  const at = position * dims.nKvHeads + group
  switch (kind) {
    case 'embed':
      trace.h[0]!.set(row(), start)
      return
    case 'proj':
      trace.x[layer]!.set(row(), start)
      return
    case 'ffn':
      trace.h[layer + 1]!.set(row(), start)
      return
    case 'kv': {
      const { k, kScale, v, vScale } = decodeKv(dims, bytes)
      trace.k[layer]!.set(moved(k), at * dims.headDim)
      trace.v[layer]!.set(v, at * dims.headDim)
      trace.kScale[layer]![at] = kScale
      trace.vScale[layer]![at] = vScale
      return
    }
    case 'attend': {
      const { q, scale } = decodeO(dims, bytes)
      trace.o[layer]!.set(moved(q), at * q.length)
      trace.oScale[layer]![at] = scale
      return
    }
    case 'head': {
      const token = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
      trace.tokens[position + 1] = isForged ? (token + 1) % 256 : token
      return
    }
    default:
      throw new Error(`${kind} is not forged here`)
  }
}

/**
 * Executes a unit step by step and forges those that `isForged` names by the least change: one bit of a row, one step of an int8, the
 * next token. What comes after goes on from the forged value, so exactly these steps are wrong. The task must not stop at end of sequence.
 */
export function forgeSteps(model: Model, task: UnitTask, isForged: (ref: StepRef) => boolean): Trace {
  const { nLayers, nKvHeads } = model.config
  const promptTokens = task.promptTokens.length
  const trace = emptyTrace({ promptTokens, newTokens: task.maxNewTokens, dims: model.config })
  trace.tokens.set(task.promptTokens)
  const run = (kind: StepKind, layer: number, group: number, position: number): void => {
    const ref = { kind, layer, group, position }
    write(trace, ref, STEP_FUNCTIONS[kind](viewOf(model, task, trace, ref)), isForged(ref))
  }
  for (let position = 0; position < positionCount(trace.shape); position++) {
    run('embed', 0, 0, position)
    for (let layer = 0; layer < nLayers; layer++) {
      for (const kind of ['kv', 'attend'] as const)
        for (let group = 0; group < nKvHeads; group++) run(kind, layer, group, position)
      run('proj', layer, 0, position)
      run('ffn', layer, 0, position)
    }
    if (position >= promptTokens - 1) run('head', 0, 0, position)
  }
  return trace
}

/** Random values in all rows from `firstPosition` on: nothing is computed at all. */
function makeUp(trace: Trace, draws: Draws, firstPosition: number): void {
  const positions = positionCount(trace.shape)
  const from = (values: { readonly length: number }): number => (values.length / positions) * firstPosition
  for (const rows of [trace.h, trace.x, trace.kScale, trace.vScale, trace.oScale].flat())
    for (let i = from(rows); i < rows.length; i++) rows[i] = Math.fround(draws.unit() + 0.5)
  for (const values of [trace.k, trace.v, trace.o].flat())
    for (let i = from(values); i < values.length; i++) values[i] = draws.below(127) - 63
}

/** Commits to random rows and answers random tokens. */
export function garble(model: Model, task: UnitTask, seed: number): Trace {
  const draws = new Draws(`garble/${seed}`)
  const { promptTokens, maxNewTokens } = task
  const trace = emptyTrace({ promptTokens: promptTokens.length, newTokens: maxNewTokens, dims: model.config })
  makeUp(trace, draws, 0)
  trace.tokens.set(promptTokens)
  for (let i = promptTokens.length; i < trace.tokens.length; i++) trace.tokens[i] = draws.below(256)
  return trace
}

/** Runs the prompt as it should, and the first token; the rest of the answer is made up, the rows behind it are too, or repeat the last one. */
export function skipDecode(model: Model, task: UnitTask, seed: number, isRepeated: boolean): Trace {
  const draws = new Draws(`decode/${seed}`)
  const { dModel, nLayers } = model.config
  const last = task.promptTokens.length - 1
  const trace = emptyTrace({ promptTokens: last + 1, newTokens: task.maxNewTokens, dims: model.config })
  trace.tokens.set(task.promptTokens)
  for (let position = 0; position <= last; position++) forwardPosition(model, trace, position)
  const final = trace.h[nLayers]!.subarray(last * dModel, (last + 1) * dModel)
  trace.tokens[last + 1] = nextToken(model, task.decoding, final, last)
  for (let i = last + 2; i < trace.tokens.length; i++) trace.tokens[i] = draws.below(256)
  if (!isRepeated) {
    makeUp(trace, draws, last + 1)
    return trace
  }
  const positions = positionCount(trace.shape)
  for (const rows of [trace.h, trace.x, trace.k, trace.v, trace.kScale, trace.vScale, trace.o, trace.oScale].flat()) {
    const width = rows.length / positions
    for (let i = last + 1; i < positions; i++) rows.copyWithin(i * width, last * width, (last + 1) * width)
  }
  return trace
}

/** The trace of a random prompt of the same length: what a miner may have kept. */
function otherTrace(model: Model, task: UnitTask, seed: number): Trace {
  const draws = new Draws(`kept/${seed}`)
  return executeUnit(model, { ...task, promptTokens: task.promptTokens.map(() => draws.below(256)) })
}

/** Executes nothing: opens a kept trace, with its answer, under the tokens of this prompt. */
export function keptTrace(model: Model, task: UnitTask, seed: number): Trace {
  const trace = otherTrace(model, task, seed)
  trace.tokens.set(task.promptTokens)
  return trace
}

/** As {@link keptTrace}, with the embeddings and the first layer's keys, values and attention of its own tokens: only `proj` does not fit. */
export function keptLayers(model: Model, task: UnitTask, seed: number): Trace {
  const trace = keptTrace(model, task, seed)
  for (let position = 0; position < positionCount(trace.shape); position++) {
    runStep(model, task, trace, { kind: 'embed', layer: 0, group: 0, position })
    for (const kind of ['kv', 'attend'] as const)
      for (let group = 0; group < model.config.nKvHeads; group++)
        runStep(model, task, trace, { kind, layer: 0, group, position })
  }
  return trace
}

/**
 * Opens a kept trace of a prompt that differs in the last token. At that position it computes the embedding and the first attention; keys
 * and values stay those of the other token, so that nothing behind changes: they and one `proj` do not fit.
 */
export function keptBesides(model: Model, task: UnitTask): Trace {
  const position = task.promptTokens.length - 1
  const promptTokens = task.promptTokens.with(position, (task.promptTokens[position]! + 1) % 256)
  const trace = executeUnit(model, { ...task, promptTokens })
  trace.tokens.set(task.promptTokens)
  runStep(model, task, trace, { kind: 'embed', layer: 0, group: 0, position })
  for (let group = 0; group < model.config.nKvHeads; group++)
    runStep(model, task, trace, { kind: 'attend', layer: 0, group, position })
  return trace
}

/** Computes one step of a trace from what is in it. */
function runStep(model: Model, task: UnitTask, trace: Trace, ref: StepRef): void {
  write(trace, ref, STEP_FUNCTIONS[ref.kind](viewOf(model, task, trace, ref)), false)
}

/** Serves a model of the first layers only: behind them residual rows pass through, with nothing in between. */
export function fewerLayers(model: Model, task: UnitTask, layers: number): Trace {
  const small: Model = { ...model, config: { ...model.config, nLayers: layers }, layers: model.layers.slice(0, layers) }
  const ran = executeUnit(small, task)
  const trace = emptyTrace({ ...ran.shape, dims: model.config })
  trace.tokens.set(ran.tokens)
  for (let layer = 0; layer <= model.config.nLayers; layer++) trace.h[layer]!.set(ran.h[Math.min(layer, layers)]!)
  for (let layer = 0; layer < model.config.nLayers; layer++) {
    trace.x[layer]!.set(layer < layers ? ran.x[layer]! : ran.h[layers]!)
    if (layer >= layers) continue
    for (const name of ['k', 'v', 'o'] as const) trace[name][layer]!.set(ran[name][layer]!)
    for (const name of ['kScale', 'vScale', 'oScale'] as const) trace[name][layer]!.set(ran[name][layer]!)
  }
  return trace
}

/** The same model with its weights rounded to 4 bits, which a cheaper machine would serve. */
export function fourBits(model: Model): Model {
  const round = (matrix: QuantMatrix): QuantMatrix => ({
    ...matrix,
    q: matrix.q.map((value) => 9 * Math.round(value / 9)),
  })
  return {
    ...model,
    layers: model.layers.map((layer) => ({
      ...layer,
      qkv: round(layer.qkv),
      o: round(layer.o),
      gateUp: round(layer.gateUp),
      down: round(layer.down),
    })),
  }
}
