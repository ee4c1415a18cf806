/** What the work monitor's figures rest on: rates with their intervals, likelihood ratios, shares, times of blocks. */
import { describe, expect, test } from 'vitest'
import { shareInterval } from '../src/monitor/concentration.ts'
import { dateBlock } from '../src/monitor/dating.ts'
import type { BlockSample, DatedBlock } from '../src/monitor/index.ts'
import { logGrowthLikelihood } from '../src/monitor/likelihood.ts'
import { exposureOf, gammaQuantile, workRate } from '../src/monitor/rate.ts'
import { BLOCK_TIME_MS, equalKeys, UNIT_MACS, workChain } from './support/work-chain.ts'

const dated = (samples: readonly BlockSample[]): DatedBlock[] => samples.flatMap((_, i) => dateBlock(samples, i) ?? [])

describe('estimates', () => {
  test('quantiles of the Gamma distribution are those of the chi-square table', () => {
    // Half of chi-square at 0.025 and 0.975 with 20, 32 and 100 degrees of freedom.
    for (const [shape, low, high] of [
      [10, 9.591 / 2, 34.17 / 2],
      [16, 18.291 / 2, 49.48 / 2],
      [50, 74.222 / 2, 129.561 / 2],
    ] as const) {
      expect(gammaQuantile(shape, -1.959964) / low).toBeCloseTo(1, 2)
      expect(gammaQuantile(shape, 1.959964) / high).toBeCloseTo(1, 2)
    }
  })

  test('a share has the interval of Wilson', () => {
    // 10 of 20: 0.2993 to 0.7007; 0 of 10: 0 to 0.2775.
    const half = shareInterval(10, 20)
    expect([half.share, half.lowShare, half.highShare].map((x) => x.toFixed(4))).toEqual(['0.5000', '0.2993', '0.7007'])
    const none = shareInterval(0, 10)
    expect([none.lowShare, none.highShare].map((x) => x.toFixed(4))).toEqual(['0.0000', '0.2775'])
  })

  test('the rate has no bias while difficulty follows it, and its interval covers 95 of 100', () => {
    const trueRate = (10 * UNIT_MACS * 1000) / BLOCK_TIME_MS
    let covered = 0
    let sum = 0
    const runs = 400
    for (let run = 0; run < runs; run++) {
      const blocks = dated(workChain(`rate ${run}`, [{ blocks: 75, speeds: equalKeys(10, 1) }]))
      const rate = workRate(blocks, blocks.length - 64, blocks.length)
      if (rate.lowMacsPerSecond <= trueRate && trueRate <= rate.highMacsPerSecond) covered++
      // 63 over a Gamma variable of shape 64 has mean 1.
      sum += (rate.macsPerSecond * 63) / 64 / trueRate
    }
    // Four standard errors of a share of 0.95 and of a mean whose relative deviation is 1 / sqrt(62).
    expect(Math.abs(covered / runs - 0.95)).toBeLessThan(0.044)
    expect(Math.abs(sum / runs - 1)).toBeLessThan(0.0255)
  })

  test('a likelihood ratio has mean 1 where nothing changed', () => {
    // 40 events in the baseline, then 10: simulated through the exposures of a chain of one key.
    let sum = 0
    const runs = 4000
    const blocks = dated(workChain('mean', [{ blocks: 50 * runs + 6, speeds: { k: 1 } }]))
    for (let run = 0; run < runs; run++) {
      const at = 50 * run
      const before = exposureOf(blocks, at, at + 40)
      const ratio = logGrowthLikelihood(40, before, 10, exposureOf(blocks, at + 40, at + 50), 1)
      // Where growth is not the better explanation at all the ratio is given as 0, so the mean is below 1.
      sum += Math.exp(ratio)
    }
    expect(sum / runs).toBeGreaterThan(0.5)
    expect(sum / runs).toBeLessThan(1.1)
  })
})

describe('dating', () => {
  const at = (times: readonly number[]): BlockSample[] =>
    times.map((timeMs, i) => ({ ...workChain('one', [{ blocks: 1, speeds: { k: 1 } }])[0]!, height: i + 1, timeMs }))

  test('honest times are taken as they are, the newest five wait, and the first block has no time before it', () => {
    const times = Array.from({ length: 30 }, (_, i) => 1000 * i * i)
    const samples = at(times)
    const known = samples.map((_, i) => dateBlock(samples, i))
    expect(known[0]).toBeUndefined()
    for (let i = 1; i < 25; i++) expect(known[i]!.exposure * UNIT_MACS).toBeCloseTo(times[i]! - times[i - 1]!, 6)
    expect(known.slice(25)).toEqual([undefined, undefined, undefined, undefined, undefined])
  })

  test('five lies in a row move no time beyond the honest ones around', () => {
    const times = Array.from({ length: 30 }, (_, i) => 1000 * i)
    for (let i = 10; i < 15; i++) times[i]! += 1_000_000
    const samples = at(times)
    for (let i = 1; i < 25; i++) expect(dateBlock(samples, i)!.exposure * UNIT_MACS).toBeLessThanOrEqual(6000)
  })
})
