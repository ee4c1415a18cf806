/** The arithmetic behind docs/results/swarm.md. */
import { describe, expect, it } from 'vitest'
import {
  accuracyOf,
  combinations,
  differenceInterval,
  type Sampled,
  shareInterval,
} from '../scripts/measure-swarm/statistics.ts'

const sampled = (...texts: string[]): Sampled[] => texts.map((text, i) => ({ text, score: -i }))

describe('accuracy of n of N samples', () => {
  it('of one is the share that is right', () => {
    expect(accuracyOf(sampled('a', 'b', 'a', 'c'), 'a', 1, 'majority')).toBe(0.5)
    expect(accuracyOf(sampled('a', 'b', 'a', 'c'), 'a', 1, 'score')).toBe(0.5)
  })
  it('of three is the mean over all four triples, ties going to the first', () => {
    // aba a, abc a (first), aac a, bac b (first).
    expect(accuracyOf(sampled('a', 'b', 'a', 'c'), 'a', 3, 'majority')).toBe(0.75)
    // Scores fall, so the first of each triple.
    expect(accuracyOf(sampled('a', 'b', 'a', 'c'), 'b', 3, 'score')).toBe(0.25)
    expect(accuracyOf(sampled('a', 'b', 'a', 'c'), 'c', 3, 'any')).toBe(0.75)
  })
  it('takes every subset once', () => {
    const all = [...combinations([1, 2, 3, 4, 5], 3)].map((subset) => subset.join(''))
    expect(all).toHaveLength(10)
    expect(new Set(all).size).toBe(10)
    expect(all).toContain('135')
  })
})

describe('intervals', () => {
  it('of a share are Wilson’s, and not empty where all are right', () => {
    const half = shareInterval([...Array(50).fill(1), ...Array(50).fill(0)])
    expect(half.value).toBe(0.5)
    expect(half.low).toBeCloseTo(0.4038, 4)
    expect(half.high).toBeCloseTo(0.5962, 4)
    const all = shareInterval(Array(100).fill(1))
    expect(all.high).toBe(1)
    expect(all.low).toBeCloseTo(0.963, 3)
  })
  it('of a difference hold the same questions against each other', () => {
    const same = differenceInterval([1, 0, 1, 0], [1, 0, 1, 0])
    expect(same).toEqual({ value: 0, low: 0, high: 0 })
    const better = differenceInterval([1, 1, 1, 0], [1, 0, 1, 0])
    expect(better.value).toBe(0.25)
    expect(better.low).toBeCloseTo(0.25 - 1.96 * 0.25, 3)
  })
})
