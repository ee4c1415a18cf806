/** Intervals and tests of what was counted. */

/** A share of independent trials with its 95 % interval. */
export interface Share {
  readonly value: number
  readonly low: number
  readonly high: number
}

const Z_975 = 1.959964

/** Wilson's interval for `hits` of `trials`: not empty at none or all. */
export function wilson(hits: number, trials: number): Share {
  const p = hits / trials
  const z2 = Z_975 ** 2
  const centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
  const half = (Z_975 * Math.sqrt((p * (1 - p)) / trials + z2 / (4 * trials ** 2))) / (1 + z2 / trials)
  // At none and at all one end is exact, but for rounding.
  const [low, high] = [hits === 0 ? 0 : centre - half, hits === trials ? 1 : centre + half]
  return { value: p, low, high }
}

export interface ChiSquare {
  readonly statistic: number
  readonly degrees: number
  /** Chance of a statistic at least as large if the expectation holds. */
  readonly p: number
}

/** Sum of squared standard scores with `degrees` degrees of freedom. */
export function chiSquare(statistic: number, degrees: number): ChiSquare {
  return { statistic, degrees, p: upperGamma(degrees / 2, statistic / 2) }
}

/** Pearson's test of counts against expectations with the same sum; expectations below 5 make it unreliable. */
export function pearson(observed: readonly number[], expected: readonly number[]): ChiSquare {
  const statistic = observed.reduce((sum, count, i) => sum + (count - expected[i]!) ** 2 / expected[i]!, 0)
  return chiSquare(statistic, observed.length - 1)
}

/** Test of counts that are each binomial (trials, p): one degree of freedom for each, since p is given and not fitted. */
export function binomialCounts(counts: readonly number[], trials: number, p: number): ChiSquare {
  const [mean, variance] = [trials * p, trials * p * (1 - p)]
  return chiSquare(
    counts.reduce((sum, count) => sum + (count - mean) ** 2 / variance, 0),
    counts.length,
  )
}

/** Regularised upper incomplete gamma function Q(a, x): by its series below a + 1, by Lentz's continued fraction above. */
export function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1
  const front = Math.exp(a * Math.log(x) - x - logGamma(a))
  if (x < a + 1) {
    let term = 1 / a
    let sum = term
    for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-15; n++) {
      term *= x / (a + n)
      sum += term
    }
    return 1 - front * sum
  }
  const tiny = 1e-300
  let b = x + 1 - a
  let c = 1 / tiny
  let d = 1 / b
  let h = d
  for (let n = 1; n < 100_000; n++) {
    const an = -n * (n - a)
    b += 2
    d = 1 / nonZero(an * d + b, tiny)
    c = nonZero(b + an / c, tiny)
    h *= d * c
    if (Math.abs(d * c - 1) < 1e-14) break
  }
  return front * h
}

const nonZero = (value: number, tiny: number): number => (Math.abs(value) < tiny ? tiny : value)

/** Lanczos's approximation (g = 7, n = 9), right to about 15 digits for positive arguments. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
]
export function logGamma(z: number): number {
  if (z < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * z)) - logGamma(1 - z)
  const x = z - 1
  const t = x + 7.5
  const sum = LANCZOS.reduce((total, c, i) => total + (i === 0 ? c : c / (x + i)), 0)
  return 0.5 * Math.log(2 * Math.PI) + (x + 0.5) * Math.log(t) - t + Math.log(sum)
}

/** Least k with P(X > k) <= 1 - q, where `survival(k)` is P(X > k): the q-quantile of a number of trials. */
export function quantileOf(survival: (k: number) => number, q: number, most = 1_000_000): number {
  for (let k = 1; k < most; k++) if (survival(k) <= 1 - q) return k
  return most
}
