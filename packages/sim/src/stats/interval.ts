/** Two-sided 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom. */
const T_975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
]
/** The same quantile of the normal distribution. */
const Z_975 = 1.959964

/** The 97.5 % quantile of Student's t; above 30 degrees of freedom by the Cornish-Fisher series, right to 4 digits. */
export function studentT975(degrees: number): number {
  if (!Number.isInteger(degrees) || degrees < 1) throw new RangeError(`${degrees} degrees of freedom`)
  const known = T_975[degrees - 1]
  if (known !== undefined) return known
  const z = Z_975
  return z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2)
}

/** Mean of a sample with its 95 % confidence interval. */
export interface Summary {
  readonly count: number
  readonly mean: number
  /** Standard deviation of the sample (n - 1); 0 for one value. */
  readonly deviation: number
  /** Half the width of the interval, mean +- half; undefined for one value, which says nothing about its spread. */
  readonly half: number | undefined
  readonly min: number
  readonly max: number
}

/** Student's interval: mean +- t(n - 1) * deviation / sqrt(n). It holds for means of independent runs. Throws RangeError for none. */
export function summarize(values: readonly number[]): Summary {
  const count = values.length
  if (count === 0) throw new RangeError('no values to summarize')
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const deviation = count > 1 ? Math.sqrt(squares / (count - 1)) : 0
  return {
    count,
    mean,
    deviation,
    half: count > 1 ? (studentT975(count - 1) * deviation) / Math.sqrt(count) : undefined,
    min: Math.min(...values),
    max: Math.max(...values),
  }
}
