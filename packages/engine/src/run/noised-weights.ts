/** W' of all ticket operations of a model, packed once for each parent and kept for the last two (WRK-2). */
import {
  equalBytes,
  type KeyedHash,
  type LotteryParams,
  type Model,
  type NoisedWeights,
  TICKET_OPS,
  type TicketOp,
  type TicketShape,
  ticketMatrix,
  ticketShape,
  WEIGHT_NOISE_LABEL,
  weightSeedOf,
} from '@nacre/protocol'
import type { Arena } from '../kernels/arena.ts'
import { packPanels, panelBytes } from '../kernels/pack.ts'
import { addFactors, type NoiseFactors, noiseFactors } from './noise.ts'

/** Parents whose W' is kept: the tip, and one more for a branch or a block just replaced. */
export const KEPT_PARENTS = 2

/** W' of one ticket operation on one parent. */
export interface WeightSlot {
  readonly shape: TicketShape
  /** Offsets of the panels of W' and of F_R. */
  readonly noised: number
  readonly uniform: number
}

export interface FilledSlot extends WeightSlot {
  readonly seed: Uint8Array
  readonly factors: NoiseFactors
  /** W' as n x k rows: for ticket checks, and where the kernels cannot fold. */
  readonly rows: Int8Array
}

interface Parent {
  beacon: Uint8Array | undefined
  lastUse: number
  readonly slots: readonly WeightSlot[]
  filled: (FilledSlot | undefined)[]
}

export class WeightCache {
  readonly #model: Model
  readonly #params: LotteryParams
  readonly #hash: KeyedHash
  readonly #parents: readonly Parent[]
  #memory: Int8Array = new Int8Array(0)
  #uses = 0

  /** Reserves its room in `arena`; {@link attach} must follow. */
  constructor(model: Model, params: LotteryParams, hash: KeyedHash, arena: Arena) {
    this.#model = model
    this.#params = params
    this.#hash = hash
    const slot = (op: TicketOp): WeightSlot => {
      const shape = ticketShape(model.config, params, op, 0)
      const { n, k, r } = shape
      return { shape, noised: arena.reserve(panelBytes(n, k)), uniform: arena.reserve(panelBytes(n, r)) }
    }
    this.#parents = Array.from({ length: KEPT_PARENTS }, () => ({
      beacon: undefined,
      lastUse: 0,
      slots: model.layers.flatMap(() => TICKET_OPS.map(slot)),
      filled: [],
    }))
  }

  attach(memory: Int8Array): void {
    this.#memory = memory
  }

  /** W' of an operation on the parent with this beacon, from memory or freshly computed. */
  get(parentBeacon: Uint8Array, layer: number, op: TicketOp): FilledSlot {
    const parent = this.#parent(parentBeacon)
    const index = layer * TICKET_OPS.length + op
    const slot = parent.filled[index] ?? this.#fill(parent.slots[index]!, parentBeacon, layer, op)
    parent.filled[index] = slot
    return slot
  }

  /** What {@link get} has already computed for a parent, in the reference's form. */
  kept(parentBeacon: Uint8Array, layer: number, op: TicketOp): NoisedWeights | undefined {
    const parent = this.#parents.find(({ beacon }) => beacon !== undefined && equalBytes(beacon, parentBeacon))
    const slot = parent?.filled[layer * TICKET_OPS.length + op]
    if (slot === undefined) return undefined
    const { seed, factors, rows, shape } = slot
    const noise = { rank: shape.r, firstRow: 0, uniform: factors.uniform, sparse: factors.sparse }
    return { seed, noise, firstColumn: 0, columns: shape.n, noised: rows }
  }

  #parent(parentBeacon: Uint8Array): Parent {
    let oldest = this.#parents[0]!
    for (const parent of this.#parents) {
      if (parent.beacon !== undefined && equalBytes(parent.beacon, parentBeacon)) {
        parent.lastUse = ++this.#uses
        return parent
      }
      if (parent.lastUse < oldest.lastUse) oldest = parent
    }
    oldest.beacon = parentBeacon.slice()
    oldest.filled = []
    oldest.lastUse = ++this.#uses
    return oldest
  }

  #fill(slot: WeightSlot, parentBeacon: Uint8Array, layer: number, op: TicketOp): FilledSlot {
    const { n, k, r } = slot.shape
    const seed = weightSeedOf({ modelParams: this.#params, model: this.#model, parentBeacon, layer, op })
    const factors = noiseFactors(WEIGHT_NOISE_LABEL, seed, n, k, r, this.#hash)
    const rows = addFactors(ticketMatrix(this.#model, layer, op).q, n, k, r, factors)
    packPanels(this.#memory.subarray(slot.noised), rows, n, k)
    packPanels(this.#memory.subarray(slot.uniform), factors.uniform, n, r)
    return { ...slot, seed, factors, rows }
  }
}
