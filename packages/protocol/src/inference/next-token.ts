import { bigintFromLe, u32le } from '../bytes.ts'
import { taggedHash } from '../hash.ts'
import type { Model } from '../model/types.ts'
import { expF32, rmsNorm, storeFinite } from '../numerics/f32.ts'
import { linearRow } from '../numerics/linear.ts'
import { quantiseRow } from '../numerics/quantise.ts'
import type { Decoding } from '../unit/types.ts'

const f = Math.fround

/** Logits of all tokens from the final residual row; non-finite ones are +0. Length vocabSize. */
export function logitsOf(model: Model, finalRow: Float32Array): Float32Array {
  const a = quantiseRow(rmsNorm(finalRow, model.finalNorm, model.config.normEps))
  return storeFinite(linearRow(a.q, a.scale, model.head, 0, model.head.rows))
}

/**
 * The token that follows `position` (MOD-5).
 * @param finalRow h[nLayers] at `position`, length dModel. @param position of the row, not of the token.
 */
export function nextToken(model: Model, decoding: Decoding, finalRow: Float32Array, position: number): number {
  return chooseToken(logitsOf(model, finalRow), decoding, position)
}

/** The choice from finite logits, shared with faster engines: everything after the head's linear layer. */
export function chooseToken(logits: Float32Array, decoding: Decoding, position: number): number {
  let best = 0
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i
  return decoding.temperatureMilli === 0 ? best : sampleToken(logits, logits[best]!, decoding, position)
}

/**
 * Integer weights floor(f(exp(f(f(logit - max) / t)) * 2^24)), at least 2^24 in total because the best token has that
 * much, and a 64-bit draw u from (seed, position): the first index whose cumulative weight exceeds floor(u * total /
 * 2^64).
 */
function sampleToken(logits: Float32Array, max: number, decoding: Decoding, position: number): number {
  const t = f(decoding.temperatureMilli / 1000)
  const weights = Array.from(logits, (logit) => Math.floor(f(expF32(f(f(logit - max) / t)) * 2 ** 24)))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const draw = bigintFromLe(taggedHash('sampling', decoding.seed, u32le(position)).subarray(0, 8))
  return indexAtWeight(weights, Number((draw * BigInt(total)) >> 64n))
}

/** The first index whose cumulative weight exceeds `r`; -1 if the total does not. */
export function indexAtWeight(weights: readonly number[], r: number): number {
  let cumulative = 0
  return weights.findIndex((weight) => {
    cumulative += weight
    return cumulative > r
  })
}
