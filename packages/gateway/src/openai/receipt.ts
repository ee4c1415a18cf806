/** What a response says about the work behind it. Ids, keys and roots are hex; amounts are grains as decimal text. */

import type { Chosen } from './choices.ts'
import { type LostSample, type Sample, seedOf } from './generation.ts'
import { MAX_HEADER_RECEIPTS } from './limits.ts'
import type { GenerationRequest } from './request.ts'
import type { Route } from './route.ts'

/** One answered job. */
export interface Receipt {
  readonly job_id: string
  readonly miner_key: string
  /** 0 for the miner that was drawn first, 1 for the first that stood in, and so on. */
  readonly rank: number
  readonly trace_root: string
  readonly unit_parent_id: string
  /** Of the miner's receipt transaction. */
  readonly receipt_id: string
  /** null while it waits for a block. */
  readonly receipt_height: number | null
  readonly price_grains_per_gmac: string
  readonly fee_grains: string
  readonly input_macs: number
  readonly output_macs: number
  readonly verification: 'unchecked' | 'verified'
  /** Handed out before any audit: what is not verified here has been checked by nobody. */
  readonly audited: false
}

export interface JobEntry extends Receipt {
  /** Position of the choice that it became; null if it is none. */
  readonly choice: number | null
  readonly prompt: number
  readonly seed: string
  readonly mean_logprob?: number
  readonly votes?: number
  readonly posted_ms: number
  readonly answered_ms: number
}

/** The field `nacre` of a response. */
export interface NacreField {
  readonly model_id: string
  readonly select: string
  readonly max_price_grains_per_gmac: string
  /** Of all answered jobs. */
  readonly fee_grains: string
  /** Different miners among those that answered. */
  readonly miners: number
  readonly audited: false
  readonly jobs: readonly JobEntry[]
  readonly failed: readonly {
    readonly prompt: number
    readonly job_id: string | null
    readonly code: string
    readonly message: string
  }[]
}

export function receiptOf({ answer }: Sample): Receipt {
  return {
    job_id: answer.jobId,
    miner_key: answer.minerKey,
    rank: answer.rank,
    trace_root: answer.traceRoot,
    unit_parent_id: answer.unitParentId,
    receipt_id: answer.receiptId,
    receipt_height: answer.receiptHeight ?? null,
    price_grains_per_gmac: answer.priceGrains.toString(),
    fee_grains: answer.feeGrains.toString(),
    input_macs: answer.inputMacs,
    output_macs: answer.outputMacs,
    verification: answer.verification,
    audited: false,
  }
}

export function nacreField(request: GenerationRequest, route: Route, chosen: Chosen): NacreField {
  const choiceOf = new Map(chosen.choices.map(({ index, sample }) => [sample, index]))
  const jobs = chosen.samples.map((sample): JobEntry => {
    const score = chosen.scores.get(sample)
    const votes = chosen.votes.get(sample)
    return {
      choice: choiceOf.get(sample) ?? null,
      prompt: sample.prompt,
      ...receiptOf(sample),
      seed: seedOf(sample),
      ...(score === undefined ? {} : { mean_logprob: score }),
      ...(votes === undefined ? {} : { votes }),
      posted_ms: Math.round(sample.answer.timings.postedMs),
      answered_ms: Math.round(sample.answer.timings.answeredMs),
    }
  })
  return {
    model_id: route.at.modelId,
    select: request.select,
    max_price_grains_per_gmac: route.bidGrains.toString(),
    fee_grains: chosen.samples.reduce((sum, { answer }) => sum + answer.feeGrains, 0n).toString(),
    miners: new Set(chosen.samples.map(({ answer }) => answer.minerKey)).size,
    audited: false,
    jobs,
    failed: chosen.lost.map(lostEntry),
  }
}

function lostEntry({ prompt, jobId, error }: LostSample): NacreField['failed'][number] {
  return { prompt, job_id: jobId ?? null, code: error.code, message: error.message }
}

/** The header `x-nacre-receipt`: compact JSON of the first receipts, plain ASCII by its content. */
export const receiptHeader = (samples: readonly Sample[]): string =>
  JSON.stringify(samples.slice(0, MAX_HEADER_RECEIPTS).map(receiptOf))
