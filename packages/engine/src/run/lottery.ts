/** The ticket operations' products through noise, fold and exact denoising (WRK-2, WRK-3, WRK-5). */
import {
  type DrawBindings,
  FOLD_WORDS,
  foldOpenedTile,
  foldProduct,
  type KeyedHash,
  type LotteryParams,
  type Model,
  noisedOperandRows,
  OPERAND_NOISE_LABEL,
  operandNoiseSeed,
  TICKET_OPS,
  type TicketOp,
  type TicketShape,
  type TileInput,
  ticketMatrix,
  ticketShape,
  unitTickets,
  WEIGHT_NOISE_LABEL,
  weightSeedOf,
} from '@nacre/protocol'
import { operandStride } from '../kernels/product-layout.ts'
import { type Kernels, padN } from '../kernels/types.ts'
import { PreRoots } from './commit.ts'
import type { TicketProductCall } from './forward.ts'
import type { SharedPlaces, ThreadPlaces } from './layout.ts'
import { noiseFactors } from './noise.ts'
import type { SharedControl } from './shared-control.ts'

/** What a unit's draw commits to, apart from its rows. */
export interface DrawKeys {
  readonly parentBeacon: Uint8Array
  readonly unitId: Uint8Array
  readonly minerKey: Uint8Array
  /** Of the unit; read only where the network's bindings say so (B5). */
  readonly counter?: number | undefined
  readonly bindings?: DrawBindings | undefined
}

export interface LotteryOptions {
  readonly model: Model
  readonly params: LotteryParams
  readonly kernels: Kernels
  readonly hash: KeyedHash
  readonly shared: SharedPlaces
  readonly places: ThreadPlaces
  readonly control: SharedControl
  readonly thread: number
}

/** Noised products of one model with one lottery shape. W' of the last parents is in memory, for all threads. */
export class Lottery {
  readonly params: LotteryParams
  readonly #options: LotteryOptions
  /** Fold states of the current unit: 16 words a ticket, in drawing order. */
  readonly #states: Uint32Array
  #tickets = 0
  #preRoots: PreRoots
  #parent = 0

  constructor(options: LotteryOptions) {
    const { model, params, hash } = options
    this.params = params
    this.#options = options
    this.#preRoots = new PreRoots(hash)
    this.#states = new Uint32Array(FOLD_WORDS * unitTickets(model.config, params, model.config.maxSeqLen))
  }

  /** Runs `work`, one unit on the parent with this beacon, whose W' stays in memory meanwhile. */
  unit<T>(parentBeacon: Uint8Array, work: () => T): T {
    const { control, thread, hash } = this.#options
    this.#tickets = 0
    this.#preRoots = new PreRoots(hash)
    this.#parent = control.pin(thread, parentBeacon)
    try {
      return work()
    } finally {
      control.unpin(thread)
    }
  }

  /** Fold states of the unit: 16 words for each ticket, in drawing order. A view. */
  get states(): Uint32Array {
    return this.#states.subarray(0, FOLD_WORDS * this.#tickets)
  }

  /** Of the unit: for its commitment. */
  get preRoots(): PreRoots {
    return this.#preRoots
  }

  /** A W of a ticket operation, exactly, out of the noised product that draws. False if only the states could be had. */
  product(keys: DrawKeys, call: TicketProductCall): boolean {
    const { model, kernels, hash } = this.#options
    const { trace, layer, op, rows: m, a, lda, c, ldc } = call
    const shape = ticketShape(model.config, this.params, op, m)
    const { k, n, r, h, w, rowTiles, columnTiles } = shape
    const weightSeed = this.#weightSeed(keys.parentBeacon, layer, op)
    const at = this.#noisedWeights(weightSeed, layer, op, shape)
    const preRoot = this.#preRoots.root(trace, layer, op)
    const { unitId, minerKey, bindings } = keys
    const seed = operandNoiseSeed({ weightSeed, unitId, minerKey, preRoot, m, k, bindings })
    const noise = noiseFactors(OPERAND_NOISE_LABEL, seed, m, k, r, hash)
    if (!kernels.canFold(w, r)) {
      this.#foldByReference(call, shape, { rank: r, firstRow: 0, ...noise }, at)
      return false
    }
    const { states } = this.#options.places
    const tiles = { h, w, rowTiles, columnTiles, states }
    const denoised = kernels.noisedProduct({
      shape: { m, k, n, r },
      a,
      lda,
      noise,
      w: at,
      c,
      ldc,
      tiles,
      denoise: true,
    })
    this.#keep(new Uint32Array(kernels.buffer, states, FOLD_WORDS * rowTiles * columnTiles))
    return denoised
  }

  /** The fold state of a tile from its opened rows, as the reference's `foldOpenedTile`. */
  foldTile(tile: TileInput): Uint32Array {
    const { kernels, hash, places, control, thread } = this.#options
    const { side, shape, operand, operandSeed, tileRow, tileColumn } = tile
    const { h, k, r, w } = shape
    const memory = new Int8Array(kernels.buffer)
    const lda = operandStride(k)
    // A tile with more rows than the memory has room for can be no tile of this model, and no kernel's.
    if (!kernels.canFold(w, r) || h > side.model.config.maxSeqLen) return foldOpenedTile(tile, undefined, hash)
    for (let i = 0; i < h; i++) memory.set(operand.subarray(i * k, (i + 1) * k), places.operand + i * lda)
    const noise = noiseFactors(OPERAND_NOISE_LABEL, operandSeed, h, k, r, hash, tileRow * h)
    const fold = (weights: number, n: number, firstColumn: number): Uint32Array => {
      const tiles = { h, w, rowTiles: 1, columnTiles: 1, firstColumn, states: places.states }
      const c = places.accumulators
      const call = { shape: { m: h, k, n, r }, a: places.operand, lda, noise, w: weights, c, ldc: 4 * padN(w), tiles }
      kernels.noisedProduct({ ...call, denoise: false })
      return new Uint32Array(kernels.buffer, places.states, FOLD_WORDS).slice()
    }
    const parent = control.pinKept(thread, side.parentBeacon)
    try {
      const slot = slotOf(side.layer, side.op)
      const isKept = parent !== undefined && control.isFilled(parent, slot)
      if (isKept && kernels.canFold(w, r, tileColumn * w)) {
        return fold(this.#options.shared.noised[parent]![slot]!, shape.n, tileColumn * w)
      }
    } finally {
      if (parent !== undefined) control.unpin(thread)
    }
    this.#noiseTile(tile)
    return fold(places.tile, w, 0)
  }

  /** W' of one tile's columns. */
  #noiseTile({ side, shape, weightSeed, tileColumn }: TileInput): void {
    const { kernels, hash, places } = this.#options
    const { k, r, w } = shape
    const first = tileColumn * w
    const noise = noiseFactors(WEIGHT_NOISE_LABEL, weightSeed, w, k, r, hash, first)
    const columns = ticketMatrix(side.model, side.layer, side.op).q.subarray(first * k, (first + w) * k)
    kernels.noiseWeights(places.tile, columns, noise, w, k, r, false)
  }

  #weightSeed(parentBeacon: Uint8Array, layer: number, op: TicketOp): Uint8Array {
    return weightSeedOf({ modelParams: this.params, model: this.#options.model, parentBeacon, layer, op })
  }

  /** Where W' of an operation on the unit's parent is, after some thread has computed it. */
  #noisedWeights(seed: Uint8Array, layer: number, op: TicketOp, { n, k, r }: TicketShape): number {
    const { model, kernels, hash, shared, control, thread } = this.#options
    const slot = slotOf(layer, op)
    const at = shared.noised[this.#parent]![slot]!
    control.fillSlot(thread, this.#parent, slot, () => {
      const noise = noiseFactors(WEIGHT_NOISE_LABEL, seed, n, k, r, hash)
      kernels.noiseWeights(at, ticketMatrix(model, layer, op).q, noise, n, k, r)
    })
    return at
  }

  #keep(states: Uint32Array): void {
    this.#states.set(states, FOLD_WORDS * this.#tickets)
    this.#tickets += states.length / FOLD_WORDS
  }

  /** For tiles and ranks the kernels do not take: no registered model should have them, but the rules allow it. */
  #foldByReference(
    { a, lda }: TicketProductCall,
    shape: TicketShape,
    noise: Parameters<typeof noisedOperandRows>[1],
    at: number,
  ): void {
    const { kernels } = this.#options
    const { m, k, n, r } = shape
    const memory = new Int8Array(kernels.buffer)
    const operand = new Int8Array(m * k)
    for (let i = 0; i < m; i++) operand.set(memory.subarray(a + i * lda, a + i * lda + k), i * k)
    const { states } = foldProduct(noisedOperandRows(operand, noise), kernels.noisedRows(at, n, k, r, 0, n), shape)
    for (const state of states) this.#keep(state)
  }
}

const slotOf = (layer: number, op: TicketOp): number => layer * TICKET_OPS.length + op
