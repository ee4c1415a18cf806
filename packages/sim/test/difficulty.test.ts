import { describe, expect, it } from 'vitest'
import { runJob } from '../src/index.ts'

const measure = (set: string[], param: string[] = [], seed = 1): Readonly<Record<string, number>> =>
  runJob({ scenario: 'difficulty', preset: 'nacre', set, param, seed }).metrics

const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length

describe('steps of the hash rate', () => {
  // Each factor of 2 costs H / T blocks under asert, each factor of e under wtema (PROTOCOL section 9, BLK-6).
  it.each([
    ['asert', (28_800 / 194) * Math.log2(10)],
    ['wtema', (28_800 / 194) * Math.log(10)],
  ])('%s lets through the blocks that its half-life says', (algorithm, expected) => {
    const runs = [1, 2, 3, 4].map((seed) => measure([`difficulty.algorithm=${algorithm}`], ['hopHours=1'], seed))
    expect(mean(runs.map((run) => run.recoveredSteps!))).toBe(2)
    expect(Math.abs(mean(runs.map((run) => run.raisedSurplusBlocks!)) - expected)).toBeLessThan(25)
    expect(Math.abs(mean(runs.map((run) => run.loweredSurplusBlocks!)) + expected)).toBeLessThan(25)
    expect(Math.abs(mean(runs.map((run) => run.steadyBlockTimeS!)) - 194)).toBeLessThan(3)
  })

  it('does not recover within the phase from a half-life of a week', () => {
    const metrics = measure(['difficulty.algorithm=wtema', 'difficulty.halfLifeMs=604800000'], ['hopHours=1'])
    expect(metrics.recoveredSteps).toBe(0)
    expect(metrics.raisedRecoverHours).toBe(96)
  })
})

describe('hopping miners', () => {
  it('hold back where difficulty never suits them', () => {
    const metrics = measure([], ['enterBelow=0.01', 'leaveAbove=0.02', 'phaseHours=1', 'hopHours=48'])
    expect(metrics).toMatchObject({ hopperVisits: 0, hopperBlocksPercent: 0, hopperStolenPercent: 0, hopperYield: 1 })
  })

  it('are plain miners where difficulty always suits them', () => {
    const metrics = measure([], ['enterBelow=900', 'leaveAbove=1000', 'phaseHours=1', 'hopperFactor=1'])
    expect(metrics.hopperVisits).toBe(1)
    expect(metrics.hopperWorkPercent).toBeCloseTo(50, 9)
    expect(metrics.hopperStolenPercent).toBeCloseTo(0, 9)
  })

  it('gain when they come only in the valleys of a rule that swings', () => {
    const param = ['enterBelow=0.95', 'leaveAbove=1', 'phaseHours=1', 'hopperFactor=0.1']
    expect(measure([], param).hopperYield).toBeGreaterThan(1.02)
  })
})
