/**
 * ECO-7: per block and model one uniform-price call auction between jobs and standing asks. Whoever trades does so at one price,
 * which no bid exceeds its maximum for and no ask undercuts. Check values: vectors/market.json.
 *
 *   bids   10  9  7  4          asks   3  5  8         (each of one unit)
 *           x  x                        x  x
 *   the lowest bid that trades is 9, the highest ask needed 5: all pay 7
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  callAuction,
  callBandedAuction,
  callWeighedAuction,
  crossRatePpm,
  leastPrice,
  nextReferencePrice,
  readAsks,
  readCleared,
  readMarket,
  readOpenJobs,
  transactionIdOfBytes,
  weightAt,
  weightKey,
} from '../../src/index.ts'
import { MODEL_HEX } from '../ledger-fixture.ts'
import {
  askBody,
  CLIENT,
  jobBody,
  type MarketLedger,
  market,
  minerKeys,
  OTHER_CLIENT,
  PRICE,
  params,
} from '../market-fixture.ts'
import { accepted, filled, rejected } from './verbs.ts'

/** The least bid that the tests post. */
const MIN_BID = PRICE / 100n

const each = (...prices: number[]) => prices.map((price) => ({ price: BigInt(price), macs: 1n }))

test('the example above', () => {
  expect(callAuction(each(10, 9, 7, 4), each(5, 8, 3), 9)).toEqual({
    filled: [0, 1],
    price: 7n,
    volumeMacs: 2n,
    bidPrice: 9n,
    askPrice: 5n,
  })
})

test('where nothing trades, best bid and best ask are the spread, and there is no price', () => {
  const none = { filled: [], price: 0n, volumeMacs: 0n }
  expect(callAuction(each(4), each(6, 5), 9)).toEqual({ ...none, bidPrice: 4n, askPrice: 5n })
  expect(callAuction([], each(6), 9)).toEqual({ ...none, bidPrice: 0n, askPrice: 6n })
  expect(callAuction(each(4), [], 9)).toEqual({ ...none, bidPrice: 4n, askPrice: 0n })
})

test('ties go to the earlier position, a job that does not fit is passed over, and no block clears more than its limit', () => {
  expect(callAuction(each(5, 5, 5), each(1, 1), 9).filled).toEqual([0, 1])
  const sizes = [
    { price: 9n, macs: 10n },
    { price: 8n, macs: 2n },
    { price: 7n, macs: 1n },
  ]
  expect(callAuction(sizes, [{ price: 1n, macs: 3n }], 9).filled).toEqual([1, 2])
  expect(callAuction(each(5, 6, 7), each(1, 1, 1), 2).filled).toEqual([2, 1])
})

test('property: nobody pays more or gets less than it said, and the supply at the price holds the volume', () => {
  const side = fc.array(fc.record({ price: fc.bigInt(1n, 40n), macs: fc.bigInt(0n, 9n) }), { maxLength: 12 })
  fc.assert(
    fc.property(side, side, fc.integer({ min: 1, max: 12 }), fc.bigInt(0n, 40n), (bids, offers, most, least) => {
      const jobs = bids.map(({ price, macs }) => ({ price, macs: macs + 1n }))
      const { filled, price, volumeMacs, bidPrice, askPrice } = callAuction(jobs, offers, most, least)
      if (filled.length > 0) expect(askPrice <= price && price <= bidPrice && price >= least).toBe(true)
      expect(new Set(filled).size).toBe(filled.length)
      expect(filled.length).toBeLessThanOrEqual(most)
      expect(volumeMacs).toBe(filled.reduce((sum, i) => sum + jobs[i]!.macs, 0n))
      for (const i of filled) expect(jobs[i]!.price).toBeGreaterThanOrEqual(price)
      const supply = offers.reduce((sum, offer) => (offer.price <= price ? sum + offer.macs : sum), 0n)
      expect(supply >= volumeMacs).toBe(true)
      // A bid above the price that does not trade does not fit in, or there is no room in the block.
      jobs.forEach((job, i) => {
        if (filled.includes(i) || job.price <= price || job.price < least || filled.length === most) return
        const atBid = offers.reduce((sum, offer) => (offer.price <= job.price ? sum + offer.macs : sum), 0n)
        const better = filled.reduce(
          (sum, j) =>
            jobs[j]!.price > job.price || (jobs[j]!.price === job.price && j < i) ? sum + jobs[j]!.macs : sum,
          0n,
        )
        expect(better + job.macs > atBid).toBe(true)
      })
    }),
  )
})

test('the reference price follows by a twentieth per block at most, and by a grain at least', () => {
  const next = (reference: bigint, price: bigint) => nextReferencePrice(reference, price, 50_000)
  expect(next(0n, 700n)).toBe(700n)
  expect([next(1000n, 2000n), next(1000n, 1n), next(1000n, 1049n)]).toEqual([1050n, 950n, 1049n])
  expect([next(3n, 100n), next(3n, 1n)]).toEqual([4n, 2n])
  expect(crossRatePpm(300n, 200n)).toBe(1_500_000n)
  expect(crossRatePpm(300n, 0n)).toBe(0n)
})

test('the band: bids below what one block can move the reference to wait, and no price is below it', () => {
  expect([leastPrice(0n, 50_000), leastPrice(1000n, 50_000), leastPrice(3n, 50_000), leastPrice(1n, 50_000)]).toEqual([
    0n,
    950n,
    2n,
    0n,
  ])
  const call = callAuction(each(120, 100, 40), each(1, 1, 1), 9, 95n)
  expect(call).toEqual({ filled: [0, 1], price: 95n, volumeMacs: 2n, bidPrice: 100n, askPrice: 1n })
  expect(callAuction(each(120, 100), each(1, 96), 9, 95n).price).toBe(98n)
  expect(callAuction(each(95), each(1), 9, 95n)).toMatchObject({ filled: [0], price: 95n })
  expect(callAuction(each(94), each(1), 9, 95n)).toMatchObject({ filled: [], price: 0n, bidPrice: 94n, askPrice: 1n })
})

test('the reference follows the call within the band, unless all bids would trade more than twice as much', () => {
  const followed = (bids: number[], asks: number[], least: bigint) =>
    callBandedAuction(each(...bids), each(...asks), 9, least).followed
  expect(followed([120, 100], [90, 90], 95n)).toBe(95n)
  expect(followed([], [90], 95n)).toBe(0n)
  expect(followed([80], [90], 95n)).toBe(0n)
  // Nothing within the band trades, but below it would: the market has fallen.
  expect(followed([80], [60], 95n)).toBe(70n)
  // One bid of three within the band against one of two.
  expect(followed([200, 80, 80], [60, 60, 60], 95n)).toBe(70n)
  expect(followed([200, 80], [60, 60], 95n)).toBe(130n)
})

test('keys with weight set the price; the others do only where those fill nothing', () => {
  const offer = (price: number, hasWeight: boolean) => ({ price: BigInt(price), macs: 1n, hasWeight })
  const call = (bids: number[], offers: ReturnType<typeof offer>[], least = 0n) => {
    const { clearing, followed } = callWeighedAuction(each(...bids), offers, 9, least)
    return { filled: clearing.filled, price: clearing.price, ask: clearing.askPrice, followed }
  }
  const both = [offer(1, false), offer(10, true)]
  expect(call([12, 12], both)).toEqual({ filled: [0], price: 11n, ask: 10n, followed: 11n })
  expect(call([8], both)).toEqual({ filled: [0], price: 4n, ask: 1n, followed: 4n })
  expect(call([12, 12], [offer(1, false), offer(10, false)])).toMatchObject({ filled: [0, 1], price: 11n, ask: 10n })
  // One ask with weight at an absurd price does not close the market to the others.
  expect(call([12], [offer(1, false), offer(10 ** 9, true)])).toMatchObject({ filled: [0], price: 6n })
  // Nor does one that would trade below the band only.
  expect(call([12, 5], [offer(1, false), { ...offer(4, true), macs: 0n }], 9n)).toMatchObject({
    filled: [0],
    price: 9n,
  })
})

test('a key without a win that undercuts is no only candidate: the job is paid at the price of who has one, and drawn with it', () => {
  const asks = [{ price: PRICE }, { price: PRICE - PRICE / 50n }]
  const ledger = market({ asks })
  const established = minerKeys(0)
  ledger.block([], established)
  ledger.blocks(ledger.params.block.maturityBlocks)
  expect(weightAt(ledger.params, ledger, established.publicKey, ledger.height)).toBeGreaterThan(0n)
  const jobId = ledger.post({ expiryHeight: ledger.height + 20 })
  expect(ledger.job(jobId).price).toBe(PRICE)
  ledger.block()
  const ranks = ledger.job(jobId).ranks.map((_, rank) => ledger.rank(jobId, rank))
  expect(new Set(ranks)).toEqual(new Set([established, minerKeys(1)]))
})

test('a cheap ask and a low bid in one hand do not pull the price below what others ask', () => {
  const ledger = market({ asks: [{ price: PRICE / 2n }, { price: PRICE / 2n }, { price: 1n }] })
  // Honest bids and asks first make a reference; the third miner's ask comes later.
  ledger.block([ledger.tx(minerKeys(2), askBody({ capacityMacs: 0n, price: 0n }))])
  ledger.blocks(1)
  ledger.post()
  const { referencePrice } = readMarket(ledger, MODEL_HEX)
  expect(referencePrice).toBe((3n * PRICE) / 4n)
  ledger.block([ledger.tx(minerKeys(2), askBody({ price: 1n }))])
  const { summary } = ledger.block([
    ledger.tx(CLIENT, jobBody()),
    ledger.tx(OTHER_CLIENT, jobBody({ maxPrice: MIN_BID })),
  ])
  const [clearing] = summary.clearings
  expect(clearing!.jobIds).toEqual([summary.transactionIds[0]])
  expect(clearing!.price).toBe(leastPrice(referencePrice, ledger.params.jobs.referenceMovePpm))
  // All three asks are candidates for the job, and the low bid still waits.
  expect(readAsks(ledger, MODEL_HEX).map(({ price }) => price <= clearing!.price)).toEqual([true, true, true])
  expect(readOpenJobs(ledger, MODEL_HEX).map(({ maxPrice }) => maxPrice)).toEqual([MIN_BID])
})

test('a market that falls to a fifth is followed, a twentieth a block, and clears again', () => {
  const ledger = market({ asks: [{ price: 1n }] })
  const first = ledger.post({ maxPrice: 10n * PRICE })
  const start = readMarket(ledger, MODEL_HEX).referencePrice
  const low = ledger.tx(CLIENT, jobBody({ maxPrice: PRICE, expiryHeight: ledger.height + 40 }))
  const jobId = transactionIdOfBytes(low)
  ledger.block([low])
  // Delivered, so that the only miner keeps its ask.
  const answer = ledger.tx(ledger.rank(first, 0), ledger.receiptBody(first))
  let reference = readMarket(ledger, MODEL_HEX).referencePrice
  expect(reference).toBe(start - (start * 50_000n) / 1_000_000n)
  let blocks = 1
  for (; ledger.job(jobId).price === 0n; blocks++) {
    ledger.block(blocks === 1 ? [answer] : [])
    const next = readMarket(ledger, MODEL_HEX).referencePrice
    expect(next < reference && next >= reference - (reference * 50_000n) / 1_000_000n).toBe(true)
    reference = next
  }
  // The bid takes part once it is at least 0.95 of the reference, which is 5 * 0.95^31 bids after 31 blocks.
  expect(blocks).toBe(32)
  expect(ledger.job(jobId).price).toBeLessThanOrEqual(PRICE)
})

test('price, volume and spread of each call are in the state; the reference price is moved by blocks that trade', () => {
  const ledger = market({ asks: [{ price: PRICE / 2n }] })
  const first = ledger.post()
  const price = (3n * PRICE) / 4n
  const macs = readMarket(ledger, MODEL_HEX).volumeMacs
  expect(readCleared(ledger)).toEqual([first])
  expect(readMarket(ledger, MODEL_HEX)).toEqual({
    referencePrice: price,
    clearedHeight: 5,
    clearingPrice: price,
    volumeMacs: macs,
    jobs: 1,
    bidPrice: PRICE,
    askPrice: PRICE / 2n,
  })
  ledger.post({ maxPrice: 20n * PRICE })
  const second = readMarket(ledger, MODEL_HEX)
  expect(second.clearingPrice).toBe((41n * PRICE) / 4n)
  expect(second.referencePrice).toBe((price * 105n) / 100n)
  ledger.block()
  expect(readMarket(ledger, MODEL_HEX)).toMatchObject({
    referencePrice: second.referencePrice,
    clearingPrice: second.clearingPrice,
    bidPrice: 0n,
    askPrice: PRICE / 2n,
  })
})

test('an ask takes effect after its delay, replaces the one before in its place, and a capacity of 0 withdraws it', () => {
  const ledger = market({ params: params('jobs.askDelayBlocks=2') })
  const [a, b] = [minerKeys(0), minerKeys(1)]
  const book = () => readAsks(ledger, MODEL_HEX).map(({ minerKey, price }) => [minerKey, price])
  ledger.block([ledger.tx(a, askBody({ price: 7n }))])
  ledger.block()
  expect(book()).toEqual([
    [a.publicKey, PRICE / 2n],
    [b.publicKey, PRICE / 2n],
  ])
  ledger.block([ledger.tx(a, askBody({ capacityMacs: 0n, price: 0n }))])
  expect(book()).toEqual([
    [a.publicKey, 7n],
    [b.publicKey, PRICE / 2n],
  ])
  ledger.blocks(2)
  expect(book()).toEqual([[b.publicKey, PRICE / 2n]])
})

test('only registered miners ask, for a registered model, at a price; who leaves takes its asks along', () => {
  const ledger = market()
  const ask = (change: Parameters<typeof askBody>[0], keys = minerKeys(0)) => {
    ledger.forget()
    ledger.block([ledger.tx(keys, askBody(change))])
  }
  rejected('ASK_MODEL', () => ask({ modelId: filled(3) }))
  rejected('ASK_PRICE', () => ask({ price: 0n }))
  rejected('ASK_MINER', () => ask({}, CLIENT))
  accepted(() => ask({ price: 1n }))
  ledger.block([ledger.tx(minerKeys(0), { kind: 'unbond', role: 0 })])
  expect(readAsks(ledger, MODEL_HEX).map(({ minerKey }) => minerKey)).toEqual([minerKeys(1).publicKey])
  rejected('ASK_MINER', () => ask({}))
})

test('an ask that waits is skipped if its miner left meanwhile', () => {
  const ledger = market({ params: params('jobs.askDelayBlocks=3') })
  ledger.block([ledger.tx(minerKeys(0), askBody({ price: 7n }))])
  ledger.block([ledger.tx(minerKeys(0), { kind: 'unbond', role: 0 })])
  ledger.blocks(2)
  expect(readAsks(ledger, MODEL_HEX).map(({ minerKey }) => minerKey)).toEqual([minerKeys(1).publicKey])
})

test('a full book of asks takes a cheaper one for the highest, of equal ones the latest', () => {
  const ledger = market({
    params: params('jobs.maxAsksPerModel=2'),
    asks: [{ price: 9n }, { price: 9n }, { price: 9n }],
  })
  const prices = () => readAsks(ledger, MODEL_HEX).map(({ minerKey, price }) => [minerKey, price])
  expect(prices()).toEqual([
    [minerKeys(0).publicKey, 9n],
    [minerKeys(1).publicKey, 9n],
  ])
  ledger.block([ledger.tx(minerKeys(2), askBody({ price: 8n }))])
  ledger.block()
  expect(prices()).toEqual([
    [minerKeys(0).publicKey, 9n],
    [minerKeys(2).publicKey, 8n],
  ])
})

/** A ledger whose third miner has a matured win: blocks that it made, and the maturity. */
function withWinner(...asks: bigint[]): MarketLedger {
  const ledger = market({ params: params('jobs.maxAsksPerModel=2'), asks: asks.map((price) => ({ price })) })
  ledger.block([], minerKeys(2))
  ledger.blocks(ledger.params.block.maturityBlocks)
  return ledger
}
const bookOf = (ledger: MarketLedger) => readAsks(ledger, MODEL_HEX).map(({ minerKey, price }) => [minerKey, price])
const ask = (ledger: MarketLedger, i: number, price: bigint): void => {
  ledger.block([ledger.tx(minerKeys(i), askBody({ price }))])
  ledger.blocks(ledger.params.jobs.askDelayBlocks)
}

test('keys without a win that fill the book at price 1 do not keep out a miner with a matured one', () => {
  const ledger = withWinner(1n, 1n, 1n)
  expect(weightAt(ledger.params, ledger, minerKeys(2).publicKey, ledger.height)).toBeGreaterThan(0n)
  const [first, second, winner] = [0, 1, 2].map((i) => minerKeys(i).publicKey)
  expect(bookOf(ledger)).toEqual([
    [first, 1n],
    [second, 1n],
  ])
  ask(ledger, 2, PRICE)
  // Of equal ones the latest leaves.
  expect(bookOf(ledger)).toEqual([
    [first, 1n],
    [winner, PRICE],
  ])
  // And it stays, however cheap a key without weight asks: that one displaces only its like, if it is cheaper.
  ask(ledger, 1, 1n)
  expect(bookOf(ledger)).toEqual([
    [first, 1n],
    [winner, PRICE],
  ])
  ask(ledger, 0, 3n)
  ask(ledger, 1, 2n)
  expect(bookOf(ledger)).toEqual([
    [winner, PRICE],
    [second, 2n],
  ])
})

test('among keys that all have weight the book is for the cheapest; one without never gets in', () => {
  const ledger = market({ params: params('jobs.maxAsksPerModel=2', 'bonds.minerGrains=1'), asks: [{}, {}, {}, {}] })
  for (const i of [0, 1, 2]) ledger.block([], minerKeys(i))
  ledger.blocks(ledger.params.block.maturityBlocks)
  const [first, second, third] = [0, 1, 2].map((i) => minerKeys(i).publicKey)
  ask(ledger, 0, 5n)
  ask(ledger, 1, 9n)
  ask(ledger, 2, 9n)
  expect(bookOf(ledger)).toEqual([
    [first, 5n],
    [second, 9n],
  ])
  ask(ledger, 3, 1n)
  expect(bookOf(ledger)).toEqual([
    [first, 5n],
    [second, 9n],
  ])
  ask(ledger, 2, 8n)
  expect(bookOf(ledger)).toEqual([
    [first, 5n],
    [third, 8n],
  ])
})

test('a call without open jobs looks up no weight, and still says the best ask', () => {
  const ledger = market({ asks: [{ price: 9n }, { price: 7n }] })
  const reads: string[] = []
  const reader = {
    get: (key: string) => {
      reads.push(key)
      return ledger.get(key)
    },
  }
  ledger.block([], undefined, { reader })
  expect(readMarket(ledger, MODEL_HEX)).toMatchObject({ bidPrice: 0n, askPrice: 7n })
  const weights = (): string[] =>
    [0, 1].map((i) => weightKey(minerKeys(i).publicKey)).filter((key) => reads.includes(key))
  expect(weights()).toEqual([])
  ledger.block([ledger.tx(CLIENT, jobBody())], undefined, { reader })
  expect(weights()).toHaveLength(2)
})

test('jobs of one block clear together at one price, best bids first, others wait', () => {
  const macs = 2_000_000n
  const ledger = market({ asks: [{ price: 1n, capacityMacs: macs }] })
  const bids = [2n, 4n, 3n].map((price, i) =>
    ledger.tx(i === 2 ? OTHER_CLIENT : CLIENT, jobBody({ maxPrice: price * PRICE })),
  )
  const { summary } = ledger.block(bids)
  const [clearing] = summary.clearings
  expect(clearing!.jobIds.length).toBeGreaterThan(0)
  expect(clearing!.jobIds[0]).toEqual(summary.transactionIds[1])
  for (const jobId of clearing!.jobIds) expect(ledger.job(jobId).price).toBe(clearing!.price)
})
