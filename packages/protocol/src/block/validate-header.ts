import { equalBytes } from '../bytes.ts'
import { targetFromBits } from '../difficulty/bits.ts'
import { medianTimePast, nextBits } from '../difficulty/next-bits.ts'
import { check } from '../errors.ts'
import { checkHeaderTicket, headerTicket } from '../lottery/header-ticket.ts'
import { DRAW_BOUND, type DrawBindings } from '../lottery/seeds.ts'
import { type TicketKeyInput, ticketMacs } from '../lottery/tickets.ts'
import { checkOpenHeader, openTicketHash } from '../open/validate-open.ts'
import { LANE_OPEN, LANE_PAID } from '../unit/types.ts'
import { checkLane, unitId } from '../unit/unit-id.ts'
import { nextBeacon } from './beacon.ts'
import { type ConsensusContext, outlineOfUnit } from './context.ts'
import { BLOCK_VERSION, type BlockHeader, hasValidSignature } from './header.ts'

/**
 * What a header must satisfy by itself (BLK-1): version, chain, signature, lane, model, and a ticket that wins at its own
 * target. Costs one signature check and three hashes; nothing else is needed, so a header alone counts as work.
 */
export function checkHeaderForm(context: ConsensusContext, header: BlockHeader): void {
  const { params, genesis, bootstrap } = context
  check(header.version === BLOCK_VERSION, 'BLOCK_VERSION', `version ${header.version} instead of ${BLOCK_VERSION}`)
  check(
    equalBytes(header.chainId, genesis.chainId),
    'BLOCK_CHAIN',
    'the block belongs to another chain or other parameters',
  )
  check(header.height >= 1, 'BLOCK_HEIGHT', 'only genesis has height 0')
  const { unit } = header
  checkLane(unit, params.bindings.singleUse)
  if (unit.lane === LANE_OPEN || params.bindings.provenance === 'open') {
    checkOpenHeader(params, header)
    return
  }
  check(
    unit.lane !== LANE_PAID || params.jobs.paidDrawPpm > 0,
    'UNIT_LANE',
    'paid units draw nothing on this chain (jobs.paidDrawPpm)',
  )
  const { params: modelParams, config } = outlineOfUnit(context, unit.modelId)
  check(
    unit.lane === LANE_PAID ||
      params.bindings.registeredWeights === 'off' ||
      equalBytes(unit.modelId, bootstrap.model.modelId),
    'UNIT_MODEL',
    'bootstrap units run the first registered model (B2)',
  )
  check(
    equalBytes(unit.parentId, header.parentId),
    'UNIT_PARENT',
    "a unit draws only on its own parent: the block's parent in either lane (UNT-1, UNT-2)",
  )
  const { bootstrapPromptTokens, maxPromptTokens } = params.units
  const isFixed = unit.lane !== LANE_PAID && params.bindings.assignedInputs === 'on'
  const [least, most] = isFixed ? [bootstrapPromptTokens, bootstrapPromptTokens] : [1, maxPromptTokens]
  check(
    header.promptTokens >= least && header.promptTokens <= most,
    'UNIT_SHAPE',
    `${header.promptTokens} prompt tokens, ${least} to ${most} are allowed in this lane`,
  )
  const target = targetFromBits(header.bits)
  const maxTarget = targetFromBits(params.difficulty.maxTargetBits)
  check(target <= maxTarget, 'BLOCK_BITS', 'the target is easier than any that a branch can require')
  checkHeaderTicket({
    ...ticketKeyInput(header, params.bindings),
    foldState: header.foldState,
    position: header.ticket,
    modelParams,
    dims: config,
    promptTokens: header.promptTokens,
    ticketMacs: ticketMacs(params, unit.lane, config, modelParams),
    target,
  })
  check(hasValidSignature(header), 'SIGNATURE_INVALID', 'the header is not signed by its miner')
}

/** What the tickets of the header's unit are keyed by, under the bindings of a network. */
export function ticketKeyInput(
  header: Pick<BlockHeader, 'unit' | 'minerKey' | 'traceRoot'>,
  bindings: DrawBindings,
): TicketKeyInput {
  const { unit, minerKey, traceRoot } = header
  return { unitId: unitId(unit, minerKey, bindings.singleUse), traceRoot, counter: unit.counter, bindings }
}

/** The ticket recomputed from the header's own fields (WRK-4). */
export function headerTicketHash(
  header: Omit<BlockHeader, 'signature'>,
  bindings: DrawBindings = DRAW_BOUND,
): Uint8Array {
  if (header.unit.lane === LANE_OPEN) return openTicketHash(header)
  return headerTicket({
    ...ticketKeyInput(header, bindings),
    foldState: header.foldState,
    position: header.ticket,
  })
}

/** The ancestors that a header is judged against. */
export interface Ancestry {
  /** Up to eleven headers, oldest first, the last one the parent; genesis included near the start. */
  readonly recent: readonly BlockHeader[]
  /** The block at height 1 of the branch, if the parent is at height 1 or above. */
  readonly first: BlockHeader | undefined
}

/** The bits that a child of the ancestry's last header must carry (BLK-6). */
export function requiredBits(context: ConsensusContext, ancestry: Ancestry): number {
  const { recent, first } = ancestry
  return nextBits(context.params, first === undefined ? recent : [first, ...recent])
}

/**
 * What a header must satisfy in its branch (BLK-2, BLK-6): height, time, bits, beacon.
 * @param nowMs the local clock; a block too far ahead is `ignore`, it may be valid later.
 */
export function checkHeaderInContext(
  context: ConsensusContext,
  header: BlockHeader,
  ancestry: Ancestry,
  nowMs: number,
): void {
  const { params } = context
  const parent = ancestry.recent.at(-1)!
  check(header.height === parent.height + 1, 'BLOCK_HEIGHT', `height ${header.height} on a parent at ${parent.height}`)
  const median = medianTimePast(ancestry.recent.map((ancestor) => ancestor.timeMs))
  check(
    header.timeMs > median,
    'BLOCK_TIME_TOO_OLD',
    `time ${header.timeMs} is not after the median ${median} of its ancestors`,
  )
  const launchMs = params.network.genesisTimeMs + params.network.launchDelayMs
  check(header.timeMs >= launchMs, 'BLOCK_BEFORE_LAUNCH', `time ${header.timeMs} is before the launch at ${launchMs}`)
  check(
    header.timeMs <= nowMs + params.block.maxFutureMs,
    'BLOCK_TIME_FUTURE',
    `time ${header.timeMs} is more than ${params.block.maxFutureMs} ms ahead of ${nowMs}`,
  )
  const bits = requiredBits(context, ancestry)
  check(header.bits === bits, 'BLOCK_BITS', `bits 0x${header.bits.toString(16)} instead of 0x${bits.toString(16)}`)
  const beacon = nextBeacon(parent.beacon, headerTicketHash(header, params.bindings))
  check(
    equalBytes(header.beacon, beacon),
    'BLOCK_BEACON',
    "the beacon does not follow from the parent's and the ticket (BLK-2)",
  )
}
