import { bytesToHex, equalBytes, equalNumbers } from '../bytes.ts'
import { targetFromBits } from '../difficulty/bits.ts'
import { check, ProtocolError } from '../errors.ts'
import type { KeyedHash } from '../hash.ts'
import { checkTransactionCounts } from '../ledger/block-limits.ts'
import type { StateReader } from '../ledger/state.ts'
import { decodeTransaction, isTransactionOfKind } from '../ledger/transactions.ts'
import { type TicketProofInput, verifyTicketProof, type WeightNoiseCache } from '../lottery/proof.ts'
import { ticketMacs } from '../lottery/tickets.ts'
import { readJob } from '../market/entries.ts'
import { paidTask } from '../market/receipts.ts'
import { unitMacs } from '../model/macs.ts'
import { openClaim, verifyOpenProof } from '../open/open-proof.ts'
import { checkOpenBody } from '../open/validate-open.ts'
import type { Params } from '../params/types.ts'
import { bootstrapTask } from '../unit/bootstrap.ts'
import { endsByRule } from '../unit/length-rule.ts'
import { checkTask } from '../unit/task.ts'
import { LANE_BOOTSTRAP, LANE_OPEN, LANE_PAID, type Lane, type UnitTask } from '../unit/types.ts'
import { unitId } from '../unit/unit-id.ts'
import { type Block, bodyRoot } from './body.ts'
import { type ConsensusContext, modelOfUnit, outlineOfUnit } from './context.ts'
import type { BlockHeader } from './header.ts'
import { blockProofHash, plainProofOf, ticketProofOf } from './proof.ts'
import { ticketKeyInput } from './validate-header.ts'

/** The task that the header's bootstrap unit was assigned (B1): it follows from the unit id. Throws UNIT_LANE for another lane. */
export function assignedTask(context: ConsensusContext, header: Pick<BlockHeader, 'unit' | 'minerKey'>): UnitTask {
  const { params } = context
  check(header.unit.lane !== LANE_OPEN, 'UNIT_LANE', 'open work executes no task')
  check(header.unit.lane === LANE_BOOTSTRAP, 'UNIT_LANE', 'the task of a paid unit is its job')
  return bootstrapTask(
    params,
    unitId(header.unit, header.minerKey, params.bindings.singleUse),
    context.bootstrap.corpus,
  )
}

/** Whether bodies of a lane say what their unit executed: of paid units, and of all where inputs are not assigned (B1 off). */
export function bodyHasTask(params: Params, lane: Lane): boolean {
  return lane === LANE_PAID || params.bindings.assignedInputs === 'off'
}

/**
 * The task that the block's unit executed: what was assigned in the bootstrap lane; in the paid lane what the block says, which
 * {@link checkPaidTask} compares with the job. Without `bindings.assignedInputs` (B1) what the block says in either lane. Throws UNIT_SHAPE where the body has a task in the wrong lane.
 */
export function claimedTask(context: ConsensusContext, block: Pick<Block, 'header' | 'body'>): UnitTask {
  const { header, body } = block
  check(header.unit.lane !== LANE_OPEN, 'UNIT_LANE', 'open work executes no task')
  check(
    bodyHasTask(context.params, header.unit.lane) === (body.task !== undefined),
    'UNIT_SHAPE',
    'a task belongs to the body of a paid block, and to no other',
  )
  if (body.task === undefined) return assignedTask(context, header)
  return { ...body.task, promptTokens: body.tokens.slice(0, header.promptTokens) }
}

/**
 * The body matches the header; its prompt is the assigned one and its length the unit's (B1, UNT-3). A paid block contains the
 * receipt of its own unit (UNT-2).
 */
export function checkBody(context: ConsensusContext, block: Pick<Block, 'header' | 'body'>): void {
  const { header, body } = block
  const { params } = context
  check(equalBytes(bodyRoot(body), header.bodyRoot), 'BLOCK_BODY_ROOT', 'the body is not the one the header commits to')
  checkTransactionCounts(params, body.transactions)
  if (header.unit.lane === LANE_OPEN) {
    checkOpenBody(block)
    return
  }
  const { config } = outlineOfUnit(context, header.unit.modelId)
  const task = claimedTask(context, block)
  // Nothing else says that the model can execute what the miner chose.
  if (params.bindings.assignedInputs === 'off') checkTask(config, task)
  const prompt = task.promptTokens
  const { maxNewTokens, maxUnitMacs } = params.units
  check(
    task.maxNewTokens <= maxNewTokens && unitMacs(config, prompt.length, task.maxNewTokens) <= maxUnitMacs,
    'UNIT_SHAPE',
    'no unit is that large (JOB-3)',
  )
  check(
    prompt.length === header.promptTokens && endsByRule(task, config.eosToken, body.tokens.slice(prompt.length)),
    'UNIT_SHAPE',
    `${body.tokens.length} tokens do not end by the rule after ${prompt.length}, at most ${task.maxNewTokens} of them`,
  )
  check(
    prompt.every((token, i) => body.tokens[i] === token),
    'UNIT_PROMPT',
    'the prompt is not the one the unit id assigns (B1)',
  )
  const { vocabSize } = config
  check(
    body.tokens.every((token) => token < vocabSize),
    'BLOCK_TOKENS',
    `a token is outside the vocabulary of ${vocabSize}`,
  )
  if (header.unit.lane === LANE_PAID) checkContainsReceipt(block)
}

/** UNT-2: among the transactions is the receipt of the winning unit, with its tokens and its trace. Throws BLOCK_RECEIPT. */
function checkContainsReceipt(block: Pick<Block, 'header' | 'body'>): void {
  const { header, body } = block
  const generated = body.tokens.slice(header.promptTokens)
  const isOwn = body.transactions.some((bytes) => {
    if (!isTransactionOfKind(bytes, 'receipt')) return false
    const { sender, body: receipt } = decodeTransaction(bytes)
    return (
      receipt.kind === 'receipt' &&
      equalBytes(sender, header.minerKey) &&
      equalBytes(receipt.jobId, header.unit.jobId) &&
      equalBytes(receipt.unitParentId, header.unit.parentId) &&
      equalBytes(receipt.traceRoot, header.traceRoot) &&
      equalNumbers(receipt.tokens, generated)
    )
  })
  check(isOwn, 'BLOCK_RECEIPT', 'the block of a paid unit lacks the receipt of that unit (UNT-2)')
}

/**
 * B1 in the paid lane: the claimed task is the job's, prompt and decoding; nothing without `bindings.assignedInputs`. Throws UNIT_JOB, UNIT_PROMPT, UNIT_SHAPE.
 * @param reader the state after the parent.
 */
export function checkPaidTask(
  context: ConsensusContext,
  block: Pick<Block, 'header' | 'body'>,
  reader: StateReader,
): void {
  if (context.params.bindings.assignedInputs === 'off') return
  const { jobId } = block.header.unit
  const job = readJob(reader, jobId)
  if (job === undefined) throw new ProtocolError('UNIT_JOB', `no job ${bytesToHex(jobId)} is assigned after the parent`)
  const claimed = claimedTask(context, block)
  const assigned = paidTask(reader, jobId, job)
  check(equalNumbers(claimed.promptTokens, assigned.promptTokens), 'UNIT_PROMPT', "the prompt is not the job's (B1)")
  const { temperatureMilli, seed, stopAtEos } = claimed.decoding
  check(
    claimed.maxNewTokens === assigned.maxNewTokens &&
      temperatureMilli === assigned.decoding.temperatureMilli &&
      equalBytes(seed, assigned.decoding.seed) &&
      stopAtEos === assigned.decoding.stopAtEos,
    'UNIT_SHAPE',
    "length and decoding are not the job's (B1)",
  )
}

/** What {@link verifyTicketProof} needs to know of a block besides the model. Throws TICKET_PROOF_SHAPE for one of the open lane. */
export function ticketProofInput(
  context: ConsensusContext,
  block: Pick<Block, 'header' | 'proof'>,
  parentBeacon: Uint8Array,
): Omit<TicketProofInput, 'model'> {
  const { header, proof } = block
  const { params: modelParams, config } = outlineOfUnit(context, header.unit.modelId)
  return {
    ...ticketKeyInput(header, context.params.bindings),
    ticketMacs: ticketMacs(context.params, header.unit.lane, config, modelParams),
    modelParams,
    promptTokens: header.promptTokens,
    parentBeacon,
    minerKey: header.minerKey,
    ticket: { position: header.ticket, foldState: header.foldState },
    target: targetFromBits(header.bits),
    proof: ticketProofOf(proof),
  }
}

/**
 * The proof is the one the header commits to, and it proves the header's fold state (WRK-7, in the open lane chapter 12). About a
 * millisecond. Throws TICKET_PROOF_HASH and what {@link verifyTicketProof} or {@link verifyOpenProof} throws.
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
    equalBytes(blockProofHash(proof), header.ticketProofHash),
    'TICKET_PROOF_HASH',
    'the proof is not the one the header commits to',
  )
  if (header.unit.lane === LANE_OPEN) {
    verifyOpenProof(openClaim(header, context.params.open), plainProofOf(proof), hash)
    return
  }
  const { model } = modelOfUnit(context, header.unit.modelId)
  verifyTicketProof({ ...ticketProofInput(context, block, parentBeacon), model }, cache, hash)
}
