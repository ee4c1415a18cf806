/**
 * One honest block on genesis, and ways to break it.
 *
 *   genesis - block        at the easiest target, so that every ticket wins and only the rule under test can refuse a change
 *
 * A changed header is signed again by its miner and its beacon follows its ticket again, for the same reason.
 */
import {
  type Ancestry,
  assembleBlock,
  type Block,
  type BlockHeader,
  bestTicket,
  bodyRoot,
  buildTicketProof,
  checkBody,
  checkHeaderForm,
  checkHeaderInContext,
  checkTicketProof,
  checkTransition,
  checkWinner,
  commitTrace,
  drawUnit,
  headerTicketHash,
  nextBeacon,
  signHeader,
  type Trace,
  type UnitDescriptor,
  unitId,
} from '../../src/index.ts'
import { easyContext, MemoryState, mineBlock, testKeys } from '../chain-fixture.ts'

export const context = easyContext
export const genesis = context.genesis
export const ancestry: Ancestry = { recent: [genesis.header], first: undefined }
export const miner = testKeys(1)
export const state = new MemoryState(context)
/** The local clock of the checks: the block is made now. */
export const NOW_MS = genesis.header.timeMs + 1000

export const { block, trace } = mineBlock({
  context,
  ancestry,
  parentId: genesis.id,
  state,
  timeMs: NOW_MS,
  keys: miner,
})

/** Everything that a node checks before it executes the unit again, in its order. */
export function checkUpToReplay(candidate: Block): void {
  checkHeaderForm(context, candidate.header)
  checkHeaderInContext(context, candidate.header, ancestry, NOW_MS)
  checkBody(context, candidate)
  checkTicketProof(context, candidate, genesis.header.beacon)
  checkTransition(context, candidate, state, state.ltHash)
}

/** Everything that a node checks. */
export function validate(candidate: Block): void {
  checkUpToReplay(candidate)
  checkWinner(context, candidate)
}

export function signedHeader(change: Partial<BlockHeader>): BlockHeader {
  const header = { ...block.header, ...change }
  const beacon = change.beacon ?? nextBeacon(genesis.header.beacon, headerTicketHash(header))
  return signHeader({ ...header, beacon }, miner)
}

export function withHeader(change: Partial<BlockHeader>): Block {
  return { ...block, header: signedHeader(change) }
}

/** The block with other tokens, to which its header commits. */
export function withTokens(tokens: readonly number[]): Block {
  const body = { ...block.body, tokens }
  return { ...block, body, header: signedHeader({ bodyRoot: bodyRoot(body) }) }
}

/** What a miner makes that commits to any trace at all for the unit of {@link block}, and draws on it honestly. */
export function blockOf(other: Trace): Block {
  const { model, params: modelParams } = context.bootstrap
  const unit: UnitDescriptor = block.header.unit
  const { traceRoot, subroots, top } = commitTrace(other)
  const ticket = bestTicket(
    drawUnit({
      modelParams,
      model,
      parentBeacon: genesis.header.beacon,
      unitId: unitId(unit, miner.publicKey),
      minerKey: miner.publicKey,
      trace: other,
      traceRoot,
    }),
  )!
  const proof = buildTicketProof(other, subroots, top, ticket.position, modelParams.tileRows)
  const won = { unit, tokens: [...other.tokens], traceRoot, ticket, proof }
  const { ltHash } = state
  return assembleBlock({ context, ancestry, timeMs: NOW_MS, won, transactions: [], reader: state, ltHash, keys: miner })
}
