/** What must hold of an answer before anything is executed: it is one of this job, by one of its miners, at a price within the bid. */
import {
  decodeFee,
  decodeMacs,
  endsByRule,
  isToken,
  type Job,
  type ModelConfig,
  type Params,
  promptFee,
  promptMacs,
} from '@nacre/protocol'
import type { AnsweredView } from './follow.ts'
import type { JobAnswer } from './types.ts'

export type CheckedAnswer = Omit<JobAnswer, 'jobId' | 'verification' | 'timings'>

/**
 * The answer that a node shows, its fee by the protocol's own functions (JOB-2). Throws FalseAnswer with the reason where the receipt
 * cannot be one of the job.
 */
export function checkAnswer(params: Params, model: ModelConfig, job: Job, view: AnsweredView): CheckedAnswer {
  const { receipt, priceGrains } = view
  const { tokens, minerKey, rank } = receipt
  if (!tokens.every((token) => isToken(model, token))) throw new FalseAnswer('it has tokens outside the vocabulary')
  if (!endsByRule(job, model.eosToken, tokens))
    throw new FalseAnswer(`its ${tokens.length} tokens do not end by the rule`)
  const assigned = view.ranks?.[rank]?.minerKey
  if (view.ranks !== undefined && assigned !== minerKey)
    throw new FalseAnswer(`rank ${rank} of the job is ${assigned ?? 'nobody'}, not ${minerKey}`)
  if (priceGrains === undefined) throw new FalseAnswer('the job has no price')
  const price = BigInt(priceGrains)
  if (price > job.maxPrice) throw new FalseAnswer(`the price ${price} is above the bid ${job.maxPrice}`)
  return {
    tokens,
    minerKey,
    rank,
    traceRoot: receipt.traceRoot,
    unitParentId: receipt.unitParentId,
    receiptId: receipt.transactionId,
    receiptHeight: receipt.height,
    finishReason: job.decoding.stopAtEos && tokens.at(-1) === model.eosToken ? 'stop' : 'length',
    priceGrains: price,
    inputMacs: promptMacs(model, job.promptTokens.length),
    outputMacs: decodeMacs(model, tokens.length),
    feeGrains: promptFee(params, model, job.promptTokens.length, price) + decodeFee(model, tokens.length, price),
  }
}

/** Why an answer cannot be right. */
export class FalseAnswer extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'FalseAnswer'
  }
}
