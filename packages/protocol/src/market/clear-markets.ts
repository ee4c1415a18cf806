/** ECO-7 and ECO-4: the call auction of every model at the end of a block, and jobs that can no longer be cleared. */
import { credit } from '../ledger/entries.ts'
import type { StateDraft } from '../ledger/state.ts'
import { weighAsks } from './asks.ts'
import { callWeighedAuction, type WeighedOffer } from './banded-auction.ts'
import { type MarketRecord, readAsks, readJob, readMarket, writeCleared, writeJob, writeMarket } from './entries.ts'
import type { JobBooks } from './job-books.ts'
import { type MarketRules, modelOf } from './models.ts'
import { returnJob } from './post-job.ts'
import { jobFee } from './prices.ts'
import { leastPrice, nextReferencePrice } from './reference-price.ts'

/** One model's clearing of one block. */
export interface MarketClearing {
  readonly modelId: string
  /** Grains per 10^9 output MACs. */
  readonly price: bigint
  readonly volumeMacs: bigint
  readonly jobIds: readonly Uint8Array[]
}

/** Jobs that no later block can clear go back in full. Returns their ids. */
export function returnExpired(rules: MarketRules, draft: StateDraft, books: JobBooks, height: number): Uint8Array[] {
  const returned: Uint8Array[] = []
  for (const { modelId } of rules.params.models) {
    const open = books.of(draft, modelId)
    const expired = open.filter(({ lastClearing }) => lastClearing < height)
    if (expired.length === 0) continue
    for (const { jobId } of expired) {
      returnJob(draft, jobId)
      returned.push(jobId)
    }
    books.set(
      modelId,
      open.filter((job) => !expired.includes(job)),
    )
  }
  return returned
}

/**
 * Clears each model's market in the order of the parameters. A cleared job has its price, and its client gets back what the
 * escrow exceeds it by. The next block's beacon assigns the jobs.
 */
export function clearMarkets(
  rules: MarketRules,
  draft: StateDraft,
  books: JobBooks,
  height: number,
): readonly MarketClearing[] {
  const clearings: MarketClearing[] = []
  for (const { modelId } of rules.params.models) {
    const clearing = clearModel(rules, draft, books, modelId, height)
    if (clearing.jobIds.length > 0) clearings.push(clearing)
  }
  writeCleared(
    draft,
    clearings.flatMap(({ jobIds }) => jobIds),
  )
  return clearings
}

function clearModel(
  rules: MarketRules,
  draft: StateDraft,
  books: JobBooks,
  modelId: string,
  height: number,
): MarketClearing {
  const { jobs } = rules.params
  const open = books.of(draft, modelId)
  const market = readMarket(draft, modelId)
  const least = leastPrice(market.referencePrice, jobs.referenceMovePpm)
  const bids = open.map(({ maxPrice, macs }) => ({ price: maxPrice, macs }))
  const offers = offersOf(rules, draft, modelId, height, bids.length > 0)
  const { clearing, followed } = callWeighedAuction(bids, offers, jobs.maxClearedPerModel, least)
  const { filled, price, volumeMacs, bidPrice, askPrice } = clearing
  const referencePrice =
    followed === 0n ? market.referencePrice : nextReferencePrice(market.referencePrice, followed, jobs.referenceMovePpm)
  const called: MarketRecord = { ...market, referencePrice, bidPrice, askPrice }
  if (filled.length === 0) {
    writeMarket(draft, modelId, called)
    return { modelId, price, volumeMacs, jobIds: [] }
  }
  writeMarket(draft, modelId, {
    ...called,
    clearedHeight: height,
    clearingPrice: price,
    volumeMacs,
    jobs: filled.length,
  })
  const jobIds = filled.map((index) => open[index]!.jobId)
  for (const jobId of jobIds) priceJob(rules, draft, jobId, price)
  const cleared = new Set(filled)
  books.set(
    modelId,
    open.filter((_, index) => !cleared.has(index)),
  )
  return { modelId, price, volumeMacs, jobIds }
}

/** The standing asks as the auction takes them. Without bids only their prices matter, and no weight is looked up. */
function offersOf(
  rules: MarketRules,
  draft: StateDraft,
  modelId: string,
  height: number,
  hasBids: boolean,
): WeighedOffer[] {
  const asks = readAsks(draft, modelId)
  if (!hasBids) return asks.map(({ price, capacityMacs }) => ({ price, macs: capacityMacs, hasWeight: true }))
  return weighAsks(rules.params, draft, asks, height).map(({ price, room, weight }) => ({
    price,
    macs: room,
    hasWeight: weight > 0n,
  }))
}

/** The job has its price; the surplus over it returns at once. */
function priceJob(rules: MarketRules, draft: StateDraft, jobId: Uint8Array, price: bigint): void {
  const job = readJob(draft, jobId)!
  const held = jobFee(rules.params, modelOf(rules, job.modelId), job, price)
  credit(draft, job.client, job.held - held)
  writeJob(draft, jobId, { ...job, price, held })
}
