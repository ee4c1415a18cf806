/** AUD-3: data that a miner keeps back is asked for on the chain, and keeping it back there is fraud. */
import { equalBytes } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import { accountOf } from '../keys.ts'
import type { ApplyContext } from '../ledger/apply-transaction.ts'
import { credit, readRegistration } from '../ledger/entries.ts'
import type { Forfeiture } from '../ledger/forfeit.ts'
import { fullBlockKey, ROLE_VERIFIER } from '../ledger/keys.ts'
import type { StateReader } from '../ledger/state.ts'
import { MAX_GOSSIP_BYTES, MAX_UNIT_CHALLENGES } from '../limits.ts'
import { countCodec } from '../market/entries.ts'
import { modelOf } from '../market/models.ts'
import type { Params } from '../params/types.ts'
import { checkStepRef, isSameStep } from '../trace/step-ref.ts'
import type { StepRef } from '../trace/types.ts'
import { checkAuditsOn } from './block-audits.ts'
import { auditedTask, checkReceiptStep } from './check-receipt-step.ts'
import { condemnUnit } from './condemn.ts'
import {
  type AuditedUnit,
  type ChallengeRecord,
  readAuditedUnit,
  readChallenges,
  readChallengesDue,
  writeChallenges,
  writeChallengesDue,
} from './entries.ts'
import { auditableUnit } from './fraud-proof.ts'
import type { Challenge, Response } from './payloads.ts'
import { readSuspicion } from './plant-entries.ts'
import { answeringRoot, mayBePlant, prepareSuspicion } from './plants.ts'

/** Least bond of a challenge of a unit, in grains: what its job is charged, and never below the parameter. */
export function challengeBond({ audits }: Params, unit: AuditedUnit): bigint {
  return unit.feeGrains > audits.challengeBondGrains ? unit.feeGrains : audits.challengeBondGrains
}

/** Last height of the blocks that may contain a challenge of a unit. */
export function lastChallengeHeight({ jobs, audits }: Params, unit: AuditedUnit): number {
  return unit.receiptHeight + jobs.auditWindowBlocks + audits.challengeWindowBlocks
}

function mayChallenge(reader: StateReader, sender: Uint8Array, unit: AuditedUnit): boolean {
  return (
    readRegistration(reader, ROLE_VERIFIER, sender)?.unbondingHeight === 0 || equalBytes(accountOf(sender), unit.client)
  )
}

/**
 * Checks a challenge; the function it returns writes and cannot fail. Throws AUDIT_OFF, AUDIT_UNIT, CHALLENGE_WINDOW,
 * CHALLENGE_SENDER (neither an active verifier nor the client), STEP_OUT_OF_RANGE, CHALLENGE_BOND, CHALLENGE_DOUBLE (the step is
 * challenged or answered already), CHALLENGE_LIMIT (too many of this challenger or of this unit), BLOCK_TOO_MANY_PROOFS.
 */
export function prepareChallenge(context: ApplyContext, sender: Uint8Array, challenge: Challenge): () => void {
  const { params, draft, height, audits } = context
  const { jobId, ref, bond } = challenge
  checkAuditsOn(params)
  audits.checkChallenges(params)
  const unit = auditableUnit(draft, jobId)
  const last = lastChallengeHeight(params, unit)
  check(height <= last, 'CHALLENGE_WINDOW', `the unit can be challenged up to height ${last}`)
  check(mayChallenge(draft, sender, unit), 'CHALLENGE_SENDER', "only verifiers and the unit's client challenge it")
  const { promptTokens, newTokens, modelId } = unit
  checkStepRef({ promptTokens, newTokens, dims: modelOf(context, modelId) }, ref)
  const least = challengeBond(params, unit)
  check(bond >= least, 'CHALLENGE_BOND', `a bond of ${bond} grains is below ${least}`)
  const challenges = readChallenges(draft, jobId)
  check(!challenges.some((each) => isSameStep(each.ref, ref)), 'CHALLENGE_DOUBLE', 'the step has been asked for')
  const { maxChallengesPerUnit, responseBlocks } = params.audits
  const own = challenges.filter(({ challenger }) => equalBytes(challenger, sender)).length
  check(
    own < maxChallengesPerUnit && challenges.length < MAX_UNIT_CHALLENGES,
    'CHALLENGE_LIMIT',
    `a unit has at most ${maxChallengesPerUnit} challenges of one challenger and ${MAX_UNIT_CHALLENGES} of all`,
  )
  return () => {
    audits.challenges++
    const dueHeight = height + responseBlocks
    writeChallenges(draft, jobId, [...challenges, { challenger: sender, ref, bond, height, dueHeight }])
    writeChallengesDue(draft, dueHeight, [...readChallengesDue(draft, dueHeight), jobId])
  }
}

/** The challenge that waits for a response with this step. Throws RESPONSE_UNASKED. */
export function openChallenge(challenges: readonly ChallengeRecord[], step: StepRef): ChallengeRecord {
  const asked = challenges.find(({ ref, dueHeight }) => dueHeight > 0 && isSameStep(ref, step))
  if (asked === undefined) throw new ProtocolError('RESPONSE_UNASKED', 'no open challenge asks for this step')
  return asked
}

/**
 * Checks a response by running its step; the function it returns writes and cannot fail. Whoever sends it, the bond is the
 * miner's. Throws AUDIT_OFF, BLOCK_TOO_MANY_PROOFS, AUDIT_UNIT, RESPONSE_UNASKED, and what {@link checkReceiptStep} throws: an
 * opening that shows fraud answers nothing.
 */
export function prepareResponse(context: ApplyContext, response: Response): () => void {
  const { params, draft, audits, stepModel } = context
  const { jobId, opening } = response
  checkAuditsOn(params)
  audits.checkResponses(params)
  const unit = auditableUnit(draft, jobId)
  const challenges = readChallenges(draft, jobId)
  const asked = openChallenge(challenges, opening.ref)
  const answering = { ...unit, traceRoot: answeringRoot(draft, jobId, unit) }
  checkReceiptStep(stepModel(unit.modelId), answering, auditedTask(draft, jobId, unit), opening)
  return () => {
    audits.responses++
    credit(draft, accountOf(unit.minerKey), asked.bond)
    writeChallenges(
      draft,
      jobId,
      challenges.map((each) => (each === asked ? { ...each, bond: 0n, dueHeight: 0 } : each)),
    )
  }
}

/** A block counts as full with three quarters of its transactions, or half of the bytes that a block may have. */
export function isFullBlock({ block }: Params, transactions: readonly Uint8Array[]): boolean {
  const bytes = transactions.reduce((sum, { length }) => sum + length, 0)
  return 4 * transactions.length >= 3 * block.maxTransactions || 2 * bytes >= MAX_GOSSIP_BYTES
}

/** Last height for the response to a challenge, as far as the full blocks up to `height` tell: each adds one, up to twice the time. */
function deadline({ audits }: Params, reader: StateReader, challenge: ChallengeRecord, height: number): number {
  let stretched = challenge.height + audits.responseBlocks
  for (let at = challenge.height + 1; at <= height; at++) if (reader.get(fullBlockKey(at)) !== undefined) stretched++
  return Math.min(stretched, challenge.height + 2 * audits.responseBlocks)
}

/**
 * A step of a plant that is wrong on purpose cannot be opened: while the unit may be one its miner has until the reveals end, and the bond
 * goes back (AUD-8). Returns false where the unit can be none.
 */
function suspectUnanswered(context: ApplyContext, jobId: Uint8Array, unit: AuditedUnit, due: ChallengeRecord): boolean {
  const { draft, audits, height } = context
  if (!mayBePlant(context, unit)) return false
  const { challenger, bond } = due
  if (readSuspicion(draft, jobId) === undefined) {
    const suspect = prepareSuspicion(context, jobId, unit, challenger, height)
    if (suspect === undefined) return false
    suspect()
    audits.suspected.push({ jobId, minerKey: unit.minerKey, finder: challenger })
  }
  credit(draft, accountOf(challenger), bond)
  const closed = readChallenges(draft, jobId).map((each) =>
    isSameStep(each.ref, due.ref) ? { ...each, bond: 0n, dueHeight: 0 } : each,
  )
  writeChallenges(draft, jobId, closed)
  return true
}

/**
 * After a block's transactions: remembers whether it was full, and condemns the units whose challenges come due with it
 * unanswered. Who challenged has the bounty. Reads at most twice `audits.responseBlocks` marks for each challenge that comes due.
 */
export function closeChallenges(context: ApplyContext, transactions: readonly Uint8Array[]): Forfeiture[] {
  const { params, draft, height } = context
  if (params.audits.mode === 'off') return []
  if (isFullBlock(params, transactions)) draft.set(fullBlockKey(height), countCodec.encode(transactions.length))
  const forgotten = height - 2 * params.audits.responseBlocks
  if (forgotten > 0) draft.set(fullBlockKey(forgotten), undefined)
  const forfeitures: Forfeiture[] = []
  for (const jobId of readChallengesDue(draft, height)) {
    const unit = readAuditedUnit(draft, jobId)
    const challenges = readChallenges(draft, jobId)
    const due = challenges.find(({ dueHeight }) => dueHeight === height)
    if (unit === undefined || due === undefined) continue // answered, or condemned
    const dueHeight = deadline(params, draft, due, height)
    if (dueHeight > height) {
      const moved = challenges.map((each) => (each === due ? { ...each, dueHeight } : each))
      writeChallenges(draft, jobId, moved)
      writeChallengesDue(draft, dueHeight, [...readChallengesDue(draft, dueHeight), jobId])
      continue
    }
    if (suspectUnanswered(context, jobId, unit, due)) continue
    const forfeiture = condemnUnit(context, jobId, unit, accountOf(due.challenger), 'unanswered')
    if (forfeiture !== undefined) forfeitures.push(forfeiture)
  }
  writeChallengesDue(draft, height, [])
  return forfeitures
}
