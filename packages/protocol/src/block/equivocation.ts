import { equalBytes } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import { DRAW_BOUND, type DrawBindings } from '../lottery/seeds.ts'
import { LANE_OPEN } from '../unit/types.ts'
import { unitId } from '../unit/unit-id.ts'
import type { ConsensusContext } from './context.ts'
import { type BlockHeader, blockId, hasValidSignature, headerCodec } from './header.ts'
import { headerTicketHash } from './validate-header.ts'

/**
 * BLK-3: two different headers signed by one miner with the same ticket, or with two trace roots for one unit.
 * The pair is evidence whoever shows it; neither header needs to be in a chain.
 * @returns the key that equivocated. Throws TX_EQUIVOCATION when the pair proves nothing, CODEC_* for malformed bytes.
 */
export function checkEquivocationEvidence(
  context: ConsensusContext,
  first: Uint8Array,
  second: Uint8Array,
): { minerKey: Uint8Array } {
  const a = headerCodec.decode(first)
  const b = headerCodec.decode(second)
  check(
    areEquivocating(a, b, context.params.bindings),
    'TX_EQUIVOCATION',
    'the two headers have neither a common ticket nor two trace roots for one unit',
  )
  for (const header of [a, b]) {
    check(equalBytes(header.chainId, context.genesis.chainId), 'TX_EQUIVOCATION', 'a header belongs to another chain')
    if (!hasValidSignature(header)) throw new ProtocolError('TX_EQUIVOCATION', 'a header is not signed by its miner')
  }
  return { minerKey: a.minerKey }
}

/** True if one miner made both headers and they contradict each other. Signatures are not checked here. */
export function areEquivocating(a: BlockHeader, b: BlockHeader, bindings: DrawBindings = DRAW_BOUND): boolean {
  if (!equalBytes(a.minerKey, b.minerKey) || equalBytes(blockId(a), blockId(b))) return false
  if (equalBytes(headerTicketHash(a, bindings), headerTicketHash(b, bindings))) return true
  // Open work has any number of operands under one unit, and so of seeds: two of them contradict nothing (P5).
  if (a.unit.lane === LANE_OPEN || b.unit.lane === LANE_OPEN) return false
  const [unitA, unitB] = [a, b].map(({ unit, minerKey }) => unitId(unit, minerKey, bindings.singleUse)) as [
    Uint8Array,
    Uint8Array,
  ]
  return equalBytes(unitA, unitB) && !equalBytes(a.traceRoot, b.traceRoot)
}
