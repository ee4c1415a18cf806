/**
 * For each binding a cheat that it closes: how a miner makes the block, the code with which a network refuses it, and the switches
 * under which the same block is valid. All of them are real: drawn, proved and, where the miner executes anything, executed by the
 * reference implementation.
 */
import {
  type Block,
  checkHeaderTicket,
  commitTrace,
  type DrawBindings,
  type DrawInput,
  type ErrorCode,
  embedRow,
  emptyTrace,
  executeUnit,
  type GeneratedModelName,
  generatedModel,
  generatedModelId,
  LANE_BOOTSTRAP,
  type NoisedWeights,
  noisedProduct,
  noiseWeights,
  OP_QKV,
  ProtocolError,
  TICKET_OPS,
  type TicketOp,
  type TicketPosition,
  type Trace,
  targetFromBits,
  ticketMacs,
  ticketShape,
  type UnitTask,
  unitId,
  type WeightSide,
} from '../../src/index.ts'
import { assignedTo, blockOf, miner, type Network, unitOf } from './network.ts'

export interface Cheat {
  readonly binding: string
  readonly does: string
  /** `--set` lines that switch the binding off. */
  readonly off: readonly string[]
  readonly refused: ErrorCode
  make(network: Network): Block
  /** Lines of both networks. */
  readonly both: readonly string[]
}

/** The network's rules but for one: whoever cheats keeps to the others. */
const without = ({ context }: Network, binding: keyof DrawBindings): DrawBindings => ({
  ...context.params.bindings,
  [binding]: 'off',
})
/** A target at which about every fourth unit wins. */
const EVERY_FOURTH = `difficulty.genesisBits=${0x1e00d6bf}`

/** 24 equal tokens: all operand rows of the first layer are one. */
export const STRUCTURED: UnitTask = {
  promptTokens: Array.from({ length: 24 }, () => 32),
  maxNewTokens: 4,
  decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false },
}

/** A third of the width and one layer of the registered model. */
export const TOY: GeneratedModelName = {
  dModel: 16,
  nLayers: 1,
  nHeads: 2,
  nKvHeads: 1,
  headDim: 8,
  ffnDim: 16,
  seed: new Uint8Array(16).fill(5),
}

/** Whether a fold state wins for a unit, whatever else is true of it. */
function wins(
  { context }: Network,
  input: Omit<
    Parameters<typeof checkHeaderTicket>[0],
    'modelParams' | 'dims' | 'promptTokens' | 'ticketMacs' | 'target'
  >,
): boolean {
  const { params, bootstrap } = context
  try {
    checkHeaderTicket({
      ...input,
      modelParams: bootstrap.params,
      dims: bootstrap.model.config,
      promptTokens: params.units.bootstrapPromptTokens,
      ticketMacs: ticketMacs(params, LANE_BOOTSTRAP, bootstrap.model.config, bootstrap.params),
      target: targetFromBits(params.difficulty.genesisBits),
    })
    return true
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'TICKET_LOSES') return false
    throw error
  }
}

/** W' of an operation on genesis, once for each network: every unit shares it (WRK-2). */
const kept = new Map<Network, Map<string, NoisedWeights>>()
function keptOf(network: Network, side: WeightSide): NoisedWeights {
  const known = kept.get(network) ?? new Map<string, NoisedWeights>()
  kept.set(network, known)
  const name = `${side.layer}/${side.op}`
  const noised = known.get(name) ?? noiseWeights(side)
  known.set(name, noised)
  return noised
}

/** Fold states of one operation of a unit with their places. */
function folded(network: Network, id: Uint8Array, trace: Trace, layer: number, op: TicketOp, bindings: DrawBindings) {
  const { model, params: modelParams } = network.context.bootstrap
  const parentBeacon = network.context.genesis.header.beacon
  const side = { modelParams, model, parentBeacon, layer, op }
  const noised = keptOf(network, side)
  const draw: DrawInput = {
    modelParams,
    model,
    parentBeacon,
    unitId: id,
    minerKey: miner.publicKey,
    trace,
    traceRoot: new Uint8Array(32),
    bindings,
    cache: () => noised,
  }
  const { columnTiles } = ticketShape(model.config, modelParams, op, trace.shape.promptTokens)
  return noisedProduct(draw, layer, op).states.map((foldState, t) => {
    const position: TicketPosition = { layer, op, tileRow: Math.floor(t / columnTiles), tileColumn: t % columnTiles }
    return { foldState, position }
  })
}

/** What a draw from the first operation needs of a trace: the embeddings of the prompt. No layer is run. */
function embedded({ context }: Network, { promptTokens, maxNewTokens }: UnitTask): Trace {
  const { model } = context.bootstrap
  const { config } = model
  const trace = emptyTrace({ promptTokens: promptTokens.length, newTokens: maxNewTokens, dims: config })
  for (const [i, token] of promptTokens.entries()) trace.h[0]!.set(embedRow(model, token), i * config.dModel)
  return trace
}

/** B4: only the first operation of each unit is computed, and the inference once it has won. Says how many were not run. */
export function drawBeforeCompletion(network: Network): { block: Block; skipped: number } {
  const bindings = without(network, 'completionBeforeDraw')
  for (let counter = 0; ; counter++) {
    const unit = unitOf(network, { counter })
    const task = assignedTo(network, unit)
    const id = unitId(unit, miner.publicKey, bindings.singleUse)
    const early = folded(network, id, embedded(network, task), 0, OP_QKV, bindings)
    const traceRoot = new Uint8Array(32)
    const at = early.findIndex((ticket) => wins(network, { ...ticket, unitId: id, traceRoot, counter, bindings }))
    if (at >= 0)
      return { block: blockOf(network, unit, task, { bindings, ticket: (all) => all[at]! }), skipped: counter }
  }
}

/** B5: one trace, executed once, drawn again under one counter after the other. Says under how many it lost. */
export function drawAgain(network: Network): { block: Block; redrawn: number } {
  const bindings = without(network, 'singleUse')
  const unit = unitOf(network)
  const task = assignedTo(network, unit)
  const trace = executeUnit(network.context.bootstrap.model, task)
  const traceRoot = commitTrace(trace).traceRoot
  const id = unitId(unit, miner.publicKey, 'off')
  const layers = Array.from({ length: network.context.bootstrap.model.config.nLayers }, (_, layer) => layer)
  const all = layers.flatMap((layer) => TICKET_OPS.flatMap((op) => folded(network, id, trace, layer, op, bindings)))
  for (let counter = 0; ; counter++) {
    const at = all.findIndex((ticket) => wins(network, { ...ticket, unitId: id, traceRoot, counter, bindings }))
    if (at < 0) continue
    const block = blockOf(network, { ...unit, counter }, task, { bindings, trace, ticket: (tickets) => tickets[at]! })
    return { block, redrawn: counter }
  }
}

/** B6: a trace of zeros with made-up tokens. Nothing was executed; tickets and proof are in order. */
export function madeUpTrace(network: Network): Trace {
  const { promptTokens, maxNewTokens } = assignedTo(network, unitOf(network))
  const dims = network.context.bootstrap.model.config
  const trace = emptyTrace({ promptTokens: promptTokens.length, newTokens: maxNewTokens, dims })
  trace.tokens.set(promptTokens)
  return trace
}

export const CHEATS: readonly Cheat[] = [
  {
    binding: 'B1',
    does: 'a prompt of 24 equal tokens',
    off: ['bindings.assignedInputs=off'],
    refused: 'UNIT_PROMPT',
    make: (network) => blockOf(network, unitOf(network), STRUCTURED),
    both: [],
  },
  {
    binding: 'B2',
    does: 'a toy model of its own',
    off: ['bindings.registeredWeights=off'],
    refused: 'UNIT_MODEL',
    make: (network) => {
      const modelId = generatedModelId(TOY)
      const model = generatedModel(modelId, network.context.bootstrap.model.config)
      const unit = unitOf(network, { modelId })
      return blockOf(network, unit, assignedTo(network, unit), { model })
    },
    both: [],
  },
  {
    binding: 'B3',
    does: 'noise that was known before the operand',
    off: ['bindings.operandBeforeNoise=off'],
    refused: 'TICKET_STATE_MISMATCH',
    make: (network) => {
      const unit = unitOf(network)
      return blockOf(network, unit, assignedTo(network, unit), { bindings: without(network, 'operandBeforeNoise') })
    },
    both: [],
  },
  {
    binding: 'B4',
    does: 'tickets drawn from the first layer before the rest was run',
    off: ['bindings.completionBeforeDraw=off'],
    refused: 'TICKET_LOSES',
    make: (network) => drawBeforeCompletion(network).block,
    both: [EVERY_FOURTH],
  },
  {
    binding: 'B5',
    does: 'one trace drawn again and again',
    off: ['bindings.singleUse=off'],
    refused: 'TICKET_LOSES',
    make: (network) => drawAgain(network).block,
    both: [EVERY_FOURTH],
  },
  {
    binding: 'B6',
    does: 'a trace that nobody computed',
    off: ['bindings.checked=off', 'block.winnerCheck=none'],
    refused: 'BLOCK_REPLAY_TOKENS',
    make: (network) => {
      const unit = unitOf(network)
      return blockOf(network, unit, assignedTo(network, unit), { trace: madeUpTrace(network) })
    },
    both: [],
  },
]
