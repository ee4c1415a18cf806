/**
 * Provenance `client-signed` (JOB-1, ECO-5, ECO-6, UNT-2): a job names its miner, and nobody else gets it. Auction, fees, burn and
 * windows stay. It is the network in which a client that is also a miner has the share a = 1 of its own jobs, draws included.
 *
 *   assigned        job                 -> the beacon draws rank 0 and the fallbacks
 *   client-signed   job, names miner 1  -> miner 1 is rank 0, there is no other; without an ask at the price the job goes back
 */
import { describe, expect, test } from 'vitest'
import {
  checkTransition,
  decodeTransaction,
  encodeTransaction,
  readJob,
  signTransaction,
  type TransactionBody,
} from '../../src/index.ts'
import { minePaidBlock, testKeys } from '../chain-fixture.ts'
import { CHAIN_ID, TEST_PARAMS } from '../ledger-fixture.ts'
import { CLIENT, jobBody, market, minerKeys, PRICE, params } from '../market-fixture.ts'
import { accepted, filled, rejected } from '../rules/verbs.ts'
import { assignedJob } from './network.ts'

const NAMED = 'bindings.provenance=client-signed'
const named = (i: number) => ({ minerKey: minerKeys(i).publicKey })

describe('the job says who gets it', () => {
  test('exactly where the network has it so: JOB_MINER otherwise, and nothing changes', () => {
    const bound = market()
    rejected('JOB_MINER', () => bound.block([bound.tx(CLIENT, jobBody(named(0)))]), 'the beacon chooses')
    bound.forget()
    accepted(() => bound.post())
    const ledger = market({ params: params(NAMED) })
    rejected('JOB_MINER', () => ledger.block([ledger.tx(CLIENT, jobBody())]), 'names no miner')
    ledger.forget()
    accepted(() => ledger.post(named(0)))
  })

  test('without a miner the bytes are what they are everywhere; with one they end in its key', () => {
    const bytesOf = (body: TransactionBody) =>
      encodeTransaction(signTransaction({ chainId: CHAIN_ID, nonce: 0n, fee: 1000n, body }, CLIENT))
    const [plain, naming] = [bytesOf(jobBody()), bytesOf(jobBody(named(1)))]
    expect(naming.length).toBe(plain.length + 32)
    expect(naming.slice(-96, -64)).toEqual(minerKeys(1).publicKey)
    expect(decodeTransaction(plain).body).toEqual(jobBody())
    expect(decodeTransaction(naming).body).toEqual(jobBody(named(1)))
    // The payload's length stands after version, chain, kind, sender, nonce and fee.
    const lengthAt = 1 + 32 + 1 + 32 + 8 + 8
    const cut = new Uint8Array([...naming.slice(0, -65), ...naming.slice(-64)])
    new DataView(cut.buffer).setUint32(lengthAt, new DataView(naming.buffer).getUint32(lengthAt, true) - 1, true)
    rejected('CODEC_MALFORMED', () => decodeTransaction(cut))
  })
})

describe('the miner that the client named', () => {
  test('is rank 0 whatever the beacon and the weights, and there is no other', () => {
    const ledger = market({ params: params(NAMED), asks: [{}, {}, {}] })
    ledger.block([], minerKeys(0))
    ledger.blocks(3)
    const jobId = ledger.post(named(2))
    for (let beacon = 0; beacon < 8; beacon++) {
      ledger.block([], undefined, { beacon: filled(beacon) })
      expect(ledger.job(jobId).ranks).toEqual([minerKeys(2).publicKey])
      ledger.revert()
    }
  })

  test('pays what the auction says, burns at the assignment, and is paid for its receipt', () => {
    const ledger = market({ params: params(NAMED) })
    const jobId = ledger.post({ ...named(1), maxPrice: 3n * PRICE })
    expect(ledger.job(jobId).price).toBe((3n * PRICE + PRICE / 2n) / 2n)
    ledger.block()
    expect(ledger.job(jobId).promptBurn).toBeGreaterThan(0n)
    const other = ledger.tx(minerKeys(0), ledger.receiptBody(jobId))
    rejected('RECEIPT_MINER', () => ledger.block([other]))
    ledger.forget()
    ledger.block([ledger.tx(minerKeys(1), ledger.receiptBody(jobId))])
    const settled = Array.from(
      { length: TEST_PARAMS.jobs.auditWindowBlocks },
      () => ledger.block().summary.settled,
    ).flat()
    expect(settled).toMatchObject([{ jobId, minerKey: minerKeys(1).publicKey }])
  })

  test('does not deliver: after its window the client has what did not burn, no fallback comes', () => {
    const ledger = market({ params: params(NAMED) })
    const before = ledger.balance(CLIENT)
    const jobId = ledger.post(named(1))
    ledger.block()
    const { promptBurn } = ledger.job(jobId)
    const ends = Array.from({ length: TEST_PARAMS.jobs.assignmentWindowBlocks }, () => ledger.block().summary)
    expect(ends.flatMap(({ returned }) => returned)).toEqual([jobId])
    expect(ends.flatMap(({ missed }) => missed)).toEqual([{ jobId, minerKey: minerKeys(1).publicKey }])
    expect(ledger.balance(CLIENT)).toBe(before - 1000n - promptBurn)
  })

  test.each([
    ['is unknown', { minerKey: filled(9) }, {}],
    ['asks more than the price', named(1), { price: PRICE }],
  ])('%s: the job goes back in full when its assignment would open', (_, change, ask) => {
    const ledger = market({ params: params(NAMED), asks: [{}, ask] })
    const before = ledger.balance(CLIENT)
    const jobId = ledger.post(change)
    expect(ledger.job(jobId).price).toBeLessThan(PRICE)
    const { summary } = ledger.block()
    expect(summary).toMatchObject({ returned: [jobId], assigned: [] })
    expect(readJob(ledger, jobId)).toBeUndefined()
    expect(ledger.balance(CLIENT)).toBe(before - 1000n)
    expect(ledger.audit().burned).toBe(0n)
    ledger.blocks(6)
  })
})

describe('self-dealing with the draws of the paid lane', () => {
  const dealer = testKeys(1)
  const other = testKeys(2)

  test('a client that names itself draws with its own job', () => {
    const { chain, jobId } = assignedJob(dealer, other, [NAMED])
    const { block } = minePaidBlock({ ...chain.base, keys: dealer, jobId })
    accepted(() => checkTransition(chain.context, block, chain.state, chain.state.ltHash))
    const stranger = { ...block, header: { ...block.header, minerKey: other.publicKey } }
    rejected('UNIT_RANK', () => checkTransition(chain.context, stranger, chain.state, chain.state.ltHash))
    expect(chain.add(block).summary.fees).toBe(1000n)
  })

  test('where jobs are assigned, it draws only if the beacon gives it its job: the other miner has it here', () => {
    const { chain, jobId } = assignedJob(dealer, other)
    const [first] = readJob(chain.state, jobId)!.ranks
    const [drawn, passed] = first!.every((byte, i) => byte === dealer.publicKey[i]) ? [dealer, other] : [other, dealer]
    rejected('UNIT_RANK', () => minePaidBlock({ ...chain.base, keys: passed, jobId }))
    accepted(() => chain.add(minePaidBlock({ ...chain.base, keys: drawn, jobId }).block))
  })
})
