import { cumulativeEmission, overrideParams, presetByName } from '@nacre/protocol'
import { describe, expect, it } from 'vitest'
import { type Outcome, runJob } from '../src/index.ts'

const launch = (set: string[], param: string[] = [], seed = 1): Outcome =>
  runJob({ scenario: 'fair-launch', preset: 'nacre', set, param, seed })

const NO_RAMP = ['emission.ramp=none']
describe('emission without a ramp', () => {
  it.each([
    [7, 0.477],
    [30, 2.01],
    [365, 20.0],
  ])('after %d days it is %d percent of the supply', (days, percent) => {
    const params = overrideParams(presetByName('nacre'), NO_RAMP)
    const height = Math.floor((days * 86_400_000) / params.block.timeMs)
    const emitted = (100 * Number(cumulativeEmission(params, height))) / Number(params.emission.supplyGrains)
    expect(emitted).toBeCloseTo(percent, percent === 0.477 ? 3 : percent === 2.01 ? 2 : 1)
  })
})

describe('insider with ten times the kernel and a week of head start', () => {
  // Standard deviation of one run, in points of percent, over 12 seeds. Difficulty that follows at once and blocks without
  // delay are what the calculation without chance assumes.
  it.each([
    ['no ramp', ['emission.ramp=none'], 4.7, 0.042],
    ['the quadratic ramp', [], 0.2, 0.0122],
  ])('with %s gets what the calculation says, block by block too', (_name, set, percent, deviation) => {
    const { metrics } = launch([...set, 'difficulty.halfLifeMs=3104000'], ['propagationMs=0'])
    const expected = metrics.meanFieldSharePercent!
    expect(expected).toBeCloseTo(percent, 1)
    expect(Math.abs(metrics.insiderSharePercent! - expected)).toBeLessThan(3 * deviation)
  })
})

describe('what the insider gets', () => {
  const quick = ['horizonDays=60']

  it('is its part of the hardware where it has no advantage', () => {
    const { metrics } = launch(NO_RAMP, [
      ...['kernelFactor=1', 'headStartDays=0', 'insiderShare=0.2', 'publicStart=0.8', 'horizonDays=60'],
      'propagationMs=0',
    ])
    expect(metrics.meanFieldSharePercent).toBeCloseTo(20, 9)
    // 27,000 blocks: a standard error of 0.25 points.
    expect(Math.abs(metrics.insiderSharePercent! - 20)).toBeLessThan(1.2)
    expect(metrics.gini).toBeLessThan(0.012)
  })

  it('holds all while it mines alone, and grows with the kernel', () => {
    const slow = launch([], ['kernelFactor=1', ...quick]).metrics
    const fast = launch([], ['kernelFactor=10', ...quick]).metrics
    expect(fast.meanFieldSharePercent).toBeGreaterThan(3 * slow.meanFieldSharePercent!)
    expect(launch([], ['horizonDays=8']).series.insiderSharePercent!.y[40]).toBe(100)
  })

  it('includes premine and team share', () => {
    const team = `emission.teamAccount=${'ab'.repeat(20)}`
    const supply = presetByName('nacre').emission.supplyGrains
    const premine = launch([team, `emission.premineGrains=${supply / 10n}`], quick).metrics
    // The premine alone is a tenth of the whole supply, of which 60 days emit little.
    expect(premine.insiderSharePercent).toBeGreaterThan(80)
    const share = launch([team, 'emission.teamSharePpm=300000'], quick).metrics
    const none = launch([], quick).metrics
    const expected = 30 + 0.7 * none.meanFieldSharePercent!
    expect(share.meanFieldSharePercent).toBeCloseTo(expected, 6)
  })

  it('is less of all coins where the coinbase is split as in ECO-3', () => {
    const whole = launch([], quick).metrics
    const split = launch([], [...quick, 'coinbase=split']).metrics
    const ratio = split.meanFieldSharePercent! / whole.meanFieldSharePercent!
    // 98 % after the verifiers' share, half of it deferred, a little released.
    expect(ratio).toBeGreaterThan(0.48)
    expect(ratio).toBeLessThan(0.55)
  })
})
