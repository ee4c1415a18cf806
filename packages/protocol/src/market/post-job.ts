/** JOB-1, JOB-3: what a job must satisfy, and what posting it does. */
import { bytesToHex } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import { accountOf } from '../keys.ts'
import { credit } from '../ledger/entries.ts'
import type { StateDraft } from '../ledger/state.ts'
import type { Job } from '../ledger/transactions.ts'
import { unitMacs } from '../model/macs.ts'
import type { ModelConfig } from '../model/types.ts'
import type { Params } from '../params/types.ts'
import { deleteJob, type OpenJob, readJob, writeJob, writePrompt } from './entries.ts'
import { leastBid } from './job-books.ts'
import type { MarketContext, MarketRules } from './models.ts'
import { jobFee } from './prices.ts'

/** What a job takes from its client's balance, and the MACs of its unit. */
export interface JobTerms {
  readonly model: ModelConfig
  readonly macs: bigint
  /** Grains: maxPrice for every token that it may need. */
  readonly escrow: bigint
}

/**
 * What must hold of a job whatever the state, and what it costs at most. Throws JOB_MODEL (not registered), JOB_PROMPT (empty,
 * or a token outside the vocabulary), JOB_PROMPT_TOO_LONG, JOB_NEW_TOKENS (none, too many, or more positions than the model
 * has), JOB_MACS (beyond `units.maxUnitMacs`), JOB_PRICE (0, or an escrow beyond 2^64 - 1 or below `fees.minJobGrains`), JOB_MINER
 * (a miner is named, and provenance is not `client-signed`, or the other way round).
 */
export function checkJobForm(rules: MarketRules, job: Job): JobTerms {
  const { units, bindings } = rules.params
  const { promptTokens, maxNewTokens, maxPrice, minerKey } = job
  const model = rules.models.get(bytesToHex(job.modelId))
  if (model === undefined) throw new ProtocolError('JOB_MODEL', `no model ${bytesToHex(job.modelId)} is registered`)
  const length = promptTokens.length
  check(length >= 1, 'JOB_PROMPT', 'the prompt is empty')
  const longest = Math.min(units.maxPromptTokens, model.maxSeqLen)
  check(length <= longest, 'JOB_PROMPT_TOO_LONG', `${length} prompt tokens, at most ${longest} are allowed`)
  for (const token of promptTokens)
    check(token < model.vocabSize, 'JOB_PROMPT', `token ${token} of a vocabulary of ${model.vocabSize}`)
  const most = Math.min(units.maxNewTokens, model.maxSeqLen - length + 1)
  check(
    maxNewTokens >= 1 && maxNewTokens <= most,
    'JOB_NEW_TOKENS',
    `${maxNewTokens} new tokens, 1 to ${most} are allowed after a prompt of ${length}`,
  )
  const macs = unitMacs(model, length, maxNewTokens)
  check(macs <= units.maxUnitMacs, 'JOB_MACS', `the unit has ${macs} MACs, the limit is ${units.maxUnitMacs} (JOB-3)`)
  const escrow = jobFee(rules.params, model, { promptTokens: length, maxNewTokens }, maxPrice)
  check(maxPrice >= 1n && escrow < 1n << 64n, 'JOB_PRICE', `a price of ${maxPrice} grains holds back ${escrow}`)
  const least = rules.params.fees.minJobGrains
  check(
    escrow >= least,
    'JOB_PRICE',
    `a price of ${maxPrice} grains holds back ${escrow}, the least is ${least}: bid more`,
  )
  const names = bindings.provenance === 'client-signed'
  check(
    names === (minerKey !== undefined),
    'JOB_MINER',
    names ? 'the job names no miner' : 'the beacon chooses the miner, the job names none (B1)',
  )
  return { model, macs: BigInt(macs), escrow }
}

/** Blocks in which the ranks of one assignment deliver, one after the other. */
export function windowBlocks(params: Params): number {
  return params.jobs.assignmentWindowBlocks * (1 + params.jobs.fallbacks)
}

/** Last height at which a job can be cleared: opened at the next, every rank has its window up to the expiry (ECO-4). */
export function lastClearingHeight(params: Params, expiryHeight: number): number {
  return expiryHeight - 1 - windowBlocks(params)
}

/**
 * Checks a job against the state; the function it returns writes and cannot fail. A full book takes a job that bids more than
 * the least bid in it, which goes back to its client in full.
 * Throws what {@link checkJobForm} throws, JOB_EXPIRED (too early for all ranks), JOB_EXPIRY_TOO_FAR, JOB_BOOK_FULL.
 * @param jobId the transaction's id. @param sender the client's public key.
 */
export function preparePostJob(context: MarketContext, jobId: Uint8Array, sender: Uint8Array, job: Job): () => void {
  const { params, height, draft, books } = context
  const { macs, escrow } = checkJobForm(context, job)
  const { expiryHeight, maxPrice } = job
  const lastClearing = lastClearingHeight(params, expiryHeight)
  check(lastClearing >= height, 'JOB_EXPIRED', `expiry ${expiryHeight} leaves the ranks no time after ${height}`)
  const farthest = height + params.jobs.maxLifetimeBlocks
  check(expiryHeight <= farthest, 'JOB_EXPIRY_TOO_FAR', `expiry ${expiryHeight} is beyond ${farthest}`)
  const modelId = bytesToHex(job.modelId)
  const open = books.of(draft, modelId)
  const displaced = open.length >= params.jobs.maxOpenPerModel ? leastBid(open) : undefined
  check(
    displaced === undefined || maxPrice > displaced.maxPrice,
    'JOB_BOOK_FULL',
    `${open.length} jobs wait, and none bids less than ${maxPrice}`,
  )
  return () => {
    if (displaced !== undefined) returnJob(draft, displaced.jobId)
    const added: OpenJob = { jobId, maxPrice, macs, lastClearing }
    books.set(modelId, [...open.filter((other) => other !== displaced), added])
    writePrompt(draft, jobId, job.promptTokens)
    writeJob(draft, jobId, {
      client: accountOf(sender),
      modelId: job.modelId,
      promptTokens: job.promptTokens.length,
      maxNewTokens: job.maxNewTokens,
      decoding: job.decoding,
      maxPrice,
      expiryHeight,
      held: escrow,
      price: 0n,
      openedHeight: 0,
      promptBurn: 0n,
      ranks: job.minerKey === undefined ? [] : [job.minerKey],
      delivery: undefined,
    })
  }
}

/** Gives a client back what its job holds and ends the job. Returns the grains. */
export function returnJob(draft: StateDraft, jobId: Uint8Array): bigint {
  const job = readJob(draft, jobId)!
  credit(draft, job.client, job.held)
  deleteJob(draft, jobId)
  return job.held
}
