import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asertTarget } from '../src/difficulty/asert.ts'
import { bitsFromTarget, TARGET_LIMIT, targetFromBits, workOfTarget } from '../src/difficulty/bits.ts'
import { DIFFICULTY_ANCESTORS, type DifficultyHeader, medianTimePast, nextBits } from '../src/difficulty/next-bits.ts'
import { wtemaTarget } from '../src/difficulty/wtema.ts'
import { presets } from '../src/params/presets.ts'
import type { Params } from '../src/params/types.ts'
import {
  meanBlockTime,
  type SimulatedBlock,
  type Simulation,
  seededRandom,
  simulate,
  surplusBlocks,
  withDifficulty,
} from './difficulty-simulation.ts'
import { difficultyVectors } from './vectors/difficulty.ts'
import { asJson, storedVectors } from './vectors/vector-file.ts'

const header = (height: number, timeMs: number, bits: number): DifficultyHeader => ({ height, timeMs, bits })

describe('compact targets', () => {
  test('property: bits -> target -> bits is exact, target -> bits rounds down by less than 2^-15', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, TARGET_LIMIT - 1n), fc.integer({ min: 0, max: 255 }), (any, shift) => {
        const value = any >> BigInt(shift) || 1n
        const rounded = targetFromBits(bitsFromTarget(value))
        expect(bitsFromTarget(rounded)).toBe(bitsFromTarget(value))
        expect(rounded).toBeLessThanOrEqual(value)
        expect((value - rounded) << 15n).toBeLessThan(value)
      }),
    )
  })

  test('invalid forms are BLOCK_BITS', () => {
    const { invalidBits } = difficultyVectors() as { invalidBits: string[] }
    for (const bits of [...invalidBits.map(Number), -1, 1.5, 2 ** 32, Number.NaN])
      expect(() => targetFromBits(bits), String(bits)).toThrow('BLOCK_BITS')
    expect(() => bitsFromTarget(0n)).toThrow('BLOCK_BITS')
    expect(() => bitsFromTarget(TARGET_LIMIT)).toThrow('BLOCK_BITS')
  })

  test('work is floor(2^256 / (target + 1))', () => {
    expect(workOfTarget(TARGET_LIMIT - 1n)).toBe(1n)
    expect(workOfTarget(1n)).toBe(1n << 255n)
  })
})

describe('BLK-6 which rule applies', () => {
  const { nacre, devnet } = presets

  test('heights 1 and 2 use genesisBits, however late the launch', () => {
    for (const params of [nacre, devnet]) {
      const { genesisBits } = params.difficulty
      const genesis = header(0, params.network.genesisTimeMs, genesisBits)
      expect(nextBits(params, [genesis])).toBe(genesisBits)
      expect(nextBits(params, [genesis, header(1, genesis.timeMs + 10 ** 11, genesisBits)])).toBe(genesisBits)
    }
  })

  test('height 3 is the first that adjusts: from block 1 to block 2, genesis does not matter', () => {
    for (const params of [nacre, devnet]) {
      const { genesisBits } = params.difficulty
      const onTime = [header(1, 10 ** 12, genesisBits), header(2, 10 ** 12 + params.block.timeMs, genesisBits)]
      expect(nextBits(params, onTime)).toBe(genesisBits)
      expect(nextBits(params, [header(0, 0, genesisBits), ...onTime])).toBe(genesisBits)
      const early = [onTime[0]!, header(2, 10 ** 12, genesisBits)]
      expect(targetFromBits(nextBits(params, early))).toBeLessThan(targetFromBits(genesisBits))
    }
  })

  test('DIFFICULTY_ANCESTORS is enough, and without one of them it is BLOCK_PARENT_UNKNOWN', () => {
    for (const params of [nacre, devnet]) {
      const { algorithm, genesisBits } = params.difficulty
      const chain = Array.from({ length: 30 }, (_, i) => header(i, 10 ** 12 + i * params.block.timeMs, genesisBits))
      for (let height = 1; height <= chain.length; height++) {
        const needed = DIFFICULTY_ANCESTORS[algorithm](height).map((at) => chain[at]!)
        expect(nextBits(params, needed)).toBe(nextBits(params, chain.slice(0, height)))
        expect(needed.at(-1)!.height).toBe(height - 1)
      }
      expect(() => nextBits(params, [])).toThrow('BLOCK_PARENT_UNKNOWN')
      expect(() => nextBits(params, [chain[20]!])).toThrow('BLOCK_PARENT_UNKNOWN')
    }
  })

  test('median of up to eleven times, the upper one of an even number', () => {
    expect(medianTimePast([7])).toBe(7)
    expect(medianTimePast([9, 5])).toBe(9)
    expect(medianTimePast([4, 1, 3])).toBe(3)
    expect(medianTimePast([100, 100, ...Array.from({ length: 11 }, (_, i) => 11 - i)])).toBe(6)
    expect(() => medianTimePast([])).toThrow('BLOCK_PARENT_UNKNOWN')
  })
})

describe('BLK-6 wtema', () => {
  const params = withDifficulty(presets.nacre, 'wtema', 160)
  const T = params.block.timeMs
  const H = params.difficulty.halfLifeMs
  const old = 10n ** 40n

  test('new = old + (t - T) old / H, rounded down', () => {
    expect(wtemaTarget(params, old, T)).toBe(old)
    expect(wtemaTarget(params, old, 0)).toBe((old * 159n) / 160n)
    expect(wtemaTarget(params, old, 2 * T)).toBe((old * 161n) / 160n)
    expect(wtemaTarget(params, 3n, 2 * T)).toBe(3n)
  })

  test('t - T is clamped to +-H / 8, also for timestamps that go backwards', () => {
    expect(wtemaTarget(params, old, T + H / 8)).toBe((old * 9n) / 8n)
    expect(wtemaTarget(params, old, T + H / 8 + 1)).toBe((old * 9n) / 8n)
    expect(wtemaTarget(params, old, T + H / 8 - 1)).toBeLessThan((old * 9n) / 8n)
    expect(wtemaTarget(params, old, T - H / 8)).toBe((old * 7n) / 8n)
    expect(wtemaTarget(params, old, -(10 ** 15))).toBe((old * 7n) / 8n)
    expect(wtemaTarget(params, old, 10 ** 15)).toBe((old * 9n) / 8n)
  })

  test('property: the result is a target in [1, maxTarget] whatever the headers say', () => {
    const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
    fc.assert(
      fc.property(
        fc.bigInt(1n, TARGET_LIMIT >> 4n),
        time,
        time,
        fc.constantFrom('wtema', 'asert'),
        (any, a, b, rule) => {
          const bits = bitsFromTarget(any)
          const headers = [header(1, a, bits), header(8, b, bits), header(9, a, bits)]
          const next = targetFromBits(nextBits(withDifficulty(presets.nacre, rule, 160), headers))
          expect(next).toBeGreaterThanOrEqual(1n)
          expect(next).toBeLessThanOrEqual(1n << 252n)
        },
      ),
    )
  })
})

describe('BLK-6 asert', () => {
  const params = withDifficulty(presets.nacre, 'asert', 144)
  const T = params.block.timeMs
  const H = params.difficulty.halfLifeMs

  /** Rows of Bitcoin Cash's published aserti3-2d vectors: run, anchor bits, blocks since the anchor's parent, seconds, bits. */
  const PUBLISHED: [run: string, anchorBits: number, blocks: number, seconds: number, bits: number][] = [
    ['run02', 0x1a2b3c4d, 2, 1200, 0x1a2b3c4d],
    ['run03', 0x01010000, 11, 6600, 0x01010000],
    ['run05', 0x1d00ffff, 2, 0, 0x1d00fec5],
    ['run05', 0x1d00ffff, 290, 0, 0x1c7f62c0],
    ['run05', 0x1d00ffff, 578, 0, 0x1c3fb160],
    ['run05', 0x1d00ffff, 28802, 0, 0x100fec58],
    ['run05', 0x1d00ffff, 60770, 0, 0x021fd800],
    ['run05', 0x1d00ffff, 64514, 0, 0x01010000],
    ['run10', 0x1802aee8, 2, 1500, 0x1802afbb],
    ['run10', 0x1802aee8, 3, 2400, 0x1802b08f],
    ['run10', 0x1802aee8, 4, 3300, 0x1802b166],
    ['run10', 0x1802aee8, 6, 5100, 0x1802b30e],
    ['run10', 0x1802aee8, 11, 9600, 0x1802b73d],
  ]
  test.each(PUBLISHED)('Bitcoin Cash %s from bits %i, %i blocks, %i s', (_, anchorBits, blocks, seconds, bits) => {
    const cash: Params = {
      ...presets.nacre,
      block: { ...presets.nacre.block, timeMs: 600_000 },
      difficulty: { ...params.difficulty, halfLifeMs: 172_800_000 },
    }
    const next = asertTarget(cash, targetFromBits(anchorBits), seconds * 1000, blocks)
    expect(bitsFromTarget(next < 1n ? 1n : next)).toBe(bits)
  })

  test('exactly double after a half-life of lateness, exactly half when that early', () => {
    const anchor = BigInt('0x123456789abcdef0000000000000000000000000000000000000000')
    for (const k of [1, 2, 5, 20]) {
      expect(asertTarget(params, anchor, 100 * T + k * H, 100)).toBe(anchor << BigInt(k))
      expect(asertTarget(params, anchor, 100 * T - k * H, 100)).toBe(anchor >> BigInt(k))
    }
    expect(asertTarget(params, anchor, 100 * T, 100)).toBe(anchor)
  })

  test('between powers of two the cubic stays within 0.013 % of 2^x', () => {
    const anchor = 1n << 200n
    for (let step = 0; step < 64; step++) {
      const next = asertTarget(params, anchor, Math.round((step / 64) * H), 0)
      const exact = 2 ** (Math.round((step / 64) * H) / H)
      expect(Math.abs(Number(next) / Number(anchor) / exact - 1)).toBeLessThan(0.00015)
    }
  })

  test('absurd times neither hang nor allocate: the shift is bounded before it is made', () => {
    const far = Number.MAX_SAFE_INTEGER
    expect(asertTarget(params, 1n, far, 0)).toBe(1n << 512n)
    expect(asertTarget(params, TARGET_LIMIT - 1n, -far, 2 ** 31)).toBe(0n)
    const bits = params.difficulty.genesisBits
    expect(nextBits(params, [header(1, 0, bits), header(2, far, bits)])).toBe(params.difficulty.maxTargetBits)
    expect(nextBits(params, [header(1, far, bits), header(2, 0, bits)])).toBe(bitsFromTarget(1n))
  })

  test('the path does not matter: no rounding error adds up', () => {
    const bits = params.difficulty.genesisBits
    const slow = [header(1, 0, bits), header(99, 1, 0x1b00ffff), header(100, 99 * T, 0x1c00ffff)]
    expect(nextBits(params, slow)).toBe(bits)
  })
})

describe('BLK-6 in simulation', () => {
  const { nacre } = presets

  test.each([
    ['asert', 148, 1, 0.05],
    ['asert', 16, 1, 0.05],
    ['wtema', 148, 1, 0.05],
    // A clamp at 2 T cuts the tail of solve times, so that blocks take a little longer.
    ['wtema', 16, 1.09, 0.05],
  ] as const)(
    '%s with H = %i T settles at the block time through steps of the hash rate',
    (rule, ratio, mean, error) => {
      const params = withDifficulty(nacre, rule, ratio)
      const hashRate = (t: number): number => (t < 3000 ? 1 : t < 6000 ? 10 : 0.5)
      const chain = simulate({ params, blocks: 12_000, hashRate, random: seededRandom(2027) })
      const heightAt = (t: number): number => chain.findIndex((block) => block.nowMs / params.block.timeMs >= t)
      for (const [from, to] of [
        [500, 3000],
        [4000, 6000],
      ] as const)
        expect(Math.abs(meanBlockTime(params, chain, heightAt(from), heightAt(to)) - mean)).toBeLessThan(error)
      expect(Math.abs(meanBlockTime(params, chain, heightAt(8000), 12_000) - mean)).toBeLessThan(error)
    },
  )

  test.each([
    ['wtema', 148, 16, 148 * Math.log(16)],
    ['wtema', 148, 100, 148 * Math.log(100)],
    ['asert', 148, 16, 148 * Math.log2(16)],
    ['asert', 148, 100, 148 * Math.log2(100)],
  ] as const)(
    '%s, H = %i T: a first target %i times too easy gives H / T times its logarithm of surplus blocks',
    (rule, ratio, x, expected) => {
      const params = withDifficulty(nacre, rule, ratio)
      const chain = simulate({ params, blocks: 3000, hashRate: () => x })
      expect(Math.abs(surplusBlocks(params, chain) / expected - 1)).toBeLessThan(0.01)
    },
  )

  const stamps: Record<string, Simulation['stamp']> = {
    'always as early as allowed': (_, __, earliest) => earliest,
    'always as far ahead as allowed': (_, now) => now + 10 ** 12,
    'early and ahead in turns': (chain, now, earliest) => (chain.length % 2 === 0 ? earliest : now + 10 ** 12),
    'early six times, then five steps that the clamp counts in full': (chain, _, earliest) =>
      chain.length % 11 < 6 ? earliest : chain.at(-1)!.timeMs + stepMs,
  }
  const stepMs = (148 * nacre.block.timeMs) / 8 + nacre.block.timeMs
  const mine = (rule: 'wtema' | 'asert', stamp: string): { params: Params; chain: SimulatedBlock[] } => {
    const params = withDifficulty(nacre, rule, 148)
    return { params, chain: simulate({ params, blocks: 1500, stamp: stamps[stamp]! }) }
  }

  test.each(Object.keys(stamps))('asert: a miner of every block gains nothing by writing times %s', (stamp) => {
    const { params, chain } = mine('asert', stamp)
    expect(surplusBlocks(params, chain)).toBeLessThan(6)
  })

  test.each(Object.keys(stamps).slice(0, 3))(
    'wtema: a miner of every block gains nothing by writing times %s',
    (stamp) => {
      const { params, chain } = mine('wtema', stamp)
      expect(surplusBlocks(params, chain)).toBeLessThan(6)
    },
  )

  test('wtema, documented gap: whoever writes eleven times in a row eases the target, since one step back undoes five forward', () => {
    const { params, chain } = mine('wtema', 'early six times, then five steps that the clamp counts in full')
    expect(surplusBlocks(params, chain)).toBeGreaterThan(1000)
  })

  test.each([
    [16, 0.8, 1],
    [148, 1, 1.2],
  ] as const)(
    'wtema, H = %i T: with 60 %% of the blocks the same times give a mean block time of %f to %f T',
    (ratio, least, most) => {
      const params = withDifficulty(nacre, 'wtema', ratio)
      const step = params.difficulty.halfLifeMs / 8 + params.block.timeMs
      const owner = seededRandom(60)
      const stamp: Simulation['stamp'] = (chain, now, earliest) => {
        if (owner() >= 0.6) return now
        return chain.length % 11 < 6 ? earliest : chain.at(-1)!.timeMs + step
      }
      const chain = simulate({ params, blocks: 6000, random: seededRandom(1), stamp })
      const mean = meanBlockTime(params, chain, 0, 6000)
      expect(mean).toBeGreaterThan(least)
      expect(mean).toBeLessThan(most)
    },
  )
})

test('vectors/difficulty.json', () => {
  expect(asJson(difficultyVectors())).toEqual(storedVectors('difficulty', difficultyVectors))
})
