/** ECO-4: settlement of delivered jobs after the audit window. */
import { settleAuditedUnits } from '../audit/audited-unit.ts'
import { partOf } from '../emission/coinbase.ts'
import { accountOf } from '../keys.ts'
import { addAmount, addImmature, credit, type ImmatureEntry, isBarred, MAX_SETTLED_HEIGHTS } from '../ledger/entries.ts'
import { addSettledMacs } from '../ledger/published.ts'
import type { StateDraft } from '../ledger/state.ts'
import { decodeMacs, promptMacs } from '../model/macs.ts'
import {
  deleteJobRecord,
  type JobRecord,
  readJob,
  readSettlement,
  readSettlementFrom,
  readVerifiers,
  writeSettlement,
  writeSettlementFrom,
} from './entries.ts'
import { type MarketRules, modelOf } from './models.ts'
import { decodeFee } from './prices.ts'

/** Where the grains of one delivered job went: its fee is burned + verifiers + miner, and the rest returned. */
export interface Settlement {
  readonly jobId: Uint8Array
  readonly minerKey: Uint8Array
  /** Decode burn; the prompt's burned when the job was assigned. A barred miner's part burns too. */
  readonly burned: bigint
  readonly verifiers: bigint
  readonly miner: bigint
  /** For tokens that were not generated, to the client at once. */
  readonly returned: bigint
  /** Of prompt and generated tokens. */
  readonly macs: bigint
}

/**
 * Settles the receipts whose audit window ends with this block. While no verifier is active nothing settles (ECO-1): the heights
 * wait in order, and once there is one each block settles up to MAX_SETTLED_HEIGHTS of them. What the miner gets matures
 * `maturityBlocks` after the receipt, later by as much as the settlement was late (ECO-8).
 */
export function settleReceipts(rules: MarketRules, draft: StateDraft, height: number): readonly Settlement[] {
  const waiting = readSettlementFrom(draft)
  if (readVerifiers(draft) === 0) {
    if (waiting === undefined && readSettlement(draft, height).length > 0) writeSettlementFrom(draft, height)
    return []
  }
  const settled: Settlement[] = []
  let next = waiting ?? height
  for (let heights = 0; heights < MAX_SETTLED_HEIGHTS && next <= height; heights++, next++) {
    for (const jobId of readSettlement(draft, next)) {
      const job = readJob(draft, jobId)
      if (job !== undefined) settled.push(settleJob(rules, draft, jobId, job)) // else condemned (AUD-4)
    }
    writeSettlement(draft, next, [])
  }
  writeSettlementFrom(draft, next <= height ? next : undefined)
  const { block, jobs } = rules.params
  const payments: ImmatureEntry[] = settled.map(({ minerKey, miner }) => ({
    account: accountOf(minerKey),
    grains: miner,
    minerKey,
  }))
  const matures = height + block.maturityBlocks - jobs.auditWindowBlocks
  addImmature(draft, matures, payments)
  addSettledMacs(
    draft,
    settled.reduce((sum, { macs }) => sum + macs, 0n),
  )
  settleAuditedUnits(draft, settled, matures)
  return settled
}

/** The fee of a delivered job, of which its prompt's burn is spent: what burns now, what verifiers and miner get. */
export function divideFee(
  rules: MarketRules,
  job: Pick<JobRecord, 'modelId' | 'maxNewTokens' | 'held' | 'price'>,
  newTokens: number,
): { readonly burned: bigint; readonly verifiers: bigint; readonly miner: bigint; readonly returned: bigint } {
  const { fees } = rules.params
  const model = modelOf(rules, job.modelId)
  const decode = decodeFee(model, newTokens, job.price)
  const returned = decodeFee(model, job.maxNewTokens, job.price) - decode
  const burned = partOf(decode, fees.burnPpm)
  const rest = job.held - returned - burned
  const verifiers = partOf(rest, fees.verifierPpm)
  return { burned, verifiers, miner: rest - verifiers, returned }
}

function settleJob(rules: MarketRules, draft: StateDraft, jobId: Uint8Array, job: JobRecord): Settlement {
  const { rank, newTokens } = job.delivery!
  const minerKey = job.ranks[rank]!
  const parts = divideFee(rules, job, newTokens)
  const model = modelOf(rules, job.modelId)
  // Whatever is not paid yet is as immature as a coinbase (ECO-8): fraud forfeits it.
  const forfeited = isBarred(draft, minerKey) ? parts.miner : 0n
  const burned = parts.burned + forfeited
  credit(draft, job.client, parts.returned)
  addAmount(draft, 'burned', burned)
  addAmount(draft, 'verifierPool', parts.verifiers)
  deleteJobRecord(draft, jobId)
  return {
    jobId,
    minerKey,
    burned,
    verifiers: parts.verifiers,
    miner: parts.miner - forfeited,
    returned: parts.returned,
    macs: BigInt(promptMacs(model, job.promptTokens) + decodeMacs(model, newTokens)),
  }
}
