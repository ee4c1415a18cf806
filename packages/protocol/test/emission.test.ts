import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bootstrapCoinbase } from '../src/emission/coinbase.ts'
import { rampScale, scaledEffectiveBlocks } from '../src/emission/ramp.ts'
import { cumulativeEmission, emittedBy, MAX_HEIGHT, subsidy } from '../src/emission/subsidy.ts'
import { presets } from '../src/params/presets.ts'
import type { EmissionParams, Params } from '../src/params/types.ts'
import { emissionVectors } from './vectors/emission.ts'
import { asJson, storedVectors } from './vectors/vector-file.ts'

const withEmission = (emission: Partial<EmissionParams>, base: Params = presets.nacre): Params => ({
  ...base,
  emission: { ...base.emission, ...emission },
})

const smallEmission: fc.Arbitrary<Params> = fc
  .record({
    curve: fc.constantFrom('hyperbolic', 'halving', 'linear', 'constant'),
    ramp: fc.constantFrom('none', 'linear', 'quadratic'),
    supplyGrains: fc.oneof(fc.bigInt(1n, 5000n), fc.bigInt(1n, (1n << 63n) - 1n)),
    curveBlocks: fc.integer({ min: 1, max: 60 }),
    rampBlocks: fc.integer({ min: 1, max: 30 }),
    tailGrains: fc.oneof(fc.constant(0n), fc.bigInt(0n, 60n), fc.bigInt(0n, 1n << 60n)),
  } as const)
  .map((emission) => withEmission(emission))

/** The curve without closed forms or bisection, as a floor of exact fractions. */
function curveByHand(
  { curve, ramp, supplyGrains: s, curveBlocks, rampBlocks }: EmissionParams,
  height: number,
): bigint {
  const r = BigInt(rampBlocks)
  const power = ramp === 'none' ? 0n : ramp === 'linear' ? 1n : 2n
  let w = 0n
  for (let h = 1n; h <= BigInt(height); h++) w += (ramp === 'none' || h > r ? r : h) ** power
  const scale = r ** power
  const l = BigInt(curveBlocks) * scale
  switch (curve) {
    case 'hyperbolic':
    case 'pearl':
      return (s * w) / (w + l)
    case 'constant':
      return w > l ? s : (s * w) / l
    case 'linear':
      return w > l ? s : (s * (l * l - (l - w) * (l - w))) / (l * l)
    case 'halving': {
      let numerator = 0n // over l * 2^80
      for (let era = 1n; w > 0n && era <= 80n; era++, w -= l) numerator += (w > l ? l : w) << (80n - era)
      return (s * numerator) / (l << 80n)
    }
  }
}

describe('ECO-2 schedule', () => {
  test('reference values of the hyperbolic curve without ramp: a week, 30 days, a year of 194 s blocks', () => {
    const params = withEmission({ ramp: 'none' })
    const partOfSupply = (seconds: number): number => {
      const height = Math.floor(seconds / 194)
      return Number((cumulativeEmission(params, height) * 1_000_000n) / params.emission.supplyGrains) / 10_000
    }
    expect(partOfSupply(7 * 86_400)).toBeCloseTo(0.477, 3)
    expect(partOfSupply(30 * 86_400)).toBeCloseTo(2.01, 2)
    expect(partOfSupply(365 * 86_400)).toBeCloseTo(20.0, 1)
  })

  test('the quadratic ramp loses nothing: C tends to S, later by two thirds of the ramp', () => {
    const flat = withEmission({ ramp: 'none' })
    const ramped = withEmission({ ramp: 'quadratic' })
    const late = 40_640 - Math.round((40_640 * 40_641 * 81_281) / 6 / 40_640 ** 2)
    for (const height of [100_000, 1_000_000, 100_000_000]) {
      expect(cumulativeEmission(ramped, height)).toBeLessThanOrEqual(cumulativeEmission(flat, height - late + 1))
      expect(cumulativeEmission(ramped, height)).toBeGreaterThanOrEqual(cumulativeEmission(flat, height - late - 1))
    }
    const fast = withEmission({ curveBlocks: 1 })
    expect(fast.emission.supplyGrains - cumulativeEmission(fast, MAX_HEIGHT)).toBeLessThan(100_000_000n)
  })

  test('W is the sum of ramp(1..h)', () => {
    const { emission } = withEmission({ ramp: 'quadratic', rampBlocks: 3 })
    expect(rampScale(emission)).toBe(9n)
    expect([0n, 1n, 2n, 3n, 4n, 5n].map((h) => scaledEffectiveBlocks(emission, h))).toEqual([0n, 1n, 5n, 14n, 23n, 32n])
    const linear = { ...emission, ramp: 'linear' as const }
    expect([0n, 1n, 2n, 3n, 4n].map((h) => scaledEffectiveBlocks(linear, h))).toEqual([0n, 1n, 3n, 6n, 9n])
  })

  test('halving: half the supply in the first era, a quarter in the second, and less than a grain is never emitted', () => {
    const params = withEmission({ curve: 'halving', ramp: 'none', supplyGrains: 1600n, curveBlocks: 10 })
    expect([10, 20, 30, 15].map((h) => cumulativeEmission(params, h))).toEqual([800n, 1200n, 1400n, 1000n])
    expect([1, 10, 11, 20, 21].map((h) => subsidy(params, h))).toEqual([80n, 80n, 40n, 40n, 20n])
    expect(cumulativeEmission(params, MAX_HEIGHT)).toBe(1599n)
  })

  test('linear falls to zero, constant stops, both at exactly S', () => {
    const linear = withEmission({ curve: 'linear', ramp: 'none', supplyGrains: 100n, curveBlocks: 10 })
    expect([1, 2, 9, 10, 11].map((h) => subsidy(linear, h))).toEqual([19n, 17n, 3n, 1n, 0n])
    expect(cumulativeEmission(linear, 10)).toBe(100n)
    const constant = withEmission({ curve: 'constant', ramp: 'none', supplyGrains: 100n, curveBlocks: 10 })
    expect([1, 10, 11].map((h) => subsidy(constant, h))).toEqual([10n, 10n, 0n])
  })

  test('a tail starts after the ramp, and at the block whose step would be smaller', () => {
    const constant = withEmission({
      curve: 'constant',
      ramp: 'none',
      supplyGrains: 100n,
      curveBlocks: 10,
      tailGrains: 4n,
    })
    expect([9, 10, 11, 12].map((h) => subsidy(constant, h))).toEqual([10n, 10n, 4n, 4n])
    expect(cumulativeEmission(constant, 1010)).toBe(4100n)
    const ramped = withEmission({ ...constant.emission, ramp: 'linear', rampBlocks: 4, tailGrains: 9n })
    expect([1, 2, 3, 4, 5].map((h) => subsidy(ramped, h))).toEqual([2n, 5n, 8n, 10n, 10n])
  })

  test('property: closed forms equal the sums, C(h) = max(floor(curve(h)), C(h - 1) + tail) after the ramp', () => {
    fc.assert(
      fc.property(smallEmission, (params) => {
        const { emission } = params
        const end = emission.ramp === 'none' ? 0 : emission.rampBlocks
        let previous = 0n
        for (let height = 1; height <= 80; height++) {
          const curve = curveByHand(emission, height)
          const least = previous + emission.tailGrains
          const expected = emission.tailGrains > 0n && height > end && least > curve ? least : curve
          expect(cumulativeEmission(params, height)).toBe(expected)
          expect(subsidy(params, height)).toBe(expected - previous)
          previous = expected
        }
      }),
      { numRuns: 150 },
    )
  })

  test('property: the curve `pearl` rounds each block down and not their sum; what is emitted stays within a grain a block of it', () => {
    const shape = { supplyGrains: fc.bigInt(1n, (1n << 63n) - 1n), curveBlocks: fc.integer({ min: 1, max: 60 }) }
    fc.assert(
      fc.property(fc.record(shape), (emission) => {
        const params = withEmission({ ...emission, curve: 'pearl', ramp: 'none', tailGrains: 0n })
        const [s, l] = [emission.supplyGrains, BigInt(emission.curveBlocks)]
        let sum = 0n
        for (let height = 1; height <= 80; height++) {
          const h = BigInt(height)
          const step = (s * l) / ((h + l) * (h - 1n + l))
          sum += step
          expect(subsidy(params, height)).toBe(step)
          expect(emittedBy(params, height)).toBe(sum)
          const bound = cumulativeEmission(params, height)
          expect(bound).toBe((s * h) / (h + l))
          expect(bound >= sum && bound - sum < h).toBe(true)
        }
      }),
    )
    expect(emittedBy(presets.nacre, 1000)).toBe(cumulativeEmission(presets.nacre, 1000))
  })

  test('property: without a tail C never falls and never exceeds S', () => {
    fc.assert(
      fc.property(
        smallEmission,
        fc.array(fc.integer({ min: 0, max: MAX_HEIGHT }), { minLength: 2 }),
        (any, heights) => {
          const params = withEmission({ tailGrains: 0n }, any)
          let previous = 0n
          for (const height of heights.sort((a, b) => a - b)) {
            const now = cumulativeEmission(params, height)
            expect(now).toBeGreaterThanOrEqual(previous)
            expect(now).toBeLessThanOrEqual(params.emission.supplyGrains)
            previous = now
          }
        },
      ),
    )
  })

  test('genesis emits nothing; heights are checked', () => {
    for (const params of Object.values(presets)) {
      expect(cumulativeEmission(params, 0)).toBe(0n)
      expect(subsidy(params, 0)).toBe(0n)
      for (const height of [-1, 1.5, Number.NaN, MAX_HEIGHT + 1]) {
        expect(() => subsidy(params, height)).toThrow('BLOCK_HEIGHT')
        expect(() => cumulativeEmission(params, height)).toThrow('BLOCK_HEIGHT')
      }
    }
  })

  test('is fast at height 10^8: no loop over blocks', () => {
    const start = performance.now()
    for (const curve of ['hyperbolic', 'halving', 'linear', 'constant'] as const) {
      const params = withEmission({ curve, tailGrains: 1_000_000_000n })
      for (let i = 0; i < 100; i++) expect(subsidy(params, 100_000_000 + i)).toBe(1_000_000_000n)
    }
    expect(performance.now() - start).toBeLessThan(5000)
  })
})

describe('ECO-3 division of the subsidy', () => {
  test('bootstrap: verifiers 2 %, half of the rest to the miner, the other half deferred', () => {
    const parts = bootstrapCoinbase(presets.nacre, 40_641, 0n)
    expect(parts.subsidy).toBe(subsidy(presets.nacre, 40_641))
    expect(parts.verifierShare).toBe(parts.subsidy / 50n)
    expect(parts.minerSubsidy).toBe((parts.subsidy - parts.verifierShare) / 2n)
    expect(parts.teamShare).toBe(0n)
    expect(parts.release).toBe(0n)
  })

  test('release is floor(deferred before the block / curveBlocks)', () => {
    const release = (deferred: bigint): bigint => bootstrapCoinbase(presets.nacre, 10, deferred).release
    expect([0n, 650_225n, 650_226n, 1_300_452n].map(release)).toEqual([0n, 0n, 1n, 2n])
  })

  test('property: the parts sum up to the subsidy', () => {
    const ppm = fc.integer({ min: 0, max: 1_000_000 })
    fc.assert(
      fc.property(smallEmission, ppm, ppm, ppm, fc.integer({ min: 0, max: 200 }), (any, team, verifier, w, height) => {
        const params = withEmission(
          { teamSharePpm: team, verifierSharePpm: Math.min(verifier, 1_000_000 - team), bootstrapFactorPpm: w },
          any,
        )
        const parts = bootstrapCoinbase(params, height, 0n)
        const all = [parts.verifierShare, parts.teamShare, parts.minerSubsidy, parts.deferred]
        expect(all.reduce((a, b) => a + b)).toBe(parts.subsidy)
        for (const part of all) expect(part).toBeGreaterThanOrEqual(0n)
      }),
    )
  })
})

test('vectors/emission.json', () => {
  expect(asJson(emissionVectors())).toEqual(storedVectors('emission', emissionVectors))
})
