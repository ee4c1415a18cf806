/** The draw of a whole unit, as the rules say it: no sharing, no reuse, every step written out (WRK-1 to WRK-4). */
import { compareBytes } from '../bytes.ts'
import type { KeyedHash } from '../hash.ts'
import type { Model } from '../model/types.ts'
import type { TicketOp, Trace } from '../trace/types.ts'
import { type FoldedProduct, foldProduct } from './fold.ts'
import { noisedOperandRows, operandNoise } from './noise.ts'
import { noisedColumns, type WeightNoiseCache, weightSeedOf } from './noised-weights.ts'
import { operandRows, preRootOf, residualRow } from './operand.ts'
import { operandNoiseSeed } from './seeds.ts'
import { type LotteryParams, TICKET_OPS, type TicketKeyInput, ticketHash, ticketKey, ticketShape } from './tickets.ts'
import type { Ticket } from './types.ts'

export interface DrawInput extends TicketKeyInput {
  readonly modelParams: LotteryParams
  readonly model: Model
  /** Beacon of the parent block, 32 bytes. */
  readonly parentBeacon: Uint8Array
  readonly minerKey: Uint8Array
  /** Only the residual rows of the prompt are read. */
  readonly trace: Trace
  readonly cache?: WeightNoiseCache
  readonly hash?: KeyedHash
}

/** All tickets of a unit in the order layer, operation, tile row, tile column. */
export function drawUnit(input: DrawInput): Ticket[] {
  const { modelParams, model, trace, hash } = input
  const key = ticketKey(input)
  const tickets: Ticket[] = []
  for (let layer = 0; layer < model.config.nLayers; layer++) {
    for (const op of TICKET_OPS) {
      const { columnTiles } = ticketShape(model.config, modelParams, op, trace.shape.promptTokens)
      noisedProduct(input, layer, op).states.forEach((foldState, t) => {
        const position = { layer, op, tileRow: Math.floor(t / columnTiles), tileColumn: t % columnTiles }
        tickets.push({ position, foldState, hash: ticketHash(key, foldState, position, hash) })
      })
    }
  }
  return tickets
}

/** A'W' of one ticket operation of a unit, with the fold states of its full tiles. */
export function noisedProduct(input: DrawInput, layer: number, op: TicketOp): FoldedProduct {
  const { modelParams, model, unitId, minerKey, parentBeacon, trace, bindings, cache, hash } = input
  const m = trace.shape.promptTokens
  const shape = ticketShape(model.config, modelParams, op, m)
  const { k, n, r } = shape
  const residuals = Array.from({ length: m }, (_, i) => residualRow(trace, layer, op, i))
  const operand = operandRows(model, layer, op, residuals)

  const side = { modelParams, model, parentBeacon, layer, op }
  const preRoot = preRootOf(trace, layer, op, hash)
  const seed = operandNoiseSeed({ weightSeed: weightSeedOf(side), unitId, minerKey, preRoot, m, k, bindings })
  const noised = noisedOperandRows(operand, operandNoise(seed, k, r, 0, m, hash))
  return foldProduct(noised, noisedColumns(side, 0, n, cache, hash), shape)
}

/** The least ticket, the earliest among equals; undefined without tickets. */
export function bestTicket(tickets: readonly Ticket[]): Ticket | undefined {
  let best: Ticket | undefined
  for (const ticket of tickets) {
    if (best === undefined || compareBytes(bigEndian(ticket), bigEndian(best)) < 0) best = ticket
  }
  return best
}

/** Tickets are little-endian integers; the reverse orders like bytes. */
function bigEndian(ticket: Ticket): Uint8Array {
  return ticket.hash.toReversed()
}
