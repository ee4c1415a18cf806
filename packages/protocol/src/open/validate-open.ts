/** Blocks of the open lane (chapter 12): what takes the place of the unit's rules under provenance `open`. */

import type { Block } from '../block/body.ts'
import { type BlockHeader, hasValidSignature } from '../block/header.ts'
import { equalBytes } from '../bytes.ts'
import { targetFromBits } from '../difficulty/bits.ts'
import { check } from '../errors.ts'
import { FOLD_WORDS } from '../lottery/types.ts'
import type { Params } from '../params/types.ts'
import { checkConfiguration } from '../pearl/configuration.ts'
import { patternSize } from '../pearl/pattern.ts'
import { ticketBound, ticketHash, ticketWins } from '../pearl/tile.ts'
import { LANE_OPEN } from '../unit/types.ts'
import { openRules } from './open-rules.ts'
import { openConfiguration } from './open-unit.ts'

/** The ticket that an open header claims, 32 bytes: the beacon follows from it (BLK-2). */
export function openTicketHash({ traceRoot, foldState }: Pick<BlockHeader, 'traceRoot' | 'foldState'>): Uint8Array {
  return ticketHash(foldState, traceRoot)
}

/**
 * What a header of a network with provenance `open` must satisfy by itself, once version, chain and height are right: the open lane
 * and no other, a configuration inside Pearl's limits, and a ticket that wins at its own target. Costs one hash and the signature.
 * Throws UNIT_LANE, UNIT_PARENT, UNIT_SHAPE, TICKET_POSITION, TICKET_LOSES, BLOCK_BITS, SIGNATURE_INVALID, and PEARL_CONFIGURATION,
 * PEARL_PATTERN, PEARL_RANK, PEARL_K, PEARL_TILE for the configuration.
 */
export function checkOpenHeader(params: Params, header: BlockHeader): void {
  const { unit, ticket, foldState } = header
  const { provenance } = params.bindings
  check(
    provenance === 'open' && unit.lane === LANE_OPEN,
    'UNIT_LANE',
    provenance === 'open'
      ? 'under provenance open all blocks are won in the open lane'
      : 'matrices of the miner draw nothing on this chain (bindings.provenance)',
  )
  check(equalBytes(unit.parentId, header.parentId), 'UNIT_PARENT', "open work draws only on the block's parent")
  check(header.promptTokens === 0, 'UNIT_SHAPE', 'open work has no prompt')
  const { layer, op, tileRow, tileColumn } = ticket
  check(
    layer === 0 && op === 0 && tileRow === 0 && tileColumn === 0,
    'TICKET_POSITION',
    'the place of an open ticket is in its proof, not in the header',
  )
  const configuration = openConfiguration(unit)
  checkConfiguration(configuration)
  const target = targetFromBits(header.bits)
  const maxTarget = targetFromBits(params.difficulty.maxTargetBits)
  check(target <= maxTarget, 'BLOCK_BITS', 'the target is easier than any that a branch can require')
  check(foldState.length === FOLD_WORDS, 'TICKET_PROOF_SHAPE', `a fold state has ${FOLD_WORDS} words`)
  const { k, rank, rows, columns } = configuration
  const shape = { h: patternSize(rows), w: patternSize(columns), k, rank }
  const bound = ticketBound(target, shape, openRules(params.open).rankPenalty)
  check(ticketWins(openTicketHash(header), bound), 'TICKET_LOSES', 'the ticket is above its bound (chapter 12)')
  check(hasValidSignature(header), 'SIGNATURE_INVALID', 'the header is not signed by its miner')
}

/** Open work executes nothing: its block has neither task nor tokens. Throws UNIT_SHAPE. */
export function checkOpenBody({ body }: Pick<Block, 'body'>): void {
  check(body.task === undefined && body.tokens.length === 0, 'UNIT_SHAPE', 'open work has no task and no tokens')
}
