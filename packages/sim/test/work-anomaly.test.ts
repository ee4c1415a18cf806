import { describe, expect, it } from 'vitest'
import { runJob, scenarioByName } from '../src/index.ts'

const measure = (param: string[], seed: number, set: string[] = []): Readonly<Record<string, number>> =>
  runJob({ scenario: 'work-anomaly', preset: 'nacre', set, param, seed }).metrics

const SEEDS = [1, 2, 3, 4, 5, 6]

describe('work-anomaly', () => {
  it.each(['asert', 'wtema'])('an honest chain under %s raises no alarm', (algorithm) => {
    for (const seed of SEEDS) {
      const metrics = measure(['speedUp=1', 'quietBlocks=1500', 'watchBlocks=1'], seed, [
        `difficulty.algorithm=${algorithm}`,
      ])
      expect(metrics).toMatchObject({ growthTimes: 1, falseAlarms: 0, outgrowsFoundPercent: 0, jumpFoundPercent: 0 })
    }
  })

  it('five times the speed for the same keys and asks is found within 70 blocks, under the real difficulty rule', () => {
    for (const seed of SEEDS) {
      const metrics = measure(['watchBlocks=60'], seed)
      expect(metrics).toMatchObject({ growthTimes: 5, outgrowsFoundPercent: 100, falseAlarms: 0 })
      expect(metrics.outgrowsBlocks).toBeLessThan(70)
      expect(metrics.outgrowsHours).toBeLessThan(2)
    }
  })

  it('the same work declared as it comes outgrows nothing, and is a jump all the same', () => {
    for (const seed of SEEDS)
      expect(measure(['asks=all', 'watchBlocks=80'], seed)).toMatchObject({
        outgrowsFoundPercent: 0,
        keyFoundPercent: 0,
        jumpFoundPercent: 100,
      })
  })

  it('behind fresh keys it is a jump', () => {
    for (const seed of SEEDS)
      expect(measure(['keys=fresh', 'watchBlocks=80'], seed)).toMatchObject({
        outgrowsFoundPercent: 0,
        jumpFoundPercent: 100,
      })
  })

  it('the curve of the implied work rate goes from 1 to the true growth', () => {
    const { series } = runJob({ scenario: 'work-anomaly', preset: 'nacre', set: [], param: [], seed: 1 })
    const { x, y } = series.workRate!
    expect(x).toHaveLength(100)
    const mean = (from: number, to: number): number => y.slice(from, to).reduce((a, b) => a + b, 0) / (to - from)
    expect(mean(20, 50)).toBeGreaterThan(0.8)
    expect(mean(20, 50)).toBeLessThan(1.25)
    expect(mean(60, 100)).toBeGreaterThan(4)
    expect(mean(60, 100)).toBeLessThan(6.25)
  })

  it('refuses what no run can hold', () => {
    const scenario = scenarioByName('work-anomaly')
    expect(scenario.params.keys).toMatchObject({ choices: ['known', 'new', 'fresh'] })
    expect(() => measure(['quietBlocks=100000', 'watchBlocks=100000', 'speedUp=1000'], 1)).toThrow(
      /more than the 2000000/,
    )
    expect(() => measure(['propagationMs=194000'], 1)).toThrow('propagationMs=194000 is not below block.timeMs=194000')
  })
})
