/** Likelihood ratios of "faster by a factor" against "as before". Each has mean 1 where nothing is faster. */

/** Factors that are tried, with equal weights. */
const FACTORS = [1.5, 2, 4, 8] as const

/**
 * Natural logarithm of the likelihood ratio that a Poisson process of unknown rate, with `before` events in an exposure of
 * `exposureBefore`, then had more than `times` its rate: `after` events in `exposureAfter`.
 *
 * The rate has no prior but scale (1 / rate), so the ratio of a factor f is f^b ((S + X) / (S + f X))^(a + b) with a = before,
 * b = after, S = exposureBefore, X = times * exposureAfter. Where the rate did not grow beyond `times` it is a
 * supermartingale in b that starts at 1, so the probability that it ever reaches A is at most 1/A (Ville's inequality).
 */
export function logGrowthLikelihood(
  before: number,
  exposureBefore: number,
  after: number,
  exposureAfter: number,
  times: number,
): number {
  const scaled = times * exposureAfter
  // Below the allowed rate no factor is likelier than 1.
  if (exposureBefore <= 0 || after * exposureBefore <= before * scaled) return Number.NEGATIVE_INFINITY
  return logMean(
    FACTORS.map(
      (factor) =>
        after * Math.log(factor) +
        (before + after) * Math.log((exposureBefore + scaled) / (exposureBefore + factor * scaled)),
    ),
  )
}

/** The same for the factor that makes it largest, beyond 1: an upper bound for any factor, and any `times` from 1 on. */
export function logBestGrowth(before: number, exposureBefore: number, after: number, exposureAfter: number): number {
  if (exposureBefore <= 0 || after * exposureBefore <= before * exposureAfter) return Number.NEGATIVE_INFINITY
  const all = before + after
  return (
    before * Math.log(before / exposureBefore) +
    after * Math.log(after / exposureAfter) -
    all * Math.log(all / (exposureBefore + exposureAfter))
  )
}

/** {@link logGrowthLikelihood} for a process whose expected number of events is known: f^events exp(-(f - 1) expected). */
export function logExcessLikelihood(events: number, expected: number): number {
  if (events <= expected) return Number.NEGATIVE_INFINITY
  return logMean(FACTORS.map((factor) => events * Math.log(factor) - (factor - 1) * expected))
}

/** log of the mean of exp(values). */
function logMean(values: readonly number[]): number {
  const most = Math.max(...values)
  return most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0) / values.length)
}
