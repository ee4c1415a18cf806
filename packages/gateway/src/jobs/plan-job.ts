/** A request as the job that the chain knows. */
import {
  checkJobForm,
  hexToBytes,
  type Job,
  type JobTerms,
  type MarketRules,
  type Params,
  windowBlocks,
} from '@nacre/protocol'
import { JobError, jobErrorOf } from './errors.ts'
import type { JobRequest } from './types.ts'

/** Blocks that a job may wait in the book by default, beside the windows of all ranks. */
const DEFAULT_WAITING_BLOCKS = 10

/** Blocks that a job lives for by default: some to wait in the book, then the windows of all ranks. */
export function defaultLifetimeBlocks(params: Params): number {
  return Math.min(params.jobs.maxLifetimeBlocks, leastLifetimeBlocks(params) + DEFAULT_WAITING_BLOCKS)
}

/** One block to be posted in, one for the assignment, and the windows of all ranks (ECO-4). */
export const leastLifetimeBlocks = (params: Params): number => windowBlocks(params) + 2

const isHash = (hex: string): boolean => /^[0-9a-f]{64}$/.test(hex)
const isUint = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

export interface PlannedJob extends JobTerms {
  /** Its expiry is a number of blocks from the tip. */
  readonly job: Job
}

/**
 * What a request would post, and what it costs at most, by the protocol's own rules. Throws JobError: UNKNOWN_MODEL, PROMPT_TOO_LONG, and
 * the protocol's other codes for what no chain takes in (JOB_PROMPT, JOB_MINER, JOB_NEW_TOKENS, JOB_PRICE, JOB_EXPIRED, ...).
 */
export function planJob(market: MarketRules, request: JobRequest): PlannedJob {
  const { params } = market
  const { modelId, promptTokens, maxNewTokens, decoding, maxPriceGrains, minerKey } = request
  const { lifetimeBlocks = defaultLifetimeBlocks(params) } = request
  if (!isHash(modelId)) throw new JobError('UNKNOWN_MODEL', 'a model id has 64 hex digits')
  if (minerKey !== undefined && !isHash(minerKey)) throw new JobError('JOB_MINER', "a miner's key has 64 hex digits")
  if (!promptTokens.every(isUint)) throw new JobError('JOB_PROMPT', 'tokens are whole numbers')
  if (!isUint(maxNewTokens)) throw new JobError('JOB_NEW_TOKENS', `${maxNewTokens} is no whole number of new tokens`)
  if (decoding.seed.length !== 32 || !isUint(decoding.temperatureMilli) || decoding.temperatureMilli > 0xffff)
    throw new JobError('UNIT_SHAPE', 'a temperature is 0 to 65535 thousandths, a seed has 32 bytes')
  const least = leastLifetimeBlocks(params)
  if (!isUint(lifetimeBlocks) || lifetimeBlocks < least)
    throw new JobError('JOB_EXPIRED', `a job lives for at least ${least} blocks, not ${lifetimeBlocks}`)
  const { maxLifetimeBlocks } = params.jobs
  if (lifetimeBlocks > maxLifetimeBlocks)
    throw new JobError('JOB_EXPIRY_TOO_FAR', `a job lives for at most ${maxLifetimeBlocks} blocks`)
  const job: Job = {
    kind: 'job',
    modelId: hexToBytes(modelId),
    promptTokens,
    maxNewTokens,
    decoding,
    maxPrice: maxPriceGrains,
    expiryHeight: lifetimeBlocks,
    ...(minerKey === undefined ? {} : { minerKey: hexToBytes(minerKey) }),
  }
  try {
    return { job, ...checkJobForm(market, job) }
  } catch (error) {
    throw jobErrorOf(error)
  }
}
