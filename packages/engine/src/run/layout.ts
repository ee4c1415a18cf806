/**
 * Where everything lies in the one memory of a model's engine: weights and noised weights, which threads share, then for each
 * thread the rows it works on. The layout is a function of its arguments, so every thread finds the same.
 */
import {
  type LotteryParams,
  type ModelConfig,
  type ModelDims,
  OP_QKV,
  TICKET_OPS,
  type TicketOp,
  ticketShape,
} from '@nacre/protocol'
import { Arena } from '../kernels/arena.ts'
import { operandStride } from '../kernels/product-layout.ts'
import { type KernelFactory, type KernelLimits, padHead, padK, padN, padRows } from '../kernels/types.ts'
import { type ControlPlace, controlWords } from './shared-control.ts'

/** Parents whose W' is kept: the tip, and one more for a branch or a block just replaced. */
export const KEPT_PARENTS = 2
/** Rows of logits computed at a time. */
export const HEAD_ROWS = 16

/** One linear layer. */
export interface LinearPlace {
  /** Packed weights. */
  readonly w: number
  /** Outputs and inputs as packed, padding between heads or halves included. */
  readonly n: number
  readonly k: number
  /** One binary32 scale per output. */
  readonly scale: number
}

export interface LayerPlace {
  readonly attnNorm: number
  readonly ffnNorm: number
  readonly qkv: LinearPlace
  /** One for each KV group: its operand has its own scale (MOD-4). */
  readonly o: readonly LinearPlace[]
  readonly gateUp: LinearPlace
  readonly down: LinearPlace
}

/** What all threads read. */
export interface SharedPlaces {
  readonly layers: readonly LayerPlace[]
  readonly head: LinearPlace
  readonly finalNorm: number
  /** For each position 2 x padHead(headDim) values, see `HeadCall`. */
  readonly rope: number
  /** For each kept parent and each ticket operation, in drawing order; empty without a lottery. */
  readonly noised: readonly (readonly number[])[]
  /** Words that say what is packed and who uses it, see `SharedControl`. */
  readonly control: ControlPlace
}

/** What one thread works on. Rows are those of one run, from its first position. */
export interface ThreadPlaces {
  /** Keys and values of all positions, layer by layer, and their scales. */
  readonly k: readonly number[]
  readonly v: readonly number[]
  readonly kScale: readonly number[]
  readonly vScale: readonly number[]
  /** Residual rows, binary32. */
  readonly h: number
  readonly x: number
  /** int8 operand rows and their scales. */
  readonly operand: number
  readonly scales: number
  /** Attention output operand: int8, groups side by side, and their scales. */
  readonly attention: number
  readonly attentionScale: number
  readonly queries: number
  readonly queryScale: number
  readonly accumulators: number
  /** The ticket operations' product where heads or halves are padded: it draws without padding. */
  readonly unpadded: number
  readonly wide: number
  readonly weights: number
  readonly group: number
  readonly states: number
  /** W' of one tile, for ticket checks on parents whose W' is not kept. */
  readonly tile: number
  readonly scratch: number
}

export interface EngineLayout {
  readonly shared: SharedPlaces
  readonly threads: readonly ThreadPlaces[]
  readonly limits: KernelLimits
  readonly bytes: number
}

/** Padded sizes that follow from the dimensions. */
export interface PaddedDims {
  readonly model: number
  readonly head: number
  readonly ffn: number
  readonly qkv: number
  /** One KV group's heads side by side. */
  readonly group: number
  /** Bytes between operand rows, of the wider of model and ffn. */
  readonly operand: number
}

export function paddedDims(dims: ModelDims): PaddedDims {
  const head = padHead(dims.headDim)
  return {
    model: padN(dims.dModel),
    head,
    ffn: padN(dims.ffnDim),
    qkv: (dims.nHeads + 2 * dims.nKvHeads) * head,
    group: (dims.nHeads / dims.nKvHeads) * head,
    operand: Math.max(operandStride(dims.dModel), operandStride(dims.ffnDim)),
  }
}

/** Outputs of a ticket operation, as its rule counts them. */
export const ticketColumns = (dims: ModelDims, op: TicketOp): number =>
  op === OP_QKV ? (dims.nHeads + 2 * dims.nKvHeads) * dims.headDim : 2 * dims.ffnDim

export function engineLayout(
  config: ModelConfig,
  lottery: LotteryParams | undefined,
  threads: number,
  kernels: KernelFactory,
): EngineLayout {
  const { dModel, nLayers, nHeads, nKvHeads, vocabSize, maxSeqLen } = config
  const dims = paddedDims(config)
  const arena = new Arena()
  const shared = sharedPlaces(config, lottery, threads, kernels, arena)
  const limits: KernelLimits = {
    rows: maxSeqLen,
    k: Math.max(dModel, config.ffnDim, dims.group),
    noisedK: lottery === undefined ? 0 : dModel,
    noisedN: lottery === undefined ? 0 : Math.max(...TICKET_OPS.map((op) => ticketColumns(config, op))),
    rank: lottery?.noiseRank ?? 0,
  }
  const rows = padRows(maxSeqLen)
  const widest = Math.max(2 * dims.ffn, padN(dims.qkv), nKvHeads * dims.model)
  const tiles = lottery === undefined ? 0 : mostTiles(config, lottery)
  const perLayer = (bytes: number): number[] => Array.from({ length: nLayers }, () => arena.reserve(bytes))
  const thread = (): ThreadPlaces => ({
    k: perLayer(maxSeqLen * nKvHeads * dims.head),
    v: perLayer(maxSeqLen * nKvHeads * dims.head),
    kScale: perLayer(4 * maxSeqLen * nKvHeads),
    vScale: perLayer(4 * maxSeqLen * nKvHeads),
    h: arena.reserve(4 * rows * dims.model),
    x: arena.reserve(4 * rows * dims.model),
    operand: arena.reserve(rows * dims.operand),
    scales: arena.reserve(4 * rows),
    attention: arena.reserve(rows * nKvHeads * dims.group + 64),
    attentionScale: arena.reserve(4 * rows * nKvHeads),
    queries: arena.reserve(rows * nHeads * dims.head),
    queryScale: arena.reserve(4 * rows * nHeads),
    accumulators: arena.reserve(4 * Math.max(rows * widest, HEAD_ROWS * padN(vocabSize))),
    unpadded: arena.reserve(isPadded(config) ? 4 * rows * padN(limits.noisedN) : 0),
    wide: arena.reserve(4 * Math.max(dims.ffn, dims.model, padN(dims.qkv), padN(vocabSize))),
    weights: arena.reserve(4 * padK(maxSeqLen)),
    group: arena.reserve(4 * padN(dims.group)),
    states: arena.reserve(64 * Math.max(1, tiles)),
    tile: arena.reserve(
      lottery === undefined ? 0 : kernels.noisedBytes(lottery.tileColumns, dModel, lottery.noiseRank),
    ),
    scratch: arena.reserve(kernels.scratchBytes(limits)),
  })
  return {
    shared,
    limits,
    threads: Array.from({ length: threads }, thread),
    bytes: arena.bytes,
  }
}

/** Whether heads or the halves of gate,up have padding between them, which the lottery does not know. */
export function isPadded(dims: ModelDims): boolean {
  return padHead(dims.headDim) !== dims.headDim || padN(dims.ffnDim) !== dims.ffnDim
}

function mostTiles(config: ModelConfig, lottery: LotteryParams): number {
  const tiles = TICKET_OPS.map((op) => {
    const { rowTiles, columnTiles } = ticketShape(config, lottery, op, config.maxSeqLen)
    return rowTiles * columnTiles
  })
  return Math.max(...tiles)
}

function sharedPlaces(
  config: ModelConfig,
  lottery: LotteryParams | undefined,
  threads: number,
  kernels: KernelFactory,
  arena: Arena,
): SharedPlaces {
  const { dModel, nLayers, nKvHeads, vocabSize, maxSeqLen } = config
  const dims = paddedDims(config)
  const { packedBytes, noisedBytes } = kernels
  const vector = (n: number): number => arena.reserve(4 * padN(n))
  const linear = (n: number, k: number): LinearPlace => ({
    w: arena.reserve(packedBytes(n, k)),
    n,
    k,
    scale: vector(n),
  })
  const layers = Array.from({ length: nLayers }, () => ({
    attnNorm: vector(dModel),
    ffnNorm: vector(dModel),
    qkv: linear(dims.qkv, dModel),
    o: Array.from({ length: nKvHeads }, () => linear(dModel, dims.group)),
    gateUp: linear(2 * dims.ffn, dModel),
    down: linear(dModel, config.ffnDim),
  }))
  const noisedSlot = (op: TicketOp): number =>
    arena.reserve(noisedBytes(ticketColumns(config, op), dModel, lottery?.noiseRank ?? 0))
  const parents = lottery === undefined ? 0 : KEPT_PARENTS
  const slots = nLayers * TICKET_OPS.length
  return {
    layers,
    head: linear(vocabSize, dModel),
    finalNorm: vector(dModel),
    rope: arena.reserve(8 * maxSeqLen * dims.head),
    noised: Array.from({ length: parents }, () => layers.flatMap(() => TICKET_OPS.map(noisedSlot))),
    control: { at: arena.reserve(4 * controlWords(parents, slots, threads)), parents, slots, threads },
  }
}
