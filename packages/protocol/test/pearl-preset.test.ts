/** The presets `pearl` and `pearl-devnet` against the baseline's own functions (chapter 12). */
import { describe, expect, test } from 'vitest'
import {
  bitsFromTarget,
  diffParams,
  nextBits,
  type Params,
  pearl,
  presetByName,
  presets,
  subsidy,
  targetFromBits,
} from '../src/index.ts'

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

test('its subsidy is Pearl’s to the grain that rounding the sum instead of each block moves', () => {
  for (const height of [1, 2, 3, 1000, 162_556, 650_226, 1_300_452, 10_000_000, 2 ** 31]) {
    const difference = subsidy(params, height) - pearl.subsidy(height)
    expect(difference === 0n || difference === 1n).toBe(true)
  }
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
