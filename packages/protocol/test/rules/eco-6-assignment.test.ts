/**
 * ECO-6: jobs cleared at height h are ordered to miners by weighted sampling without replacement, seeded by the beacon of h + 1 and
 * the job's id. The weight is the fading sum of the work of a key's matured winning blocks; keys without any share one slice, so
 * that new keys, which are free, gain nothing. Check values: vectors/market.json.
 *
 *   weights  30 60 | 0 0 0      ->  95 % in proportion to 30 : 60, 5 % shared by the three
 */
import { expect, test } from 'vitest'
import { targetFromBits, workOfTarget } from '../../src/difficulty/bits.ts'
import { taggedHash } from '../../src/hash.ts'
import {
  assignmentsOf,
  bytesToHex,
  drawRanks,
  fadedWork,
  readAsks,
  readWeight,
  samplingWeights,
  unitMacs,
  weighAsks,
  weightAt,
} from '../../src/index.ts'
import { accuse, MODEL, MODEL_HEX, TEST_PARAMS } from '../ledger-fixture.ts'
import { askBody, CLIENT, jobBody, type MarketLedger, market, minerKeys, PRICE, params } from '../market-fixture.ts'
import { filled } from './verbs.ts'

const room = 10n
const beacon = filled(1)

test('the example above, exactly', () => {
  const weights = samplingWeights([30n, 60n, 0n, 0n, 0n], 50_000)
  const total = weights.reduce((sum, weight) => sum + weight, 0n)
  const ppm = weights.map((weight) => Number((weight * 60_000_000n) / total) / 60)
  expect(ppm.map(Math.round)).toEqual([316_667, 633_333, 16_667, 16_667, 16_667])
  expect(weights.slice(2).reduce((sum, weight) => sum + weight, 0n) * 20n).toBe(total)
})

test('with only one kind of candidate it has everything; any number of new keys has the same slice', () => {
  expect(samplingWeights([0n, 0n], 50_000)).toEqual([1n, 1n])
  expect(samplingWeights([3n, 4n], 50_000)).toEqual([3n, 4n])
  for (const keys of [1, 7, 50]) {
    const weights = samplingWeights([5n, ...Array.from({ length: keys }, () => 0n)], 50_000)
    expect(weights[0]! * 5n).toBe(weights.slice(1).reduce((sum, weight) => sum + weight, 0n) * 95n)
  }
})

test('ranks are drawn without replacement, in proportion to the weights', () => {
  const candidates = [1n, 2n, 7n].map((weight) => ({ weight, room }))
  const first = [0, 0, 0]
  const draws = 2000
  for (let i = 0; i < draws; i++) {
    const ranks = drawRanks(candidates, 1n, 3, beacon, taggedHash('block', Uint8Array.of(i, i >> 8)))
    expect([...ranks].sort()).toEqual([0, 1, 2])
    first[ranks[0]!]!++
  }
  for (const [i, share] of [0.1, 0.2, 0.7].entries()) expect(Math.abs(first[i]! / draws - share)).toBeLessThan(0.035)
})

test('rank 0 goes to who has room for the job; if nobody has, to anybody; later ranks need no room', () => {
  const candidates = [
    { weight: 1000n, room: 4n },
    { weight: 1n, room: 5n },
  ]
  const job = (i: number) => taggedHash('block', Uint8Array.of(i))
  for (let i = 0; i < 20; i++) expect(drawRanks(candidates, 5n, 2, beacon, job(i))).toEqual([1, 0])
  const larger = Array.from({ length: 20 }, (_, i) => drawRanks(candidates, 6n, 1, beacon, job(i))[0])
  expect(larger.filter((index) => index === 0).length).toBeGreaterThan(15)
  expect(drawRanks(candidates, 1n, 5, beacon, job(1))).toHaveLength(2)
  expect(
    drawRanks(
      [
        { weight: 0n, room },
        { weight: 1n, room },
      ],
      1n,
      2,
      beacon,
      job(1),
    ),
  ).toEqual([1])
})

test('another beacon or another job, another order', () => {
  const candidates = Array.from({ length: 30 }, () => ({ weight: 1n, room }))
  const order = (seed: number, job: number) => drawRanks(candidates, 1n, 8, filled(seed), filled(job)).join()
  expect(order(1, 1)).toBe(order(1, 1))
  expect(new Set([order(1, 1), order(2, 1), order(1, 2)]).size).toBe(3)
})

test('work fades by 1 / weightBlocks per block', () => {
  expect(fadedWork(1000n, 0, 20)).toBe(1000n)
  expect(fadedWork(1000n, 1, 20)).toBe(950n)
  expect(fadedWork(1_000_000n, 20, 20)).toBe(358_485n) // 0.95^20
  expect(fadedWork(10n ** 30n, 2 ** 31, 20)).toBe(0n)
})

test('a win counts when its coinbase matures, whether it was paid or not, and then fades', () => {
  const { maturityBlocks } = TEST_PARAMS.block
  const ledger = market()
  const miner = minerKeys(0)
  ledger.block([], miner)
  const work = workOfTarget(targetFromBits(TEST_PARAMS.difficulty.genesisBits))
  ledger.blocks(maturityBlocks - 1)
  expect(readWeight(ledger, miner.publicKey)).toBeUndefined()
  ledger.block()
  expect(readWeight(ledger, miner.publicKey)).toEqual({ work, height: ledger.height })
  expect(weightAt(ledger.params, ledger, miner.publicKey, ledger.height + 1)).toBe(fadedWork(work, 1, 20))
  ledger.block([ledger.tx(CLIENT, accuse(miner.publicKey))])
  expect(readWeight(ledger, miner.publicKey)).toBeUndefined()
})

test('a win of a key that was barred before it matured does not count', () => {
  const ledger = market()
  const miner = minerKeys(0)
  ledger.block([], miner)
  ledger.block([ledger.tx(CLIENT, accuse(miner.publicKey))])
  ledger.blocks(5)
  expect(readWeight(ledger, miner.publicKey)).toBeUndefined()
})

/** A job assigned to the only miner. */
function alone(ledger: MarketLedger): Uint8Array {
  const jobId = ledger.post({ expiryHeight: ledger.height + 20 })
  ledger.block()
  return jobId
}

test('a receipt adds no weight; a job that is not delivered takes a tenth of it', () => {
  const ledger = market({ asks: [{}] })
  const miner = minerKeys(0)
  ledger.block([], miner)
  ledger.blocks(3)
  const weight = () => weightAt(ledger.params, ledger, miner.publicKey, ledger.height)
  const delivered = alone(ledger)
  const { work, height } = readWeight(ledger, miner.publicKey)!
  ledger.block([ledger.tx(miner, ledger.receiptBody(delivered))])
  ledger.blocks(8)
  expect(readWeight(ledger, miner.publicKey)).toEqual({ work, height })
  alone(ledger)
  ledger.blocks(1)
  const before = fadedWork(work, ledger.height + 1 - height, 20)
  ledger.block()
  expect(weight()).toBe((before * 9n) / 10n)
  expect(readAsks(ledger, MODEL_HEX)).toHaveLength(1)
})

test('a newcomer has no weight to lose: it loses its ask for the model', () => {
  const ledger = market({ asks: [{}] })
  alone(ledger)
  ledger.blocks(2)
  expect(readAsks(ledger, MODEL_HEX)).toEqual([])
})

test('declared capacity counts up to a multiple of the average work, and up to one largest unit for anybody', () => {
  const ledger = market({ params: params('jobs.capacityMultiple=2', 'difficulty.genesisBits=470351870') })
  const miner = minerKeys(0)
  const room = () => weighAsks(ledger.params, ledger, readAsks(ledger, MODEL_HEX), ledger.height).map((ask) => ask.room)
  const least = BigInt(ledger.params.units.maxUnitMacs)
  expect(room()).toEqual([least, least])
  ledger.block([], miner)
  ledger.blocks(3)
  const work = readWeight(ledger, miner.publicKey)!.work
  expect(2n * (work / 20n)).toBeGreaterThan(least)
  expect(room()).toEqual([2n * (work / 20n), least])
  ledger.block([ledger.tx(miner, askBody({ capacityMacs: 7n }))])
  ledger.block()
  expect(room()[0]).toBe(7n)
})

test('only asks at or below the clearing price are drawn', () => {
  const ledger = market({ asks: [{ price: PRICE / 2n }, { price: (3n * PRICE) / 4n }, { price: PRICE }] })
  const jobId = ledger.post()
  expect(ledger.job(jobId).price).toBe((3n * PRICE) / 4n)
  ledger.block()
  const keys = ledger.job(jobId).ranks
  expect(keys).toHaveLength(2)
  for (const i of [0, 1]) expect(keys).toContainEqual(minerKeys(i).publicKey)
})

test('what a miner was drawn for is taken from its room: two jobs of one block go to the two miners that have room for one each', () => {
  const { promptTokens, maxNewTokens } = jobBody()
  const capacityMacs = BigInt(unitMacs(MODEL.config, promptTokens.length, maxNewTokens))
  const ledger = market({ asks: [{ capacityMacs }, { capacityMacs }] })
  const posted = [1, 2, 3].map(() => ledger.tx(CLIENT, jobBody()))
  const [first, second] = ledger.block(posted).summary.clearings[0]!.jobIds as [Uint8Array, Uint8Array]
  expect(ledger.preview().summary.assigned).toHaveLength(2)
  for (let beacon = 0; beacon < 12; beacon++) {
    ledger.block([], undefined, { beacon: filled(beacon) })
    const [a, b] = [first, second].map((jobId) => bytesToHex(ledger.job(jobId).ranks[0]!))
    expect(a).not.toBe(b)
    ledger.revert()
  }
})

test('nothing that its maker puts into a block changes the assignment that its beacon makes', () => {
  const ledger = market({ asks: [{}, {}, {}] })
  const ids = [1, 2, 3].map(() => ledger.tx(CLIENT, jobBody()))
  ledger.block(ids)
  const cleared = ledger.preview().summary.assigned
  const plain = ledger.preview().changes.filter(({ key }) => key.startsWith('job/'))
  const busy = [
    ...[0, 1].map((i) => ledger.tx(minerKeys(i), { kind: 'unbond', role: 0 })),
    ledger.tx(CLIENT, accuse(minerKeys(2).publicKey)),
    ledger.tx(CLIENT, jobBody()),
  ]
  const changed = ledger.preview(busy).changes.filter(({ key }) => key.startsWith('job/'))
  expect(cleared.length).toBeGreaterThan(0)
  for (const change of plain) expect(changed).toContainEqual(change)
})

test('a miner finds its assignments in the state: rank, window, and whether the unit draws now', () => {
  const ledger = market()
  const jobId = ledger.post()
  ledger.block()
  const opened = ledger.height
  const [first, second] = [0, 1].map((rank) => ledger.rank(jobId, rank).publicKey) as [Uint8Array, Uint8Array]
  const of = (key: Uint8Array) => assignmentsOf(ledger.params, ledger, ledger.height, key)
  const last = { jobId, lastHeight: opened + 4 }
  expect(of(first)).toEqual([{ ...last, rank: 0, firstHeight: opened + 1, dueHeight: opened + 2, draws: true }])
  expect(of(second)).toEqual([{ ...last, rank: 1, firstHeight: opened + 3, dueHeight: opened + 4, draws: false }])
  expect(of(filled(9))).toEqual([])
  ledger.block()
  expect(of(first)).toMatchObject([{ draws: false }])
  ledger.block()
  expect(of(first)).toHaveLength(1)
  expect(of(second)).toHaveLength(1)
  ledger.block([ledger.tx(ledger.rank(jobId, 1), ledger.receiptBody(jobId))])
  expect(of(second)).toEqual([])
})
