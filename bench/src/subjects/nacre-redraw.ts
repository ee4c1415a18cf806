/**
 * Tickets drawn again from a kept trace under another unit id: what a paid ticket costs somebody who has executed its job before
 * (WRK-4). Of a unit there remain the noise of the operands, the noised products with their folds, and the tickets' hashes; operands,
 * roots and W' are kept, and nothing is denoised.
 */
import { bestTicketOf, createUnitEngine } from '@nacre/engine'
import {
  type KeyedHash,
  type Model,
  OPERAND_NOISE_LABEL,
  operandNoiseSeed,
  operandRows,
  preRootOf,
  residualRow,
  TICKET_OPS,
  type Ticket,
  type Trace,
  ticketKey,
  ticketMatrix,
  ticketShape,
  unitTickets,
  WEIGHT_NOISE_LABEL,
  weightSeedOf,
} from '@nacre/protocol'
import { Arena } from '../../../packages/engine/src/kernels/arena.ts'
import { operandStride } from '../../../packages/engine/src/kernels/product-layout.ts'
import { type KernelFactory, type NoisedCall, padN, padRows } from '../../../packages/engine/src/kernels/types.ts'
import { noiseFactors } from '../../../packages/engine/src/run/noise.ts'
import { bytes32, devnetModelParams, drawKeys, task } from './devnet.ts'

/** The parent of all its units, as `drawKeys` names it. */
export const REDRAW_PARENT = 7
const MINER = drawKeys(0, REDRAW_PARENT).minerKey

/** One ticket operation with everything that does not depend on the unit id. */
interface Kept {
  readonly weightSeed: Uint8Array
  readonly preRoot: Uint8Array
  readonly call: Omit<NoisedCall, 'noise'>
}

/** Draws all tickets of one unit again; the prompt's length and their number stay the same. */
export interface Redraw {
  readonly tickets: number
  /** @param i names the unit, as `drawKeys` does. Returns its least ticket. */
  draw(i: number): Ticket | undefined
}

export function nacreRedraw(kernels: KernelFactory, hash: KeyedHash, model: Model, promptTokens: number): Redraw {
  const modelParams = devnetModelParams
  const engine = createUnitEngine({ model, kernels, hash, lottery: modelParams })
  const kept = engine.runUnit({ task: task(0, promptTokens), modelParams, ...drawKeys(0, REDRAW_PARENT) })
  const { tickets, states, draws } = place(kernels, hash, model, promptTokens, kept.trace)
  return {
    tickets,
    draw: (i) => {
      const unitId = bytes32(i)
      for (const [{ weightSeed, preRoot, call }, product] of draws) {
        const { m, k, r } = call.shape
        const seed = operandNoiseSeed({ weightSeed, unitId, minerKey: MINER, preRoot, m, k })
        product({ ...call, noise: noiseFactors(OPERAND_NOISE_LABEL, seed, m, k, r, hash) })
      }
      return bestTicketOf(
        model,
        modelParams,
        promptTokens,
        ticketKey({ unitId, traceRoot: kept.traceRoot }),
        states,
        hash,
      )
    },
  }
}

function place(
  factory: KernelFactory,
  hash: KeyedHash,
  model: Model,
  m: number,
  trace: Trace,
): { tickets: number; states: Uint32Array; draws: [Kept, (call: NoisedCall) => void][] } {
  const { tileRows: h, tileColumns: w, noiseRank: r } = devnetModelParams
  const { nLayers, dModel: k } = model.config
  const shapes = TICKET_OPS.map((op) => ticketShape(model.config, devnetModelParams, op, m))
  const noisedN = Math.max(...shapes.map(({ n }) => n))
  const limits = { rows: m, k, noisedK: k, noisedN, rank: r }
  const lda = operandStride(k)
  const tickets = unitTickets(model.config, devnetModelParams, m)
  const arena = new Arena()
  const c = arena.reserve(padRows(m) * 4 * padN(noisedN))
  const states = arena.reserve(64 * tickets)
  const places = Array.from({ length: nLayers }, () =>
    shapes.map(({ n }) => ({
      a: arena.reserve(padRows(m) * lda),
      w: arena.reserve(factory.noisedBytes(n, k, r)),
    })),
  )
  const scratch = arena.reserve(factory.scratchBytes(limits))
  const kernels = factory.attach(factory.memory(arena.bytes), scratch, limits)
  const memory = new Int8Array(kernels.buffer)
  const draws: [Kept, (call: NoisedCall) => void][] = []
  let at = states
  for (let layer = 0; layer < nLayers; layer++) {
    for (const op of TICKET_OPS) {
      const { n, rowTiles, columnTiles } = shapes[op]!
      const place = places[layer]![op]!
      const rows = Array.from({ length: m }, (_, i) => residualRow(trace, layer, op, i))
      const operand = operandRows(model, layer, op, rows)
      for (let i = 0; i < m; i++) memory.set(operand.subarray(i * k, (i + 1) * k), place.a + i * lda)
      const parentBeacon = bytes32(REDRAW_PARENT)
      const weightSeed = weightSeedOf({ modelParams: devnetModelParams, model, parentBeacon, layer, op })
      const noise = noiseFactors(WEIGHT_NOISE_LABEL, weightSeed, n, k, r, hash)
      kernels.noiseWeights(place.w, ticketMatrix(model, layer, op).q, noise, n, k, r, false)
      const tiles = { h, w, rowTiles, columnTiles, states: at }
      const call = { shape: { m, k, n, r }, a: place.a, lda, w: place.w, c, ldc: 4 * padN(n), tiles, denoise: false }
      draws.push([
        { weightSeed, preRoot: preRootOf(trace, layer, op, hash), call },
        (each) => kernels.noisedProduct(each),
      ])
      at += 64 * rowTiles * columnTiles
    }
  }
  return { tickets, states: new Uint32Array(kernels.buffer, states, 16 * tickets), draws }
}
