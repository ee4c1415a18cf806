/**
 * Tickets drawn over rows that nobody need have computed: the noise, the noised products with their folds and the tickets' hashes of a unit,
 * without its inference (WRK-2 to WRK-4). What a miner does that multiplies matrices at random, the beginning of a unit, or a trace that it kept.
 */
import { bestTicketOf, compareLittleEndian } from '@nacre/engine'
import {
  bytesToHex,
  type DrawBindings,
  FOLD_WORDS,
  f32ToBytes,
  type KeyedHash,
  type LotteryParams,
  type Model,
  merkleLeafHash,
  merkleTreeFromHashes,
  OPERAND_NOISE_LABEL,
  operandNoiseSeed,
  operandRows,
  TICKET_OPS,
  type Ticket,
  type TicketOp,
  type TicketShape,
  ticketHash,
  ticketMatrix,
  ticketShape,
  WEIGHT_NOISE_LABEL,
  weightSeedOf,
} from '@nacre/protocol'
import { Arena } from '../../../engine/src/kernels/arena.ts'
import { operandStride } from '../../../engine/src/kernels/product-layout.ts'
import { type KernelFactory, type Kernels, padN, padRows } from '../../../engine/src/kernels/types.ts'
import { noiseFactors } from '../../../engine/src/run/noise.ts'

export interface RowDrawerOptions {
  readonly model: Model
  readonly modelParams: LotteryParams
  readonly kernels: KernelFactory
  readonly hash: KeyedHash
  /** Rows of every operand. */
  readonly promptTokens: number
  /** How many of the ticket operations draw, in their order: all, or the first ones. */
  readonly operations: number
}

/** One ticket operation in memory. */
interface Place {
  readonly layer: number
  readonly op: TicketOp
  readonly shape: TicketShape
  readonly a: number
  readonly w: number
  readonly states: number
  weightSeed: Uint8Array
  preRoot: Uint8Array
}

/** A row of an operand and the leaf of its residual row. */
export interface OperandRow {
  readonly values: Int8Array
  readonly leaf: Uint8Array
}

/** What a draw over the rows belongs to. */
export interface RowDraw {
  readonly unitId: Uint8Array
  readonly minerKey: Uint8Array
  readonly bindings: DrawBindings
}

export class RowDrawer {
  readonly tickets: number
  readonly #options: RowDrawerOptions
  readonly #kernels: Kernels
  readonly #places: readonly Place[]
  readonly #states: number
  readonly #c: number
  #parent = ''

  constructor(options: RowDrawerOptions) {
    const { model, modelParams, kernels: factory, promptTokens: m, operations } = options
    const { nLayers, dModel: k } = model.config
    const arena = new Arena()
    const all = Array.from({ length: nLayers }, (_, layer) => TICKET_OPS.map((op) => ({ layer, op }))).flat()
    const drawn = all.slice(0, operations).map(({ layer, op }) => {
      const shape = ticketShape(model.config, modelParams, op, m)
      const a = arena.reserve(padRows(m) * operandStride(k))
      return { layer, op, shape, a, w: arena.reserve(factory.noisedBytes(shape.n, k, shape.r)) }
    })
    const tiles = drawn.map(({ shape }) => shape.rowTiles * shape.columnTiles)
    const widest = Math.max(...drawn.map(({ shape }) => shape.n))
    this.tickets = tiles.reduce((sum, each) => sum + each, 0)
    this.#options = options
    this.#states = arena.reserve(4 * FOLD_WORDS * this.tickets)
    this.#c = arena.reserve(padRows(m) * 4 * padN(widest))
    let before = 0
    this.#places = drawn.map((place, i) => {
      const states = this.#states + 4 * FOLD_WORDS * before
      before += tiles[i]!
      return { ...place, states, weightSeed: new Uint8Array(0), preRoot: new Uint8Array(0) }
    })
    const limits = { rows: m, k, noisedK: k, noisedN: widest, rank: modelParams.noiseRank }
    const scratch = arena.reserve(factory.scratchBytes(limits))
    this.#kernels = factory.attach(factory.memory(arena.bytes), scratch, limits)
  }

  /** W' under the beacon of a parent. Returns whether it had to be computed. */
  setParent(parentBeacon: Uint8Array): boolean {
    const parent = bytesToHex(parentBeacon)
    if (parent === this.#parent) return false
    this.#parent = parent
    const { model, modelParams, hash } = this.#options
    for (const place of this.#places) {
      const { layer, op, shape } = place
      const { n, k, r } = shape
      place.weightSeed = weightSeedOf({ modelParams, model, parentBeacon, layer, op })
      const noise = noiseFactors(WEIGHT_NOISE_LABEL, place.weightSeed, n, k, r, hash)
      this.#kernels.noiseWeights(place.w, ticketMatrix(model, layer, op).q, noise, n, k, r, false)
    }
    return true
  }

  /** What becomes of a residual row in an operation: can be kept wherever the same row comes again. */
  row(index: number, residual: Float32Array): OperandRow {
    const { model, hash } = this.#options
    const { layer, op } = this.#places[index]!
    return { values: operandRows(model, layer, op, [residual]), leaf: merkleLeafHash(f32ToBytes(residual), hash) }
  }

  /** The rows of an operation: its operand and the root that its noise commits to. Returns that root. */
  setRows(index: number, rows: readonly OperandRow[]): Uint8Array {
    const place = this.#places[index]!
    const memory = new Int8Array(this.#kernels.buffer)
    const stride = operandStride(place.shape.k)
    for (const [i, { values }] of rows.entries()) memory.set(values, place.a + i * stride)
    place.preRoot = merkleTreeFromHashes(
      rows.map(({ leaf }) => leaf),
      this.#options.hash,
    ).root
    return place.preRoot
  }

  /** Multiplies everything under the noise of a unit: 16 words for each ticket, in drawing order. A view. */
  multiply({ unitId, minerKey, bindings }: RowDraw): Uint32Array {
    const { hash } = this.#options
    for (const { shape, a, w, states, weightSeed, preRoot } of this.#places) {
      const { m, n, k, r, h, rowTiles, columnTiles } = shape
      const seed = operandNoiseSeed({ weightSeed, unitId, minerKey, preRoot, m, k, bindings })
      const noise = noiseFactors(OPERAND_NOISE_LABEL, seed, m, k, r, hash)
      const tiles = { h, w: shape.w, rowTiles, columnTiles, states }
      const call = { shape: { m, k, n, r }, a, lda: operandStride(k), noise, w, c: this.#c, ldc: 4 * padN(n), tiles }
      this.#kernels.noisedProduct({ ...call, denoise: false })
    }
    return new Uint32Array(this.#kernels.buffer, this.#states, FOLD_WORDS * this.tickets)
  }

  /** The least ticket of what {@link multiply} left, under a ticket key. */
  best(key: Uint8Array): Ticket {
    const { model, modelParams, promptTokens, hash, operations } = this.#options
    const states = new Uint32Array(this.#kernels.buffer, this.#states, FOLD_WORDS * this.tickets)
    if (operations === TICKET_OPS.length * model.config.nLayers)
      return bestTicketOf(model, modelParams, promptTokens, key, states, hash)!
    let best: Ticket | undefined
    let at = 0
    for (const { layer, op, shape } of this.#places) {
      for (let tile = 0; tile < shape.rowTiles * shape.columnTiles; tile++, at += FOLD_WORDS) {
        const tileRow = Math.floor(tile / shape.columnTiles)
        const position = { layer, op, tileRow, tileColumn: tile % shape.columnTiles }
        const foldState = states.slice(at, at + FOLD_WORDS)
        const ticket = { position, foldState, hash: ticketHash(key, foldState, position, hash) }
        if (best === undefined || compareLittleEndian(ticket.hash, best.hash) < 0) best = ticket
      }
    }
    return best!
  }
}
