/** Order statistics. Medians throughout: on a shared machine, means follow the disturbances. */

export interface Spread {
  readonly median: number
  readonly q1: number
  readonly q3: number
  readonly min: number
  readonly max: number
  readonly count: number
}

/** Quantile by linear interpolation between order statistics. */
export function quantile(sorted: readonly number[], p: number): number {
  const at = (sorted.length - 1) * p
  const low = Math.floor(at)
  const high = Math.min(low + 1, sorted.length - 1)
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (at - low)
}

/** Undefined without values. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  const sorted = values.toSorted((a, b) => a - b)
  const [q1, median, q3] = [0.25, 0.5, 0.75].map((p) => quantile(sorted, p)) as [number, number, number]
  return { median, q1, q3, min: sorted[0]!, max: sorted.at(-1)!, count: sorted.length }
}

/** Samples by round; a round in which a row was not measured holds undefined. */
export type Samples = readonly (number | undefined)[]

/**
 * Ratios of two rows round by round: what disturbs the machine for longer than a round hits both sides and drops out. Rounds that
 * lack a side are left out. With `minus`, the numerator is a difference.
 */
export function ratios(numerator: Samples, denominator: Samples, minus?: Samples): number[] {
  return numerator.flatMap((value, round) => {
    const other = denominator[round]
    const less = minus === undefined ? 0 : minus[round]
    return value === undefined || less === undefined || other === undefined || other === 0
      ? []
      : [(value - less) / other]
  })
}
