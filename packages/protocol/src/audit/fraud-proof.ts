/** AUD-4: a wrong step of a delivered unit, shown to everybody. */
import { bytesToHex } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import { accountOf } from '../keys.ts'
import type { ApplyContext } from '../ledger/apply-transaction.ts'
import { isBarred } from '../ledger/entries.ts'
import type { Forfeiture } from '../ledger/forfeit.ts'
import type { StateReader } from '../ledger/state.ts'
import { committedAccusation } from './accusations.ts'
import { checkAuditsOn } from './block-audits.ts'
import { auditedTask, checkReceiptStep, fraudOf } from './check-receipt-step.ts'
import { checkMayBar, condemnUnit } from './condemn.ts'
import { type AuditedUnit, readAuditedUnit } from './entries.ts'
import type { FraudProof } from './payloads.ts'
import { answeringRoot, mayBePlant, prepareSuspicion } from './plants.ts'

/** A delivered unit that can be audited and is not condemned. Throws AUDIT_UNIT. */
export function auditableUnit(reader: StateReader, jobId: Uint8Array): AuditedUnit {
  const unit = readAuditedUnit(reader, jobId)
  if (unit === undefined || unit.isCondemned)
    throw new ProtocolError('AUDIT_UNIT', `no unit of job ${bytesToHex(jobId)} is open to audits`)
  return unit
}

/**
 * Checks a fraud proof by running its step; the function it returns writes and cannot fail. If the step is wrong, the unit is
 * condemned, or suspected while it may be a plant (AUD-8), and the deposit returns; if it is right, the accusation was false and the deposit burns. Throws AUDIT_OFF,
 * BLOCK_TOO_MANY_PROOFS, AUDIT_UNIT, ACCUSATION_UNCOMMITTED, ACCUSATION_EARLY, PLANT_FOUND, BLOCK_KEY_BARRED, and for an opening that proves nothing about the
 * unit what {@link checkReceiptStep} throws: STEP_OPENING, STEP_OUT_OF_RANGE, MERKLE_*.
 */
export function prepareFraudProof(
  context: ApplyContext,
  sender: Uint8Array,
  proof: FraudProof,
): () => Forfeiture | undefined {
  const { params, draft, audits, stepModel } = context
  checkAuditsOn(params)
  audits.checkProofs(params)
  const { jobId, opening } = proof
  const unit = auditableUnit(draft, jobId)
  const accusation = committedAccusation(context, sender, proof, unit.receiptHeight)
  const task = auditedTask(draft, jobId, unit)
  const answering = { ...unit, traceRoot: answeringRoot(draft, jobId, unit) }
  const fraud = fraudOf(() => checkReceiptStep(stepModel(unit.modelId), answering, task, opening))
  const suspect =
    fraud !== undefined && mayBePlant(context, unit)
      ? prepareSuspicion(context, jobId, unit, sender, accusation.height)
      : undefined
  if (suspect !== undefined)
    return () => {
      audits.proofs++
      accusation.keep()
      suspect()
      audits.suspected.push({ jobId, minerKey: unit.minerKey, finder: sender })
      return undefined
    }
  if (fraud !== undefined && !isBarred(draft, unit.minerKey)) checkMayBar(context, unit.minerKey)
  return () => {
    audits.proofs++
    if (fraud === undefined) {
      accusation.lose()
      return undefined
    }
    accusation.keep()
    return condemnUnit(context, jobId, unit, accountOf(sender), 'proof')
  }
}
