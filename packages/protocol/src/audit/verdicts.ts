/** AUD-5: verdicts, what they earn, and how a false one is shown. */
import { bytesToHex, equalBytes } from '../bytes.ts'
import { partOf } from '../emission/coinbase.ts'
import { check, ProtocolError } from '../errors.ts'
import { accountOf } from '../keys.ts'
import type { ApplyContext } from '../ledger/apply-transaction.ts'
import { addAmount, credit, isBarred, readAmount } from '../ledger/entries.ts'
import { ROLE_VERIFIER } from '../ledger/keys.ts'
import { modelOf } from '../market/models.ts'
import type { Model } from '../model/types.ts'
import type { Params } from '../params/types.ts'
import { isSameStep } from '../trace/step-ref.ts'
import type { StepView } from '../trace/steps/view.ts'
import type { StepRef } from '../trace/types.ts'
import type { UnitTask } from '../unit/types.ts'
import { committedAccusation } from './accusations.ts'
import { checkAuditsOn } from './block-audits.ts'
import { auditedTask, checkReceiptStep, fraudOf } from './check-receipt-step.ts'
import { type AuditedUnit, readAuditedUnit, readAuditor, readVerdicts, writeAuditor, writeVerdicts } from './entries.ts'
import { epochOf, epochWindows } from './epochs.ts'
import { auditableUnit } from './fraud-proof.ts'
import type { UnitVerdict, VerdictProof } from './payloads.ts'
import { findersOf } from './plant-ends.ts'
import { takeFromBond } from './secrets.ts'
import { auditedSteps, FIXED_STEPS, selectionOf } from './selection.ts'
import { deliveryId, stepAccumulators, stepDigest } from './transcript.ts'

/**
 * Checks a verdict; the function it returns writes and cannot fail. Whether its secret chose the unit shows when it is revealed.
 * Throws AUDIT_OFF, AUDIT_UNIT, VERDICT_DELIVERY (it judges another receipt, or the same one in another block), VERDICT_VERIFIER (the
 * sender has no secret of the epoch of the receipt, or is the miner), EPOCH_WINDOW (reveals have begun), VERDICT_DOUBLE, VERDICT_SIZE.
 */
export function prepareVerdict(context: ApplyContext, sender: Uint8Array, verdict: UnitVerdict): () => void {
  const { params, draft, height } = context
  const { jobId, delivery, digests } = verdict
  checkAuditsOn(params)
  const unit = auditableUnit(draft, jobId)
  check(equalBytes(delivery, deliveryId(unit)), 'VERDICT_DELIVERY', 'this is not what the verdict judges')
  const epoch = epochOf(params, unit.receiptHeight)
  check(
    readAuditor(draft, epoch, sender) !== undefined && !equalBytes(sender, unit.minerKey) && !isBarred(draft, sender),
    'VERDICT_VERIFIER',
    `the sender is no verifier of epoch ${epoch}, or judges itself`,
  )
  const { revealFrom } = epochWindows(params, epoch)
  check(height < revealFrom, 'EPOCH_WINDOW', `verdicts of epoch ${epoch} ended before height ${revealFrom}`)
  const verdicts = readVerdicts(draft, jobId)
  check(
    !verdicts.some(({ verifier }) => equalBytes(verifier, sender)),
    'VERDICT_DOUBLE',
    'the sender has given its verdict on the unit',
  )
  const { steps } = params.audits
  check(digests.length === steps, 'VERDICT_SIZE', `${digests.length} digests for ${steps} drawn steps`)
  return () => writeVerdicts(draft, jobId, [...verdicts, { verifier: sender, digests }])
}

/**
 * The verdicts that stood share `audits.payPpm` of what the unit burned, from the verifier pool as far as it reaches: those whose
 * verifier has revealed its secret, was chosen by it, and has not been shown false or barred; of a plant those too who found it (AUD-8). What does not divide stays in the
 * pool. Own jobs under own audits so cost more than they earn, whatever they cost.
 */
export function payVerdicts(context: ApplyContext, jobId: Uint8Array, unit: AuditedUnit): void {
  const { params, draft, audits } = context
  const epoch = epochOf(params, unit.receiptHeight)
  const verdicts = readVerdicts(draft, jobId)
  const finders = findersOf(params, draft, jobId, unit)
  if (verdicts.length + finders.length === 0) return
  const isChosenBy = selectionOf(params, draft, unit)
  const stood = verdicts
    .map(({ verifier }) => verifier)
    .filter((verifier) => {
      const secret = readAuditor(draft, epoch, verifier)?.secret
      return secret !== undefined && !isBarred(draft, verifier) && isChosenBy(secret)
    })
  for (const finder of finders) if (!stood.some((verifier) => equalBytes(verifier, finder))) stood.push(finder)
  if (stood.length === 0) return
  const pool = readAmount(draft, 'verifierPool')
  const due = partOf(unit.burnedGrains, params.audits.payPpm)
  const grains = (due < pool ? due : pool) / BigInt(stood.length)
  if (grains === 0n) return
  for (const verifier of stood) {
    credit(draft, accountOf(verifier), grains)
    audits.verdictPay.push({ jobId, verifier, grains })
  }
  addAmount(draft, 'verifierPool', -grains * BigInt(stood.length))
}

/** The digests of a verdict, from what the drawn steps read, in the order of `auditedSteps` without the fixed ones. */
export function verdictDigests(
  verifier: Uint8Array,
  secret: Uint8Array,
  unit: AuditedUnit,
  views: readonly StepView[],
): Uint8Array[] {
  return views.map((view, draw) => stepDigest(verifier, secret, unit.unitId, draw, stepAccumulators(view)))
}

/** A verdict whose secret is revealed, and the step of it that a proof is about. */
interface DisputedVerdict {
  readonly epoch: number
  readonly secret: Uint8Array
  readonly unit: AuditedUnit
  readonly digests: readonly Uint8Array[]
}

function disputedVerdict(context: ApplyContext, { jobId, verifier }: VerdictProof): DisputedVerdict {
  const { params, draft } = context
  const unit = readAuditedUnit(draft, jobId)
  const given = readVerdicts(draft, jobId).find((each) => equalBytes(each.verifier, verifier))
  if (unit === undefined || given === undefined)
    throw new ProtocolError('VERDICT_UNKNOWN', `there is no verdict of ${bytesToHex(verifier)} on the unit`)
  const epoch = epochOf(params, unit.receiptHeight)
  const secret = readAuditor(draft, epoch, verifier)?.secret
  if (secret === undefined)
    throw new ProtocolError('VERDICT_UNKNOWN', 'the secret is not revealed, or the verifier has lost its place already')
  return { epoch, secret, unit, digests: given.digests }
}

/** Whether the opened step shows that the verdict is false: the step is wrong, or the digest is not that of its accumulators. */
function isFalse(model: Model, task: UnitTask, disputed: DisputedVerdict, proof: VerdictProof): boolean {
  const { unit, secret, digests } = disputed
  let view: StepView | undefined
  const fraud = fraudOf(() => {
    view = checkReceiptStep(model, unit, task, proof.opening)
  })
  if (fraud !== undefined || view === undefined) return true
  const draw = proof.step - FIXED_STEPS.length
  if (draw < 0) return false
  return !equalBytes(stepDigest(proof.verifier, secret, unit.unitId, draw, stepAccumulators(view)), digests[draw]!)
}

/** The step that a proof names. Throws VERDICT_STEP. */
function disputedStep(params: Params, context: ApplyContext, { unit, secret }: DisputedVerdict, step: number): StepRef {
  const steps = auditedSteps(params, modelOf(context, unit.modelId), secret, unit)
  const ref = steps[step]
  if (ref === undefined) throw new ProtocolError('VERDICT_STEP', `an audit has ${steps.length} steps`)
  return ref
}

/**
 * Checks a verdict proof by running its step; the function it returns writes and cannot fail. A false verdict costs its verifier
 * the pay of the whole epoch and a part of its bond, of which the sender has the bounty; if the verdict is right, the deposit of
 * the sender burns. Throws AUDIT_OFF, BLOCK_TOO_MANY_PROOFS, VERDICT_UNKNOWN (no such verdict, or no revealed secret), VERDICT_STEP
 * (not that step of the audit), ACCUSATION_UNCOMMITTED, ACCUSATION_EARLY, and what an opening that proves nothing throws.
 */
export function prepareVerdictProof(context: ApplyContext, sender: Uint8Array, proof: VerdictProof): () => void {
  const { params, draft, audits, stepModel } = context
  checkAuditsOn(params)
  audits.checkProofs(params)
  const { jobId, verifier, opening } = proof
  const disputed = disputedVerdict(context, proof)
  const { unit, epoch } = disputed
  const ref = disputedStep(params, context, disputed, proof.step)
  check(isSameStep(ref, opening.ref), 'VERDICT_STEP', 'the opening is of another step than the audit opened')
  const accusation = committedAccusation(context, sender, proof)
  const isProven = isFalse(stepModel(unit.modelId), auditedTask(draft, jobId, unit), disputed, proof)
  return () => {
    audits.proofs++
    if (!isProven) {
      accusation.lose()
      return
    }
    accusation.keep()
    const taken = takeFromBond(draft, ROLE_VERIFIER, verifier, params.audits.falseVerdictPpm)
    const bounty = partOf(taken, params.audits.bountyPpm)
    credit(draft, accountOf(sender), bounty)
    addAmount(draft, 'burned', taken - bounty)
    writeAuditor(draft, epoch, verifier, undefined)
    audits.verifierFaults.push({ verifier, reason: 'false verdict', bounty, burned: taken - bounty })
  }
}
