import { describe, expect, it } from 'vitest'
import { createStream, gini, studentT975, summarize } from '../src/index.ts'
import { ticksBetween, withSpread } from '../src/report/svg.ts'

describe('confidence intervals', () => {
  it('has the quantiles of Student', () => {
    // Values of the standard table.
    expect(studentT975(1)).toBe(12.706)
    expect(studentT975(19)).toBe(2.093)
    expect(studentT975(40)).toBeCloseTo(2.0211, 3)
    expect(studentT975(120)).toBeCloseTo(1.9799, 3)
    expect(() => studentT975(0)).toThrow(RangeError)
  })

  it('summarizes a sample', () => {
    const { mean, deviation, half } = summarize([1, 2, 3, 4])
    expect(mean).toBe(2.5)
    expect(deviation).toBeCloseTo(Math.sqrt(5 / 3), 12)
    expect(half).toBeCloseTo((3.182 * Math.sqrt(5 / 3)) / 2, 12)
    expect(summarize([3]).half).toBeUndefined()
    expect(() => summarize([])).toThrow(RangeError)
  })

  it('covers the true mean in 95 of 100 samples', () => {
    const stream = createStream(1, 'coverage')
    const samples = 4000
    let covered = 0
    for (let i = 0; i < samples; i++) {
      const { mean, half } = summarize(Array.from({ length: 8 }, () => stream.uniform()))
      if (Math.abs(mean - 0.5) <= half!) covered++
    }
    // Five standard errors of a share of 0.95; uniform samples of 8 are close enough to normal ones.
    expect(Math.abs(covered / samples - 0.95)).toBeLessThan(0.0175)
  })
})

describe('gini', () => {
  it('is 0 for equal holdings, whatever the grouping', () => {
    expect(
      gini([
        { size: 3, amount: 6 },
        { size: 1, amount: 2 },
      ]),
    ).toBe(0)
    expect(gini([{ size: 1, amount: 0 }])).toBe(0)
  })

  it('is the share of those without for two groups, and follows the mean difference', () => {
    expect(
      gini([
        { size: 9, amount: 0 },
        { size: 1, amount: 5 },
      ]),
    ).toBeCloseTo(0.9, 12)
    const amounts = [1, 2, 4, 9]
    const differences = amounts.flatMap((a) => amounts.map((b) => Math.abs(a - b))).reduce((sum, d) => sum + d, 0)
    expect(gini(amounts.map((amount) => ({ size: 1, amount })))).toBeCloseTo(differences / (2 * 16 * 4), 12)
  })
})

describe('charts', () => {
  it('has round ticks that cover the range', () => {
    expect(ticksBetween(0, 4.83, 5)).toEqual([0, 1, 2, 3, 4, 5])
    expect(ticksBetween(-3, 2, 5)).toEqual([-3, -2, -1, 0, 1, 2])
    expect(ticksBetween(2, 2, 5).length).toBeGreaterThan(1)
  })

  it('writes means with two digits of their interval', () => {
    expect(withSpread(164_026.4, 14.78)).toBe('164026 ± 15')
    expect(withSpread(0.22953, 0.008751)).toBe('0.2295 ± 0.0088')
    expect(withSpread(4.732, 0)).toBe('4.732')
  })
})
