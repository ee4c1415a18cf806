/** A job from posting to settlement (ECO-4), with every grain followed. */
import { expect, test } from 'vitest'
import { partOf } from '../src/emission/coinbase.ts'
import { accountOf } from '../src/keys.ts'
import { readAmount, readImmature } from '../src/ledger/entries.ts'
import { paidMacsPpm, readSettledMacs, readWork } from '../src/ledger/published.ts'
import { readAsks, readBlockId, readJob, readMarket, readOpenJobs } from '../src/market/entries.ts'
import { windowBlocks } from '../src/market/post-job.ts'
import { decodeFee, jobFee, promptFee } from '../src/market/prices.ts'
import { decodeMacs, promptMacs } from '../src/model/macs.ts'
import { LANE_BOOTSTRAP } from '../src/unit/types.ts'
import { MODEL, MODEL_HEX, TEST_PARAMS } from './ledger-fixture.ts'
import { CLIENT, market, PRICE } from './market-fixture.ts'

const { jobs, fees, block } = TEST_PARAMS

test('posting, clearing, assignment, receipt, settlement, maturity', () => {
  const ledger = market()
  const start = ledger.balance(CLIENT)
  expect(readAsks(ledger, MODEL_HEX)).toHaveLength(2)

  const jobId = ledger.post()
  // Bid 10, asks 5: the middle is 7.5 NCR per GMAC, and the surplus is back at once.
  const price = (3n * PRICE) / 4n
  const cleared = ledger.job(jobId)
  expect(cleared.price).toBe(price)
  expect(readOpenJobs(ledger, MODEL_HEX)).toEqual([])
  const shape = { promptTokens: 16, maxNewTokens: 4 }
  const held = jobFee(TEST_PARAMS, MODEL.config, shape, price)
  expect(cleared.held).toBe(held)
  expect(ledger.balance(CLIENT)).toBe(start - 1000n - held)
  expect(readMarket(ledger, MODEL_HEX)).toMatchObject({
    referencePrice: price,
    clearingPrice: price,
    bidPrice: PRICE,
    askPrice: PRICE / 2n,
    jobs: 1,
  })

  const burnedBefore = readAmount(ledger, 'burned')
  expect(ledger.block().summary.assigned).toEqual([jobId])
  const assigned = ledger.job(jobId)
  const promptBurn = partOf(promptFee(TEST_PARAMS, MODEL.config, 16, price), fees.burnPpm)
  expect(promptBurn).toBeGreaterThan(0n)
  expect(assigned).toMatchObject({ promptBurn, held: held - promptBurn, openedHeight: ledger.height })
  expect(assigned.ranks).toHaveLength(1 + jobs.fallbacks)
  expect(readAmount(ledger, 'burned') - burnedBefore).toBe(promptBurn)

  const miner = ledger.rank(jobId, 0)
  const eos = MODEL.config.eosToken
  ledger.block([ledger.tx(miner, ledger.receiptBody(jobId, { tokens: [9, eos] }))])
  const delivered = ledger.height
  expect(readBlockId(ledger, assigned.openedHeight)).toEqual(ledger.idAt(assigned.openedHeight))
  ledger.blocks(jobs.auditWindowBlocks - 1)
  expect(readJob(ledger, jobId)).toBeDefined()
  expect(paidMacsPpm(ledger)).toBe(0n)
  const pool = readAmount(ledger, 'verifierPool')
  const { summary } = ledger.block()
  expect(readJob(ledger, jobId)).toBeUndefined()
  const decode = decodeFee(MODEL.config, 2, price)
  const returned = decodeFee(MODEL.config, 4, price) - decode
  const decodeBurn = partOf(decode, fees.burnPpm)
  const rest = held - promptBurn - returned - decodeBurn
  const verifiers = partOf(rest, fees.verifierPpm)
  const minerPart = rest - verifiers
  const macs = BigInt(promptMacs(MODEL.config, 16) + decodeMacs(MODEL.config, 2))
  expect(summary.settled).toEqual([
    { jobId, minerKey: miner.publicKey, burned: decodeBurn, verifiers, miner: minerPart, returned, macs },
  ])
  // What the chain publishes (E2): all blocks are of the bootstrap lane.
  expect(readSettledMacs(ledger)).toBe(macs)
  expect(paidMacsPpm(ledger)).toBe((1_000_000n * macs) / (macs + readWork(ledger, LANE_BOOTSTRAP)))
  expect(ledger.balance(CLIENT)).toBe(start - 1000n - held + returned)
  expect(readAmount(ledger, 'verifierPool')).toBe(pool + summary.verifierShare + verifiers)
  expect(readImmature(ledger, delivered + block.maturityBlocks)).toContainEqual({
    account: accountOf(miner.publicKey),
    grains: minerPart,
    minerKey: miner.publicKey,
  })
  const before = ledger.balance(miner)
  ledger.blocks(delivered + block.maturityBlocks - ledger.height)
  expect(ledger.balance(miner)).toBe(before + minerPart)
  const audit = ledger.audit()
  expect(audit.held).toBe(audit.created)
  expect(audit.jobs).toBe(0n)
})

test('nothing of a job stays in the state once it is over, delivered or not, and only the recent block ids that a window needs', () => {
  const ledger = market()
  const delivered = ledger.post()
  ledger.post()
  ledger.post({ maxPrice: 1n, expiryHeight: 12 })
  ledger.block([ledger.tx(ledger.rank(delivered, 0), ledger.receiptBody(delivered))])
  ledger.blocks(12)
  const kinds = new Set([...ledger.entries.keys()].map((key) => key.slice(0, key.indexOf('/') + 1) || key))
  for (const kind of ['job/', 'prompt/', 'open/', 'cleared', 'assigned/', 'settlement/', 'settlement-from'])
    expect(kinds).not.toContain(kind)
  const ids = [...ledger.entries.keys()].filter((key) => key.startsWith('block/'))
  expect(ids).toHaveLength(windowBlocks(TEST_PARAMS))
  expect([...ledger.entries.keys()].filter((key) => key.startsWith('won/'))).toHaveLength(block.maturityBlocks)
})
