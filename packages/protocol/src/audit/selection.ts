/** AUD-1: which units a verifier audits, and which steps of them, by a secret that nobody else knows while it matters. */
import { bigintFromLe, equalBytes, u32le } from '../bytes.ts'
import { PPM } from '../emission/coinbase.ts'
import { taggedHash } from '../hash.ts'
import type { StateReader } from '../ledger/state.ts'
import type { ModelDims } from '../model/types.ts'
import type { Params } from '../params/types.ts'
import { sampleSteps } from '../trace/sample-steps.ts'
import type { StepRef } from '../trace/types.ts'
import { type AuditedUnit, readAuditedUnit, readAuditor, readAuditors, readVerdicts } from './entries.ts'
import { epochOf } from './epochs.ts'
import { verifierRatePpm } from './rates.ts'

/** What a verifier commits to before an epoch: H[verifierSecret](public key | u32 epoch | secret). */
export function secretCommitment(verifier: Uint8Array, epoch: number, secret: Uint8Array): Uint8Array {
  return taggedHash('verifierSecret', verifier, u32le(epoch), secret)
}

/** Whether the holder of `secret` audits a unit at a rate of its own (see `verifierRatePpm`). @param secret, unitId 32 bytes. */
export function isAudited(secret: Uint8Array, unitId: Uint8Array, ratePpm: number): boolean {
  const draw = bigintFromLe(taggedHash('auditSelection', secret, unitId).subarray(0, 8))
  return draw * PPM < BigInt(ratePpm) << 64n
}

/** Steps of every audit besides those drawn: they cost nothing to check, and only `shape` shows the whole answer. */
export const FIXED_STEPS: readonly StepRef[] = [
  { kind: 'shape', layer: 0, group: 0, position: 0 },
  { kind: 'input', layer: 0, group: 0, position: 0 },
]

/** The steps that the holder of `secret` opens of a unit: {@link FIXED_STEPS}, then `audits.steps` drawn by what forging them saves. */
export function auditedSteps(params: Params, dims: ModelDims, secret: Uint8Array, unit: AuditedUnit): StepRef[] {
  const { promptTokens, newTokens } = unit
  const seed = taggedHash('auditSteps', secret, unit.unitId)
  return [...FIXED_STEPS, ...sampleSteps(seed, { promptTokens, newTokens, dims }, params.audits.steps)]
}

/** Which secrets of the epoch of the receipt chose a unit; the rate, which takes powers of large integers, is computed once. */
export function selectionOf(params: Params, reader: StateReader, unit: AuditedUnit): (secret: Uint8Array) => boolean {
  const verifiers = readAuditors(reader, epochOf(params, unit.receiptHeight)).length
  const ratePpm = verifierRatePpm(unit.ratePpm, verifiers)
  return (secret) => isAudited(secret, unit.unitId, ratePpm)
}

/** Whether a verifier's secret of the epoch of the receipt chose the unit. */
export function wasSelected(params: Params, reader: StateReader, secret: Uint8Array, unit: AuditedUnit): boolean {
  return selectionOf(params, reader, unit)(secret)
}

/** What a revealed secret says about a verifier. */
export interface VerifierReview {
  /** Units that it chose and gave a verdict on. */
  readonly audited: readonly Uint8Array[]
  /** Units that it chose and gave none on: fraud, no answer, or laziness. */
  readonly missing: readonly Uint8Array[]
  /** Verdicts on units that it had not chosen: they earn nothing. */
  readonly unasked: readonly Uint8Array[]
}

/**
 * Checks a verifier in retrospect, which anyone can do once its secret is revealed. Jobs of other epochs, and those that can no
 * longer be audited, are passed over. Returns undefined while there is no secret to check by.
 */
export function reviewVerifier(
  params: Params,
  reader: StateReader,
  epoch: number,
  verifier: Uint8Array,
  jobIds: Iterable<Uint8Array>,
): VerifierReview | undefined {
  const secret = readAuditor(reader, epoch, verifier)?.secret
  if (secret === undefined) return undefined
  const audited: Uint8Array[] = []
  const missing: Uint8Array[] = []
  const unasked: Uint8Array[] = []
  for (const jobId of jobIds) {
    const unit = readAuditedUnit(reader, jobId)
    if (unit === undefined || epochOf(params, unit.receiptHeight) !== epoch) continue
    const isChosen = wasSelected(params, reader, secret, unit)
    const hasVerdict = readVerdicts(reader, jobId).some((verdict) => equalBytes(verdict.verifier, verifier))
    if (isChosen) (hasVerdict ? audited : missing).push(jobId)
    else if (hasVerdict) unasked.push(jobId)
  }
  return { audited, missing, unasked }
}
