/**
 * ECO-3: a bootstrap block pays the part w of R, a paid block a premium on top: at most what is withheld from a bootstrap block, and
 * at most kappa times what the unit's prompt fee burned over the unit's chance to win, and at most what is left of kappa times
 * everything that prompts have burned. So the expected premium of a unit never exceeds kappa of its own burn, whoever pays whom, and
 * however often a unit is drawn, all premiums together never exceed kappa times all burns. What is withheld is deferred and released
 * by and by.
 *
 *   R |------ w R ------|-- premium --|---- deferred ----|
 *                        min(R - w R, kappa * promptBurn * work / drawMacs, mintable)
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { targetFromBits, workOfTarget } from '../../src/difficulty/bits.ts'
import {
  bootstrapCoinbase,
  burnedOverMintedPpm,
  drawMacs,
  LANE_PAID,
  mintCap,
  paidCoinbase,
  usefulSharePpm,
} from '../../src/index.ts'
import { amountCodec, readAmount, readImmature } from '../../src/ledger/entries.ts'
import type { Params } from '../../src/params/types.ts'
import { MODEL, TEST_PARAMS } from '../ledger-fixture.ts'
import { market, PRICE, params } from '../market-fixture.ts'

const win = { promptBurn: 1_000_000n, work: 5_000_000n, drawMacs: 1_000_000, mintable: 1n << 63n }
const withKappa = (mintCapPpm: number): Params => ({
  ...TEST_PARAMS,
  emission: { ...TEST_PARAMS.emission, mintCapPpm },
})

test.each([
  [0, 0n],
  [500_000, 2_500_000n],
  [1_000_000, 5_000_000n],
  [2_000_000, 10_000_000n],
])('kappa of %d ppm: the premium of the example is at most %d grains', (ppm, cap) => {
  expect(mintCap(withKappa(ppm), win)).toBe(cap)
  const bootstrap = bootstrapCoinbase(withKappa(ppm), 500, 12_345n)
  const paid = paidCoinbase(withKappa(ppm), 500, 12_345n, win)
  expect(bootstrap.deferred).toBeGreaterThan(cap)
  expect(paid).toEqual({
    ...bootstrap,
    minerSubsidy: bootstrap.minerSubsidy + cap,
    premium: cap,
    deferred: bootstrap.deferred - cap,
  })
})

test('the premium ends where nothing more is withheld: a block never pays more than R', () => {
  const bootstrap = bootstrapCoinbase(TEST_PARAMS, 500, 0n)
  const paid = paidCoinbase(TEST_PARAMS, 500, 0n, { ...win, promptBurn: 1n << 60n })
  const premium = bootstrap.deferred
  expect(paid).toEqual({ ...bootstrap, minerSubsidy: bootstrap.minerSubsidy + premium, premium, deferred: 0n })
})

test('property: every part is accounted for, and premium * chance <= kappa * burn', () => {
  const ppm = fc.constantFrom(0, 1, 333_333, 500_000, 999_999, 1_000_000)
  fc.assert(
    fc.property(
      ppm,
      fc.bigInt(0n, 1n << 50n),
      fc.bigInt(0n, 1n << 50n),
      fc.bigInt(1n, 1n << 90n),
      fc.integer({ min: 0, max: 2 ** 40 }),
      fc.integer({ min: 1, max: 10_000 }),
      (kappa, promptBurn, mintable, work, macs, height) => {
        const parts = paidCoinbase(withKappa(kappa), height, 0n, { promptBurn, work, drawMacs: macs, mintable })
        const { minerSubsidy } = bootstrapCoinbase(withKappa(kappa), height, 0n)
        expect(parts.verifierShare + parts.teamShare + parts.minerSubsidy + parts.deferred).toBe(parts.subsidy)
        const premium = parts.minerSubsidy - minerSubsidy
        expect(premium).toBe(parts.premium)
        expect(premium >= 0n && premium <= mintable && parts.deferred >= 0n).toBe(true)
        // A unit wins with probability drawMacs / work.
        expect(premium * BigInt(macs) * 1_000_000n <= BigInt(kappa) * promptBurn * work).toBe(true)
      },
    ),
  )
})

test.each([0, 500_000, 1_000_000])('in the ledger, with kappa of %d ppm: the paid block of rank 0', (kappa) => {
  const ledger = market({ params: params(`emission.mintCapPpm=${kappa}`) })
  const jobId = ledger.post({ maxPrice: 2n * PRICE })
  ledger.block()
  const { promptBurn, promptTokens } = ledger.job(jobId)
  expect(promptBurn).toBeGreaterThan(0n)
  const miner = ledger.rank(jobId, 0)
  const deferredBefore = readAmount(ledger, 'deferred')
  const { summary } = ledger.block([ledger.tx(miner, ledger.receiptBody(jobId))], miner, ledger.paid(jobId))
  const bootstrap = bootstrapCoinbase(ledger.params, ledger.height, deferredBefore)
  const work = workOfTarget(targetFromBits(ledger.params.difficulty.genesisBits))
  const macs = BigInt(drawMacs(ledger.params, LANE_PAID, MODEL.config, ledger.params.models[0]!, promptTokens))
  const cap = (BigInt(kappa) * promptBurn * work) / (1_000_000n * macs)
  const mintable = (BigInt(kappa) * promptBurn) / 1_000_000n
  const premium = cap < mintable ? cap : mintable
  expect(premium > 0n).toBe(kappa > 0)
  expect(summary.premium).toBe(premium)
  expect(readAmount(ledger, 'mintable')).toBe(mintable - premium)
  expect(premium).toBeLessThan(bootstrap.deferred)
  expect(summary.minerReward).toBe(bootstrap.minerSubsidy + premium + bootstrap.release + 1000n)
  expect(readAmount(ledger, 'deferred')).toBe(deferredBefore - bootstrap.release + bootstrap.deferred - premium)
  expect(readImmature(ledger, ledger.height + ledger.params.block.maturityBlocks)[0]!.grains).toBe(summary.minerReward)
  const audit = ledger.audit()
  expect(audit.held).toBe(audit.created)
  const share = usefulSharePpm(ledger)
  expect(share).toBe(1_000_000n / BigInt(ledger.height))
  expect(burnedOverMintedPpm(ledger)).toBe((promptBurn * 1_000_000n) / readAmount(ledger, 'emitted'))
})

test('premiums come out of what all prompts burned: the burn of a job that won nothing pays for a later winner, once', () => {
  const ledger = market({ params: params('jobs.paidDrawPpm=10000') })
  const kappa = BigInt(ledger.params.emission.mintCapPpm)
  const idle = ledger.post({ maxPrice: 2n * PRICE })
  const first = ledger.post({ maxPrice: 2n * PRICE })
  ledger.block()
  const allowed = [idle, first].map((jobId) => (kappa * ledger.job(jobId).promptBurn) / 1_000_000n)
  const both = allowed[0]! + allowed[1]!
  expect(readAmount(ledger, 'mintable')).toBe(both)
  const rank = ledger.rank(first, 0)
  const { summary } = ledger.block([ledger.tx(rank, ledger.receiptBody(first))], rank, ledger.paid(first))
  // The cap by itself would allow far more: a paid ticket counts a hundredth here.
  expect(summary.premium).toBe(both)
  expect(readAmount(ledger, 'mintable')).toBe(0n)
  const second = ledger.post({ maxPrice: 2n * PRICE })
  ledger.block()
  const miner = ledger.rank(second, 0)
  const own = (kappa * ledger.job(second).promptBurn) / 1_000_000n
  const again = ledger.block([ledger.tx(miner, ledger.receiptBody(second))], miner, ledger.paid(second))
  expect(again.summary.premium).toBe(own)
  expect(readAmount(ledger, 'mintable')).toBe(0n)
})

test('a prompt shorter than a tile draws nothing, and a block that claims to be won by it has no premium', () => {
  const ledger = market()
  const jobId = ledger.post({ promptTokens: [1, 2, 3], maxPrice: 2n * PRICE })
  ledger.block()
  const miner = ledger.rank(jobId, 0)
  const { summary } = ledger.block([ledger.tx(miner, ledger.receiptBody(jobId))], miner, ledger.paid(jobId))
  expect(summary.premium).toBe(0n)
  expect(mintCap(ledger.params, { ...win, drawMacs: 0 })).toBe(0n)
})

test('a kappa far above 1 fills the entry and stops there', () => {
  const ledger = market({ params: params('emission.mintCapPpm=1000000000') })
  ledger.post()
  const full = (1n << 64n) - 1n
  ledger.entries.set('mintable', amountCodec.encode(full - 1n))
  ledger.block()
  expect(readAmount(ledger, 'mintable')).toBe(full)
})
