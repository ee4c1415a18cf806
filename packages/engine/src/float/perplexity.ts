/** How well a model predicts a text: the exponential of the mean loss per token, in natural logarithms. */
import { check, logitsOf, type ModelDims } from '@nacre/protocol'
import type { UnitEngine } from '../run/engine.ts'
import type { FloatModel } from './float-model.ts'
import { FloatSession } from './float-session.ts'
import { pauses } from './pause.ts'

/** The losses of tokens 1, 2, ... of a sequence, each given all before it. */
export type Scorer = (tokens: readonly number[], signal?: AbortSignal) => Promise<number[]>

export function floatScorer(model: FloatModel): Scorer {
  return async (tokens, signal) => {
    const session = new FloatSession(model, tokens.length - 1)
    const pause = pauses(signal)
    const losses: number[] = []
    for (let i = 1; i < tokens.length; i++) {
      await pause()
      losses.push(tokenLoss(session.feed(tokens[i - 1]!), tokens[i]!))
    }
    return losses
  }
}

/** The int8 model by its own engine: the rows that a unit's trace holds, and the logits that follow from them (MOD-6). */
export function engineScorer(engine: UnitEngine): Scorer {
  const { model } = engine
  const { dModel, nLayers } = model.config
  const decoding = { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false }
  return async (tokens, signal) => {
    const trace = engine.generate({ promptTokens: tokens.slice(0, -1), maxNewTokens: 1, decoding })
    const rows = trace.h[nLayers]!
    const pause = pauses(signal)
    const losses: number[] = []
    for (let i = 1; i < tokens.length; i++) {
      await pause()
      losses.push(tokenLoss(logitsOf(model, rows.subarray((i - 1) * dModel, i * dModel)), tokens[i]!))
    }
    return losses
  }
}

/** -ln of the probability that logits give to `token` at temperature 1. */
export function tokenLoss(logits: Float32Array, token: number): number {
  let max = Number.NEGATIVE_INFINITY
  for (const logit of logits) max = Math.max(max, logit)
  let total = 0
  for (const logit of logits) total += Math.exp(logit - max)
  return Math.log(total) + max - logits[token]!
}

/**
 * The perplexity of texts. One longer than the model's positions is cut into pieces, each of which begins anew with BOS.
 * @param texts tokens without BOS, at least one in all. Rejects with UNIT_PROMPT, or the signal's reason.
 */
export async function perplexity(
  score: Scorer,
  config: Pick<ModelDims, 'maxSeqLen' | 'vocabSize'> & { readonly bosToken: number },
  texts: readonly (readonly number[])[],
  signal?: AbortSignal,
): Promise<number> {
  const { bosToken, maxSeqLen, vocabSize } = config
  let sum = 0
  let count = 0
  for (const tokens of texts) {
    for (const token of tokens)
      check(Number.isInteger(token) && token >= 0 && token < vocabSize, 'UNIT_PROMPT', `token ${token} of ${vocabSize}`)
    for (let start = 0; start < tokens.length; start += maxSeqLen)
      for (const loss of await score([bosToken, ...tokens.slice(start, start + maxSeqLen)], signal)) sum += loss
    count += tokens.length
  }
  check(count >= 1, 'UNIT_PROMPT', 'a text without tokens has no perplexity')
  return Math.exp(sum / count)
}
