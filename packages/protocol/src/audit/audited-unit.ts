/** A delivered unit from its receipt until its payment matures: so long it can be audited (AUD-4, ECO-8). */
import { partOf } from '../emission/coinbase.ts'
import type { ApplyContext } from '../ledger/apply-transaction.ts'
import { readRegistration } from '../ledger/entries.ts'
import { ROLE_MINER } from '../ledger/keys.ts'
import type { StateDraft } from '../ledger/state.ts'
import { deletePrompt, type JobRecord } from '../market/entries.ts'
import { type MarketContext, modelOf } from '../market/models.ts'
import { decodeFee, promptFee } from '../market/prices.ts'
import type { Settlement } from '../market/settle.ts'
import type { UnitDescriptor } from '../unit/types.ts'
import { unitId } from '../unit/unit-id.ts'
import { answerHash } from './check-receipt-step.ts'
import {
  readAuditEnds,
  readAuditedUnit,
  readUnitCounts,
  writeAuditEnds,
  writeAuditedUnit,
  writeChallenges,
  writeUnitCounts,
  writeVerdicts,
} from './entries.ts'
import { countFound } from './plant-ends.ts'
import { earnsNothing } from './plants.ts'
import { auditRatePpm } from './rates.ts'
import { payVerdicts } from './verdicts.ts'

/** What a receipt says, besides its job. */
export interface Delivered {
  readonly minerKey: Uint8Array
  readonly unit: UnitDescriptor
  readonly traceRoot: Uint8Array
  readonly tokens: readonly number[]
}

/** A receipt opens its unit to audits, at the rate that its miner has now (AUD-2). */
export function openAuditedUnit(context: MarketContext, jobId: Uint8Array, job: JobRecord, delivered: Delivered): void {
  const { params, draft, height } = context
  if (params.audits.mode === 'off') return
  const { minerKey, unit, traceRoot, tokens } = delivered
  const model = modelOf(context, job.modelId)
  const decode = decodeFee(model, tokens.length, job.price)
  writeAuditedUnit(draft, jobId, {
    minerKey,
    client: job.client,
    modelId: job.modelId,
    unitId: unitId(unit, minerKey),
    traceRoot,
    answerHash: answerHash(tokens),
    promptTokens: job.promptTokens,
    newTokens: tokens.length,
    maxNewTokens: job.maxNewTokens,
    decoding: job.decoding,
    openedHeight: job.openedHeight,
    receiptHeight: height,
    ratePpm: auditRatePpm(params, draft, minerKey),
    feeGrains: promptFee(params, model, job.promptTokens, job.price) + decode,
    burnedGrains: job.promptBurn + partOf(decode, params.fees.burnPpm),
    paidGrains: 0n,
    endHeight: 0,
    isCondemned: false,
  })
  const counts = readUnitCounts(draft, minerKey)
  writeUnitCounts(draft, minerKey, { ...counts, atStake: counts.atStake + 1 })
}

/** Settled units stay open to audits until their payments mature at `endHeight`. */
export function settleAuditedUnits(draft: StateDraft, settled: readonly Settlement[], endHeight: number): void {
  const jobIds: Uint8Array[] = []
  for (const { jobId, miner } of settled) {
    const unit = readAuditedUnit(draft, jobId)
    if (unit === undefined) {
      deletePrompt(draft, jobId)
      continue
    }
    writeAuditedUnit(draft, jobId, { ...unit, paidGrains: miner, endHeight })
    jobIds.push(jobId)
  }
  if (jobIds.length > 0) writeAuditEnds(draft, endHeight, [...readAuditEnds(draft, endHeight), ...jobIds])
}

/** Units whose payments mature with this block can no longer be audited: their verdicts are paid, and nothing of them stays. */
export function endAuditedUnits(context: ApplyContext): void {
  const { draft, height } = context
  for (const jobId of readAuditEnds(draft, height)) {
    const unit = readAuditedUnit(draft, jobId)!
    const { minerKey, isCondemned } = unit
    if (!isCondemned) payVerdicts(context, jobId, unit)
    countFound(context, jobId, unit)
    const counts = !isCondemned && !earnsNothing(context.params, draft, unit)
    const { atStake, matured } = readUnitCounts(draft, minerKey)
    const isRegistered = readRegistration(draft, ROLE_MINER, minerKey) !== undefined
    writeUnitCounts(draft, minerKey, {
      atStake: atStake - 1,
      matured: isRegistered ? matured + Number(counts) : 0,
    })
    writeAuditedUnit(draft, jobId, undefined)
    writeVerdicts(draft, jobId, [])
    writeChallenges(draft, jobId, [])
    deletePrompt(draft, jobId)
  }
  writeAuditEnds(draft, height, [])
}
