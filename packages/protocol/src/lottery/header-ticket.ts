/** What a header alone says about its ticket (BLK-1, WRK-4): cheap, before any proof. */
import { check } from '../errors.ts'
import type { KeyedHash } from '../hash.ts'
import type { ModelDims } from '../model/types.ts'
import { OP_GATE_UP, OP_QKV } from '../trace/types.ts'
import { type LotteryParams, type TicketKeyInput, ticketHash, ticketKey, ticketShape, ticketWins } from './tickets.ts'
import { FOLD_WORDS, type TicketPosition } from './types.ts'

export interface HeaderTicketInput extends TicketKeyInput {
  /** 16 words. */
  readonly foldState: Uint32Array
  readonly position: TicketPosition
}

/** The ticket that a header claims, recomputed from its fields: 32 bytes, the value that the beacon commits to (BLK-2). */
export function headerTicket(input: HeaderTicketInput, hash?: KeyedHash): Uint8Array {
  return ticketHash(ticketKey(input), input.foldState, input.position, hash)
}

export interface HeaderTicketCheck extends HeaderTicketInput {
  readonly modelParams: LotteryParams
  readonly dims: ModelDims
  readonly promptTokens: number
  /** MACs that one ticket of the unit stands for (WRK-4). */
  readonly ticketMacs: number
  readonly target: bigint
}

/**
 * Checks that the claimed ticket lies on a full tile and wins, and returns it. It proves no multiplication: the fold state is
 * still a claim, which the ticket proof and the re-execution back (WRK-7, BLK-4).
 * Throws TICKET_POSITION, TICKET_PROOF_SHAPE (a fold state of another length) or TICKET_LOSES.
 */
export function checkHeaderTicket(input: HeaderTicketCheck, hash?: KeyedHash): Uint8Array {
  const { modelParams, dims, promptTokens, target, position, foldState } = input
  checkTicketPosition(dims, modelParams, promptTokens, position)
  check(foldState.length === FOLD_WORDS, 'TICKET_PROOF_SHAPE', `a fold state has ${FOLD_WORDS} words`)
  const ticket = headerTicket(input, hash)
  const wins = ticketWins(ticket, target, input.ticketMacs)
  check(wins, 'TICKET_LOSES', 'the ticket is not below its threshold (WRK-4)')
  return ticket
}

/** Throws TICKET_POSITION unless the position is a full tile of a ticket operation of the unit (WRK-3). */
export function checkTicketPosition(
  dims: ModelDims,
  params: LotteryParams,
  promptTokens: number,
  position: TicketPosition,
): void {
  const { layer, op, tileRow, tileColumn } = position
  check(isIndex(layer, dims.nLayers), 'TICKET_POSITION', `layer ${layer} of ${dims.nLayers}`)
  check(op === OP_QKV || op === OP_GATE_UP, 'TICKET_POSITION', `there is no ticket operation ${op}`)
  const { rowTiles, columnTiles } = ticketShape(dims, params, op, promptTokens)
  check(isIndex(tileRow, rowTiles), 'TICKET_POSITION', `tile row ${tileRow} of ${rowTiles} full ones`)
  check(isIndex(tileColumn, columnTiles), 'TICKET_POSITION', `tile column ${tileColumn} of ${columnTiles} full ones`)
}

function isIndex(value: number, count: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < count
}
