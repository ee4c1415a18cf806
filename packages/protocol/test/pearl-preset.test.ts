/** The presets `pearl` and `pearl-devnet` against the baseline's own functions (chapter 12). */
import { describe, expect, test } from 'vitest'
import {
  bitsFromTarget,
  diffParams,
  nextBits,
  overrideParams,
  type Params,
  paramWarnings,
  pearl,
  presetByName,
  presets,
  subsidy,
  targetFromBits,
} from '../src/index.ts'
import { rejected } from './rules/verbs.ts'

const { pearl: params } = presets
const devnet = presets['pearl-devnet']

test('pearl is what chapter 12 says: open provenance, the whole subsidy from the first block on, nothing burned', () => {
  const { bindings, block, emission, fees, network } = params
  const { provenance, ...others } = bindings
  expect([provenance, block.winnerCheck, params.jobs.paidDrawPpm]).toEqual(['open', 'none', 0])
  expect(new Set(Object.values(others))).toEqual(new Set(['off']))
  expect([block.timeMs, network.launchDelayMs]).toEqual([1000 * pearl.BLOCK_SECONDS, 0])
  expect([emission.ramp, emission.supplyGrains, BigInt(emission.curveBlocks)]).toEqual([
    'none',
    pearl.SUPPLY_GRAINS,
    pearl.EMISSION_BLOCKS,
  ])
  expect([emission.bootstrapFactorPpm, emission.mintCapPpm, emission.verifierSharePpm]).toEqual([1_000_000, 0, 0])
  expect([fees.burnPpm, fees.verifierPpm]).toEqual([0, 0])
})

test('its subsidy is Pearl’s, to the grain, at every height tried', () => {
  const far = [162_556, 650_226, 1_300_452, 10_000_000, 123_456_789, 2 ** 31 - 1, 2 ** 31]
  const some = Array.from({ length: 3000 }, (_, i) => (i * 715_827) % 2 ** 31)
  for (const height of [...Array(3000).keys(), ...some, ...far])
    expect(subsidy(params, height)).toBe(pearl.subsidy(height))
  // The hyperbolic curve rounds the sum, and so pays a grain more now and then.
  const hyperbolic = { ...params, emission: { ...params.emission, curve: 'hyperbolic' as const } }
  const more = [...Array(3000).keys()].filter((height) => subsidy(hyperbolic, height) !== pearl.subsidy(height))
  expect(more.length).toBeGreaterThan(0)
  for (const height of more) expect(subsidy(hyperbolic, height)).toBe(pearl.subsidy(height) + 1n)
})

test('its curve has neither ramp nor tail', () => {
  for (const line of ['emission.ramp=linear', 'emission.tailGrains=1'])
    rejected('PARAM_CONTRADICTION', () => overrideParams(params, [line]), 'emission.curve=pearl')
})

test('rules of the open lane are warned of where they have an effect, and nowhere else', () => {
  const legacy = ['open.seedRule=legacy']
  const paths = (of: Params): string[] => paramWarnings(of).filter((line) => line.startsWith('open.'))
  expect(paths(overrideParams(params, legacy)).map((line) => line.split(':')[0])).toEqual([
    'open.rankPenalty=off',
    'open.seedRule=legacy',
  ])
  expect(paths(overrideParams(params, ['open.rankPenalty=on']))).toEqual([])
  expect(paths(overrideParams(presets.nacre, legacy))).toEqual([])
})

describe('its difficulty', () => {
  const bits = 0x1b00ffff
  /** The bits after a block that took so many seconds. */
  const after = (seconds: number, start = bits, on: Params = params): number => {
    const headers = [
      { height: 5, timeMs: 1_000_000_000_000, bits: start },
      { height: 6, timeMs: 1_000_000_000_000 + 1000 * seconds, bits: start },
    ]
    return nextBits(on, headers)
  }

  test.each([0, 1, 193, 194, 195, 388, 10_000, 604_800, 604_994, 1_209_600, -100, -604_000, -604_800, -10_000_000])(
    'is Pearl’s after %d seconds, easiest target and hard ones',
    (seconds) => {
      for (const start of [bits, 0x1a123456, 0x1900ffff, bitsFromTarget(2n)])
        expect(after(seconds, start)).toBe(pearl.nextBits(start, seconds))
    },
  )

  test('is not clamped: a block a week late doubles the target, one dated a week early ends at 1', () => {
    const start = bitsFromTarget(targetFromBits(bits) / 8n)
    expect(targetFromBits(after(604_800 + 194, start))).toBe(2n * targetFromBits(start))
    expect(targetFromBits(after(-604_800, start))).toBe(1n)
    const clamped = { ...params, difficulty: { ...params.difficulty, algorithm: 'wtema' as const } }
    expect(targetFromBits(after(604_800 + 194, start, clamped))).toBeLessThan((9n * targetFromBits(start)) / 8n + 1n)
  })
})

test('pearl-devnet is pearl with the seconds, the targets and the faucet of devnet, and nothing else', () => {
  const changed = diffParams(params, devnet).map(({ path }) => path)
  const devnetOwn = diffParams(presets.nacre, presets.devnet).map(({ path }) => path)
  expect(changed.filter((path) => !devnetOwn.includes(path))).toEqual(['difficulty.maxTargetBits'])
  for (const { path, b } of diffParams(params, devnet)) {
    const ofDevnet = diffParams(presets.nacre, presets.devnet).find((line) => line.path === path)?.b
    if (!['network.name', 'difficulty.genesisBits', 'difficulty.maxTargetBits'].includes(path)) expect(b).toBe(ofDevnet)
  }
  expect(presetByName('pearl')).toBe(params)
})
