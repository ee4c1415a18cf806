/** Rates of work. Finding is a Poisson process: with exposures x at a rate R, R times the sum of n of them is Gamma(n). */
import type { DatedBlock, WorkRate } from './types.ts'

/** Quantile of the normal distribution: 95 % lie within this many deviations. */
export const Z_95 = 1.959964

/** The quantile of Gamma(shape, 1) at `z` deviations of the normal, by Wilson and Hilferty: within 0.2 % from shape 8 on. */
export function gammaQuantile(shape: number, z: number): number {
  const ninth = 1 / (9 * shape)
  return shape * Math.max(0, 1 - ninth + z * Math.sqrt(ninth)) ** 3
}

/** The sum of exposures of `blocks[from..to)`, in ms per MAC. */
export function exposureOf(blocks: readonly DatedBlock[], from: number, to: number): number {
  let sum = 0
  for (let i = from; i < to; i++) sum += blocks[i]!.exposure
  return sum
}

/**
 * The work rate over `blocks[from..to)`, at least one: n over the sum of time / work. It is not biased by difficulty that
 * follows the rate, and its interval is that of n events of a Poisson process.
 */
export function workRate(blocks: readonly DatedBlock[], from: number, to: number): WorkRate {
  const count = to - from
  const exposure = exposureOf(blocks, from, to)
  const perSecond = (events: number): number => (exposure > 0 ? (1000 * events) / exposure : 0)
  return {
    fromHeight: blocks[from]!.sample.height,
    toHeight: blocks[to - 1]!.sample.height,
    blocks: count,
    macsPerSecond: perSecond(count),
    lowMacsPerSecond: perSecond(gammaQuantile(count, -Z_95)),
    highMacsPerSecond: perSecond(gammaQuantile(count, Z_95)),
  }
}

/** How many times `before` the rate `after` is, with its interval at 95 %; the windows share no block. */
export function growthOf(before: WorkRate, after: WorkRate): { times: number; lowTimes: number; highTimes: number } {
  const times = before.macsPerSecond > 0 ? after.macsPerSecond / before.macsPerSecond : 0
  const spread = Math.exp(Z_95 * Math.sqrt(1 / before.blocks + 1 / after.blocks))
  return { times, lowTimes: times / spread, highTimes: times * spread }
}
