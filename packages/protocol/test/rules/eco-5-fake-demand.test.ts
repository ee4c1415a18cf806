/**
 * ECO-5: paying oneself loses, at any price and any share of the network. A client that is also a miner with the share a of the
 * weight gets its own job with probability a; then the miner's part of its fee comes back, and the unit may win the premium of
 * ECO-3. Otherwise the whole fee is gone. All numbers are exact: the fee as the ledger divides it, the premium at its largest.
 *
 *   a = 1, owning the verifiers too:   fee  =  burn + miner + verifiers      loss = burn - E[premium] >= (1 - kappa) burn
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { partOf } from '../../src/emission/coinbase.ts'
import { divideFee, drawMacs, jobFee, LANE_PAID, mintCap, promptFee } from '../../src/index.ts'
import type { Params } from '../../src/params/types.ts'
import { MODEL, TEST_MODELS, TEST_PARAMS } from '../ledger-fixture.ts'
import { CLIENT, market, PRICE, params } from '../market-fixture.ts'

const PPM = 1_000_000n

interface FakeJob {
  readonly params: Params
  readonly price: bigint
  readonly promptTokens: number
  readonly newTokens: number
  readonly work: bigint
  readonly ownsVerifiers: boolean
}

/** Grains of one job that its client mines itself: what it pays, what comes back, and the expected premium scaled by work. */
function selfDealt(job: FakeJob): { fee: bigint; back: bigint; premiumTimesWork: bigint } {
  const { price, promptTokens, newTokens, work } = job
  const shape = { promptTokens, maxNewTokens: newTokens }
  const fee = jobFee(job.params, MODEL.config, shape, price)
  const promptBurn = partOf(promptFee(job.params, MODEL.config, promptTokens, price), job.params.fees.burnPpm)
  const record = { modelId: MODEL.modelId, maxNewTokens: newTokens, price, held: fee - promptBurn }
  const parts = divideFee({ params: job.params, models: TEST_MODELS }, record, newTokens)
  const macs = drawMacs(job.params, LANE_PAID, MODEL.config, job.params.models[0]!, promptTokens)
  // The chance that a unit wins is at most drawMacs / work.
  const premiumTimesWork = mintCap(job.params, { promptBurn, work, drawMacs: macs }) * BigInt(macs)
  return { fee, back: parts.miner + (job.ownsVerifiers ? parts.verifiers : 0n), premiumTimesWork }
}

/** Expected profit with share `aPpm`, times work and 10^6. */
function profit(job: FakeJob, aPpm: bigint): bigint {
  const { fee, back, premiumTimesWork } = selfDealt(job)
  return aPpm * (back * job.work + premiumTimesWork) - PPM * fee * job.work
}

const job: fc.Arbitrary<Omit<FakeJob, 'params'>> = fc.record({
  price: fc.bigInt(10_000n, 1n << 50n),
  promptTokens: fc.integer({ min: 1, max: 32 }),
  newTokens: fc.integer({ min: 1, max: 16 }),
  work: fc.bigInt(1_000_000n, 1n << 80n),
  ownsVerifiers: fc.boolean(),
})

test.each([100_000n, 330_000n, 1_000_000n])('with a share of %d ppm every fake job loses, whatever its price', (a) => {
  fc.assert(
    fc.property(job, (each) => {
      const fake = { ...each, params: TEST_PARAMS }
      // Fees of a few grains burn nothing, being rounded down: then there is no premium either.
      const isDust = selfDealt(fake).fee < 20n
      expect(profit(fake, a) < (isDust ? 1n : 0n)).toBe(true)
    }),
  )
})

test('what comes back is at most a (1 - beta)(1 - nu) of the fee, a (1 - beta) with the verifiers', () => {
  const { burnPpm, verifierPpm } = TEST_PARAMS.fees
  fc.assert(
    fc.property(job, (each) => {
      const { fee, back } = selfDealt({ ...each, params: TEST_PARAMS })
      const kept = (PPM - BigInt(burnPpm)) * (each.ownsVerifiers ? PPM : PPM - BigInt(verifierPpm))
      expect(back * PPM * PPM <= fee * kept + 3n * PPM * PPM).toBe(true) // three amounts are rounded down
    }),
  )
})

test('at a = 1, owning the verifiers, the loss is at least (1 - kappa) of the burn', () => {
  fc.assert(
    fc.property(job, fc.constantFrom(0, 500_000, 999_000), (each, mintCapPpm) => {
      const own: FakeJob = { ...each, params: params(`emission.mintCapPpm=${mintCapPpm}`), ownsVerifiers: true }
      const { fee, back } = selfDealt(own)
      const burned = fee - back
      expect(-profit(own, PPM) >= (PPM - BigInt(mintCapPpm)) * burned * own.work).toBe(true)
    }),
  )
})

test('the toggles show what breaks: no burn, or a cap above the burn', () => {
  const fake = { price: PRICE, promptTokens: 32, newTokens: 1, work: 10n ** 9n, ownsVerifiers: true }
  expect(profit({ ...fake, params: TEST_PARAMS }, PPM) < 0n).toBe(true)
  expect(profit({ ...fake, params: params('fees.burnPpm=0') }, PPM)).toBe(0n)
  const uncapped = params('emission.mintCapPpm=4000000', 'jobs.inputPricePpm=1000000')
  expect(profit({ ...fake, params: uncapped }, PPM) > 0n).toBe(true)
})

test('refund abuse: a client that lets its own job lapse pays the prompt burn, and its miner key loses its place', () => {
  const ledger = market({ asks: [{}] })
  const before = ledger.balance(CLIENT)
  const jobId = ledger.post()
  ledger.block()
  const { promptBurn } = ledger.job(jobId)
  const missed = [1, 2].flatMap(() => ledger.block().summary.missed)
  expect(missed).toHaveLength(1)
  expect(ledger.balance(CLIENT)).toBe(before - 1000n - promptBurn)
  expect(promptBurn).toBeGreaterThan(0n)
})
