/** What n of N sampled answers are worth, and how sure that is. */
import { bestOf, majorityOf } from '@nacre/gateway'

export interface Sampled {
  readonly text: string
  /** Mean log-probability. */
  readonly score: number
}

/** Ways to make one answer of several; `any` is right if one of them is: what a perfect choice would reach. */
export const RULES = ['majority', 'score', 'any'] as const
export type Rule = (typeof RULES)[number]

/**
 * Expected accuracy, 0 to 1, of a rule on n of the samples: the mean over all subsets of n, each in the order of the samples, so that every
 * sample counts alike and no subset is chosen.
 */
export function accuracyOf(samples: readonly Sampled[], answer: string, n: number, rule: Rule): number {
  let right = 0
  let subsets = 0
  for (const subset of combinations(samples, n)) {
    subsets++
    if (isRight(subset, answer, rule)) right++
  }
  return right / subsets
}

function isRight(subset: readonly Sampled[], answer: string, rule: Rule): boolean {
  const texts = subset.map(({ text }) => text)
  if (rule === 'any') return texts.includes(answer)
  const { index } = majorityOf(texts)
  const scores = subset.map(({ score }) => score)
  return texts[rule === 'majority' ? index : bestOf(scores, 1)[0]!] === answer
}

/** All choices of n items, in order. */
export function* combinations<T>(items: readonly T[], n: number): Generator<readonly T[]> {
  if (n === 0) return yield []
  for (let first = 0; first <= items.length - n; first++)
    for (const rest of combinations(items.slice(first + 1), n - 1)) yield [items[first]!, ...rest]
}

export interface Interval {
  readonly value: number
  readonly low: number
  readonly high: number
}

const Z95 = 1.959964

export const mean = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0) / values.length

/**
 * Wilson's 95 % interval for a share of the questions. A question counts once, however many samples its value is the mean of: rather too
 * wide than too narrow, and never empty at 0 or 1.
 */
export function shareInterval(values: readonly number[]): Interval {
  const n = values.length
  const p = mean(values)
  const z2 = Z95 * Z95
  const centre = (p + z2 / (2 * n)) / (1 + z2 / n)
  const half = (Z95 * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n))) / (1 + z2 / n)
  return { value: p, low: Math.max(0, centre - half), high: Math.min(1, centre + half) }
}

/** The mean difference of two values of the same questions with its 95 % interval: differences between questions drop out. */
export function differenceInterval(after: readonly number[], before: readonly number[]): Interval {
  const differences = after.map((each, i) => each - before[i]!)
  const value = mean(differences)
  const variance = differences.reduce((sum, each) => sum + (each - value) ** 2, 0) / (differences.length - 1)
  const half = Z95 * Math.sqrt(variance / differences.length)
  return { value, low: value - half, high: value + half }
}
