/**
 * Every switch of a fork acts on a chain that runs: the figures in the state are what the switch alone says, written out here once more
 * (ECO-2, ECO-3, ECO-4, ECO-8, BLK-6).
 */
import { describe, expect, test } from 'vitest'
import { bitsFromTarget, targetFromBits } from '../src/difficulty/bits.ts'
import {
  type AppliedBlock,
  checkHeaderInContext,
  createContext,
  hexToBytes,
  overrideParams,
  type Params,
  presets,
  readAccount,
  readAmount,
  unitCorpus,
  unitModel,
} from '../src/index.ts'
import { mineBlock, TestChain, testKeys } from './chain-fixture.ts'
import { MINER, TestLedger } from './ledger-fixture.ts'
import { type MarketLedger, market, params } from './market-fixture.ts'
import { accepted, rejected } from './rules/verbs.ts'

const TEAM = 'ab'.repeat(20)
const PPM = 1_000_000n
const SUPPLY = presets.unit.emission.supplyGrains
/** The curve's constant in the tests: short, so that every era is reached. */
const LENGTH = 12n

/** A ledger after `blocks` bootstrap blocks. */
function run(set: Params, blocks: number): { ledger: TestLedger; applied: AppliedBlock[] } {
  const ledger = new TestLedger(set)
  const applied = Array.from({ length: blocks }, () => ledger.block())
  return { ledger, applied }
}
const emitted = (ledger: TestLedger): bigint => readAmount(ledger, 'emitted')

describe('curve, ramp and tail: what has been emitted after each block (ECO-2)', () => {
  /** C(h) without ramp and tail. */
  const curves: Record<string, (h: bigint) => bigint> = {
    hyperbolic: (h) => (SUPPLY * h) / (h + LENGTH),
    constant: (h) => (h < LENGTH ? (SUPPLY * h) / LENGTH : SUPPLY),
    linear: (h) => (h < LENGTH ? (SUPPLY * h * (2n * LENGTH - h)) / (LENGTH * LENGTH) : SUPPLY),
    halving: (h) => {
      const era = h / LENGTH
      // All eras before are full: S (1 - 2^-era); this one pays S 2^-(era + 1) over its length.
      const parts = 1n << (era + 1n)
      return (SUPPLY * ((parts - 2n) * LENGTH + (h % LENGTH))) / (parts * LENGTH)
    },
  }
  const BLOCKS = 30
  const set = (...lines: string[]): Params => params(`emission.curveBlocks=${LENGTH}`, 'emission.ramp=none', ...lines)

  test.each(Object.entries(curves))('%s', (curve, expected) => {
    const ledger = new TestLedger(set(`emission.curve=${curve}`))
    const seen = Array.from({ length: BLOCKS }, () => {
      ledger.block()
      return emitted(ledger)
    })
    expect(seen).toEqual(Array.from({ length: BLOCKS }, (_, i) => expected(BigInt(i + 1))))
    expect(ledger.audit().created).toBe(ledger.audit().held)
  })

  test.each([
    ['linear', (h: number) => (h * (h + 1)) / 2, 10],
    ['quadratic', (h: number) => (h * (h + 1) * (2 * h + 1)) / 6, 100],
  ])('a %s ramp of ten blocks delays the curve', (ramp, sum, scale) => {
    const { ledger } = run(set(`emission.ramp=${ramp}`, 'emission.rampBlocks=10'), 7)
    const [blocks, length] = [BigInt(sum(7)), LENGTH * BigInt(scale)]
    expect(emitted(ledger)).toBe((SUPPLY * blocks) / (blocks + length))
    expect(emitted(ledger)).toBeLessThan(curves.hyperbolic!(7n))
  })

  test.each(Object.keys(curves))('%s with a tail pays it when the curve pays less, and does not end', (curve) => {
    const tail = SUPPLY / 40n
    const { applied } = run(set(`emission.curve=${curve}`, `emission.tailGrains=${tail}`), BLOCKS)
    const subsidies = applied.map(({ summary }) => summary.subsidy)
    expect(subsidies.slice(-3)).toEqual([tail, tail, tail])
    expect(subsidies.every((subsidy) => subsidy >= tail)).toBe(true)
    expect(subsidies[0]).toBe(curves[curve]!(1n))
  })
})

describe('who gets it (ECO-2, ECO-3, ECO-8)', () => {
  const teamLines = (ppm: number): string[] => [`emission.teamSharePpm=${ppm}`, `emission.teamAccount=${TEAM}`]

  test('a premine is there before the first block, on the account of the team', () => {
    const grains = 123_456n
    const ledger = new TestLedger(params(`emission.premineGrains=${grains}`, `emission.teamAccount=${TEAM}`))
    expect(readAccount(ledger, hexToBytes(TEAM)).balance).toBe(grains)
    expect(readAmount(ledger, 'premine')).toBe(grains)
    expect(readAmount(new TestLedger(), 'premine')).toBe(0n)
  })

  test.each([0, 50_000, 300_000])(
    'a team share of %i ppm, a verifiers’ share and a factor divide each subsidy',
    (ppm) => {
      const [verifierPpm, factorPpm] = [40_000n, 250_000n]
      const lines = [`emission.verifierSharePpm=${verifierPpm}`, `emission.bootstrapFactorPpm=${factorPpm}`]
      const { ledger, applied } = run(params(...lines, ...(ppm > 0 ? teamLines(ppm) : [])), 6)
      let [verifiers, deferred, team, mined] = [0n, 0n, 0n, 0n]
      for (const [i, { summary }] of applied.entries()) {
        const toVerifiers = (summary.subsidy * verifierPpm) / PPM
        const toTeam = (summary.subsidy * BigInt(ppm)) / PPM
        const reward = summary.subsidy - toVerifiers - toTeam
        const toMiner = (reward * factorPpm) / PPM
        const release = deferred / BigInt(ledger.params.emission.curveBlocks)
        verifiers += toVerifiers
        deferred += reward - toMiner - release
        expect(summary.minerReward).toBe(toMiner + release)
        // Matured: three blocks after the block.
        if (i < 6 - ledger.params.block.maturityBlocks) {
          team += toTeam
          mined += toMiner + release
        }
      }
      expect(readAmount(ledger, 'verifierPool')).toBe(verifiers)
      expect(readAmount(ledger, 'deferred')).toBe(deferred)
      expect(readAccount(ledger, hexToBytes(TEAM)).balance).toBe(team)
      expect(ledger.balance(MINER)).toBe(mined)
      expect(team > 0n).toBe(ppm > 0)
    },
  )

  test('a factor of one defers nothing', () => {
    const { ledger } = run(params('emission.bootstrapFactorPpm=1000000'), 4)
    expect(readAmount(ledger, 'deferred')).toBe(0n)
  })

  test.each([2, 5])('a coinbase can be spent after %i blocks, and not one earlier', (wait) => {
    const set = params(`block.maturityBlocks=${wait}`, 'jobs.auditWindowBlocks=1', 'bonds.unbondingBlocks=5')
    const { ledger, applied } = run(set, wait)
    expect(ledger.balance(MINER)).toBe(0n)
    ledger.block()
    expect(ledger.balance(MINER)).toBe(applied[0]!.summary.minerReward)
  })
})

describe('fees of a job and the premium of its block (ECO-3, ECO-4)', () => {
  /** A job of the fixture, assigned, and delivered by the block that it wins. */
  function won(...lines: string[]): { ledger: MarketLedger; applied: AppliedBlock; promptBurn: bigint } {
    const ledger = market({ params: params(...lines) })
    const jobId = ledger.post()
    ledger.block()
    const { promptBurn } = ledger.job(jobId)
    const keys = ledger.rank(jobId, 0)
    const applied = ledger.block([ledger.tx(keys, ledger.receiptBody(jobId))], keys, ledger.paid(jobId))
    return { ledger, applied, promptBurn }
  }

  test('a mint cap of 0 pays a paid block like a bootstrap block; a higher one takes from what is deferred', () => {
    const [none, half, whole] = [0, 500_000, 1_000_000].map(
      (kappa) => won(`emission.mintCapPpm=${kappa}`).applied.summary,
    )
    const { subsidy, verifierShare } = none!
    const reward = subsidy - verifierShare
    expect(none!.deferred).toBe(reward - (reward * BigInt(presets.unit.emission.bootstrapFactorPpm)) / PPM)
    expect(half!.deferred).toBeLessThan(none!.deferred)
    expect(whole!.deferred).toBeLessThan(half!.deferred)
    // The premium is proportional to kappa, but for one grain of rounding.
    const premium = (summary: typeof none): bigint => none!.deferred - summary!.deferred
    expect(premium(whole) - 2n * premium(half)).toBeLessThanOrEqual(1n)
  })

  test.each([0, 200_000, 1_000_000])(
    'a burn of %i ppm of the prompt at once, of the answer when it settles',
    (burnPpm) => {
      const { ledger, promptBurn } = won(`fees.burnPpm=${burnPpm}`)
      expect(readAmount(ledger, 'burned')).toBe(promptBurn)
      expect(promptBurn > 0n).toBe(burnPpm > 0)
      const settled = Array.from({ length: 3 }, () => ledger.block().summary.settled).flat()[0]!
      const rest = settled.miner + settled.verifiers
      expect(settled.burned > 0n).toBe(burnPpm > 0)
      expect(rest > 0n).toBe(burnPpm < 1_000_000)
    },
  )

  test.each([0, 50_000, 500_000])('verifiers get %i ppm of what does not burn', (verifierPpm) => {
    const { ledger } = won(`fees.verifierPpm=${verifierPpm}`)
    const settled = Array.from({ length: 3 }, () => ledger.block().summary.settled).flat()[0]!
    expect(settled.verifiers).toBe(((settled.verifiers + settled.miner) * BigInt(verifierPpm)) / PPM)
  })
})

describe('launch and difficulty on real blocks (BLK-6)', () => {
  const miner = testKeys(1)
  const chainOf = (...lines: string[]): TestChain => {
    const easy = `difficulty.genesisBits=${presets.unit.difficulty.maxTargetBits}`
    return new TestChain(createContext(overrideParams(presets.unit, [easy, ...lines]), unitModel(), unitCorpus()))
  }

  test('wtema and asert answer late blocks by their own formula', () => {
    const hard = `difficulty.genesisBits=${0x1f00ffff}`
    const intervals = [1000, 2500, 700, 4000, 1000]
    const bitsOf = (algorithm: string): number[] => {
      const chain = chainOf(hard, `difficulty.algorithm=${algorithm}`)
      return intervals.map((intervalMs) => {
        const { base } = chain
        const timeMs = base.ancestry.recent.at(-1)!.timeMs + intervalMs
        const { block } = mineBlock({ ...base, keys: miner, timeMs })
        chain.add(block)
        return block.header.bits
      })
    }
    const { halfLifeMs } = presets.unit.difficulty
    const T = presets.unit.block.timeMs
    const genesis = targetFromBits(0x1f00ffff)
    let target = genesis
    const wtema = [0x1f00ffff, 0x1f00ffff]
    for (const intervalMs of intervals.slice(1, -1)) {
      const late = Math.min(intervalMs - T, halfLifeMs / 8)
      target = (target * BigInt(halfLifeMs + late)) / BigInt(halfLifeMs)
      target = targetFromBits(bitsFromTarget(target))
      wtema.push(bitsFromTarget(target))
    }
    expect(bitsOf('wtema')).toEqual(wtema)
    const asert = bitsOf('asert')
    expect(asert.slice(0, 2)).toEqual([0x1f00ffff, 0x1f00ffff])
    for (const i of [2, 3, 4]) {
      const lateMs = intervals.slice(1, i).reduce((sum, each) => sum + each - T, 0)
      const ratio = Number(targetFromBits(asert[i]!)) / Number(genesis)
      expect(ratio).toBeCloseTo(2 ** (lateMs / halfLifeMs), 3)
    }
    expect(asert).not.toEqual(wtema)
  })

  test('a launch delay moves the first block', () => {
    const { context, base } = chainOf('network.launchDelayMs=600000')
    const at = (delayMs: number) => {
      const { header } = mineBlock({ ...base, keys: miner, timeMs: context.genesis.header.timeMs + delayMs }).block
      return () => checkHeaderInContext(context, header, base.ancestry, header.timeMs)
    }
    rejected('BLOCK_BEFORE_LAUNCH', at(599_999))
    accepted(at(600_000))
  })
})
