import { equalBytes } from '../bytes.ts'
import { targetFromBits } from '../difficulty/bits.ts'
import { check } from '../errors.ts'
import type { KeyedHash } from '../hash.ts'
import { type TicketProofInput, ticketProofHash, verifyTicketProof, type WeightNoiseCache } from '../lottery/proof.ts'
import { bootstrapTask } from '../unit/bootstrap.ts'
import type { UnitTask } from '../unit/types.ts'
import { unitId } from '../unit/unit-id.ts'
import { type Block, bodyRoot } from './body.ts'
import type { ConsensusContext } from './context.ts'
import type { BlockHeader } from './header.ts'

/** The task that the header's unit was assigned (B1): for a bootstrap unit it follows from the unit id. */
export function assignedTask(context: ConsensusContext, header: Pick<BlockHeader, 'unit' | 'minerKey'>): UnitTask {
  return bootstrapTask(context.params, unitId(header.unit, header.minerKey), context.bootstrap.corpus)
}

/** The body matches the header, its prompt is the assigned one and its length the unit's (B1, UNT-3). */
export function checkBody(context: ConsensusContext, block: Block): void {
  const { header, body } = block
  const { params, bootstrap } = context
  check(equalBytes(bodyRoot(body), header.bodyRoot), 'BLOCK_BODY_ROOT', 'the body is not the one the header commits to')
  check(
    body.transactions.length <= params.block.maxTransactions,
    'BLOCK_TOO_MANY_TRANSACTIONS',
    `${body.transactions.length} transactions, the limit is ${params.block.maxTransactions}`,
  )
  const task = assignedTask(context, header)
  const prompt = task.promptTokens
  check(
    body.tokens.length === prompt.length + task.maxNewTokens,
    'UNIT_SHAPE',
    `${body.tokens.length} tokens instead of ${prompt.length} + ${task.maxNewTokens}`,
  )
  check(
    prompt.every((token, i) => body.tokens[i] === token),
    'UNIT_PROMPT',
    'the prompt is not the one the unit id assigns (B1)',
  )
  const vocabSize = bootstrap.model.config.vocabSize
  check(
    body.tokens.every((token) => token < vocabSize),
    'BLOCK_TOKENS',
    `a token is outside the vocabulary of ${vocabSize}`,
  )
}

/** What {@link verifyTicketProof} needs to know of a block. */
export function ticketProofInput(
  context: ConsensusContext,
  block: Pick<Block, 'header' | 'proof'>,
  parentBeacon: Uint8Array,
): TicketProofInput {
  const { header, proof } = block
  return {
    lane: header.unit.lane,
    modelParams: context.bootstrap.params,
    model: context.bootstrap.model,
    promptTokens: context.params.units.bootstrapPromptTokens,
    parentBeacon,
    unitId: unitId(header.unit, header.minerKey),
    minerKey: header.minerKey,
    traceRoot: header.traceRoot,
    ticket: { position: header.ticket, foldState: header.foldState },
    target: targetFromBits(header.bits),
    proof,
  }
}

/**
 * The ticket proof is the one the header commits to, and it proves the header's fold state (WRK-7). About a millisecond.
 * Throws TICKET_PROOF_HASH and what {@link verifyTicketProof} throws.
 */
export function checkTicketProof(
  context: ConsensusContext,
  block: Pick<Block, 'header' | 'proof'>,
  parentBeacon: Uint8Array,
  cache?: WeightNoiseCache,
  hash?: KeyedHash,
): void {
  const { header, proof } = block
  check(
    equalBytes(ticketProofHash(proof), header.ticketProofHash),
    'TICKET_PROOF_HASH',
    'the proof is not the one the header commits to',
  )
  verifyTicketProof(ticketProofInput(context, block, parentBeacon), cache, hash)
}
