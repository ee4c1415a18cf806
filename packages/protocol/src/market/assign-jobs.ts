/** ECO-6: the beacon of a block opens the assignment of the jobs that its parent cleared. */
import { bytesToHex, equalBytes } from '../bytes.ts'
import { mintableOf, partOf } from '../emission/coinbase.ts'
import { addAmount, readAmount, writeAmount } from '../ledger/entries.ts'
import type { StateDraft } from '../ledger/state.ts'
import { unitMacs } from '../model/macs.ts'
import { weighAsks } from './asks.ts'
import { type Candidate, drawRanks, samplingWeights } from './assignment.ts'
import { type JobRecord, readAsks, readCleared, readJob, writeAssigned, writeCleared, writeJob } from './entries.ts'
import { type MarketRules, modelOf } from './models.ts'
import { returnJob } from './post-job.ts'
import { promptFee } from './prices.ts'

/** Largest amount of a state entry (CNV-4). */
const MAX_AMOUNT = (1n << 64n) - 1n

/** Who may get a model's jobs of one clearing, and the room that is left. */
interface Pool {
  readonly keys: readonly Uint8Array[]
  readonly candidates: Candidate[]
}

/**
 * Draws the ranks of every job that the parent cleared, in the order of the clearing, from the miners whose asks the clearing
 * price meets, and burns the prompt's part of the fee for good (ECO-4), which lets premiums mint kappa times as much (ECO-3). It
 * comes first in a block, from the state that the parent left: whoever makes the block knows its beacon, so nothing else in the
 * block may matter. A job that nobody can get goes back in full: only where clients name the miner.
 * @returns the ids of the jobs.
 */
export function assignJobs(
  rules: MarketRules,
  draft: StateDraft,
  height: number,
  beacon: Uint8Array,
): { readonly assigned: readonly Uint8Array[]; readonly returned: readonly Uint8Array[] } {
  const { params } = rules
  const assigned: Uint8Array[] = []
  const returned: Uint8Array[] = []
  const pools = new Map<string, Pool>()
  for (const jobId of readCleared(draft)) {
    const job = readJob(draft, jobId)!
    const model = modelOf(rules, job.modelId)
    const modelId = bytesToHex(job.modelId)
    const pool = pools.get(modelId) ?? poolOf(rules, draft, modelId, job.price, height)
    pools.set(modelId, pool)
    const macs = BigInt(unitMacs(model, job.promptTokens, job.maxNewTokens))
    const order =
      params.bindings.provenance === 'client-signed'
        ? namedRank(pool, job)
        : drawRanks(pool.candidates, macs, 1 + params.jobs.fallbacks, beacon, jobId)
    if (order.length === 0) {
      returnJob(draft, jobId)
      returned.push(jobId)
      continue
    }
    assigned.push(jobId)
    const first = pool.candidates[order[0]!]!
    pool.candidates[order[0]!] = { ...first, room: first.room > macs ? first.room - macs : 0n }
    const promptBurn = partOf(promptFee(params, model, job.promptTokens, job.price), params.fees.burnPpm)
    addAmount(draft, 'burned', promptBurn)
    allowPremiums(draft, mintableOf(params, promptBurn))
    writeJob(draft, jobId, {
      ...job,
      held: job.held - promptBurn,
      openedHeight: height,
      promptBurn,
      ranks: order.map((index) => pool.keys[index]!),
    })
  }
  writeCleared(draft, [])
  writeAssigned(draft, height, assigned)
  return { assigned, returned }
}

/** Provenance `client-signed`: rank 0 for the miner that the client named, if it asks at the price, and no rank after it. */
function namedRank(pool: Pool, job: JobRecord): number[] {
  const index = pool.keys.findIndex((key) => equalBytes(key, job.ranks[0]!))
  return index < 0 ? [] : [index]
}

/** Adds to what premiums may mint, up to what an entry holds: kappa can be far above 1. */
function allowPremiums(draft: StateDraft, grains: bigint): void {
  const sum = readAmount(draft, 'mintable') + grains
  writeAmount(draft, 'mintable', sum < MAX_AMOUNT ? sum : MAX_AMOUNT)
}

function poolOf(rules: MarketRules, draft: StateDraft, modelId: string, price: bigint, height: number): Pool {
  const { params } = rules
  const atPrice = readAsks(draft, modelId).filter((ask) => ask.price <= price)
  const asks = weighAsks(params, draft, atPrice, height)
  const weights = samplingWeights(
    asks.map(({ weight }) => weight),
    params.jobs.newcomerSharePpm,
  )
  return {
    keys: asks.map(({ minerKey }) => minerKey),
    candidates: asks.map(({ room }, i) => ({ weight: weights[i]!, room })),
  }
}
