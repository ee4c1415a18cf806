/**
 * JOB-1: a job is a client-signed transaction: model, prompt, length, decoding, price, expiry. What it may cost at most leaves the
 * client's balance when it is posted. A job that breaks a rule has a code of its own and changes nothing.
 *
 *   block h            job: escrow leaves the balance    - cleared at once, or open until it is
 *   h .. expiry - 1 - windows                            every auction on the way
 *   the block after                                      uncleared: the whole escrow is back
 */
import { expect, test } from 'vitest'
import {
  checkJobForm,
  presets,
  readJob,
  readOpenJobs,
  readPrompt,
  signTransaction,
  transactionIdOfBytes,
} from '../../src/index.ts'
import type { Job } from '../../src/ledger/transactions.ts'
import { encodeTransaction } from '../../src/ledger/transactions.ts'
import { jobFee } from '../../src/market/prices.ts'
import { CHAIN_ID, MODEL, MODEL_HEX, TEST_PARAMS } from '../ledger-fixture.ts'
import { CLIENT, jobBody, market, OTHER_CLIENT, PRICE, params } from '../market-fixture.ts'
import { accepted, filled, rejected } from './verbs.ts'

const { config } = MODEL
const nobody = { asks: [{ price: 100n * PRICE }] }

test('an open job holds its escrow, its prompt and nothing else', () => {
  const ledger = market(nobody)
  const before = ledger.balance(CLIENT)
  const jobId = ledger.post()
  const escrow = jobFee(ledger.params, config, { promptTokens: 16, maxNewTokens: 4 }, PRICE)
  expect(ledger.balance(CLIENT)).toBe(before - escrow - 1000n)
  expect(readJob(ledger, jobId)).toMatchObject({
    held: escrow,
    price: 0n,
    openedHeight: 0,
    ranks: [],
    promptTokens: 16,
  })
  expect(readPrompt(ledger, jobId)).toEqual(jobBody().promptTokens)
  expect(readOpenJobs(ledger, MODEL_HEX).map((job) => job.jobId)).toEqual([jobId])
})

const many = (length: number): number[] => Array.from({ length }, () => 1)
const cases: [what: string, change: Partial<Job>, code: Parameters<typeof rejected>[0] | undefined][] = [
  ['an unknown model', { modelId: filled(9) }, 'JOB_MODEL'],
  ['no prompt', { promptTokens: [] }, 'JOB_PROMPT'],
  ['the last token of the vocabulary', { promptTokens: [config.vocabSize - 1] }, undefined],
  ['a token outside the vocabulary', { promptTokens: [config.vocabSize] }, 'JOB_PROMPT'],
  ['the longest prompt', { promptTokens: many(32) }, undefined],
  ['a longer one', { promptTokens: many(33) }, 'JOB_PROMPT_TOO_LONG'],
  ['no new tokens', { maxNewTokens: 0 }, 'JOB_NEW_TOKENS'],
  ['the most new tokens', { maxNewTokens: 16 }, undefined],
  ['one more', { maxNewTokens: 17 }, 'JOB_NEW_TOKENS'],
  ['a price of 0', { maxPrice: 0n }, 'JOB_PRICE'],
  ['a price of one grain', { maxPrice: 1n }, undefined],
  ['more than anybody has', { maxPrice: (1n << 64n) - 1n }, 'TX_INSUFFICIENT_FUNDS'],
  // Height 5; windows of 2 * 2 blocks: cleared at 5, opened at 6, the last window ends at 10.
  ['an expiry that covers all ranks', { expiryHeight: 10 }, undefined],
  ['one block less', { expiryHeight: 9 }, 'JOB_EXPIRED'],
  ['the longest life', { expiryHeight: 45 }, undefined],
  ['one block more', { expiryHeight: 46 }, 'JOB_EXPIRY_TOO_FAR'],
]
test.each(cases)('%s', (_, change, code) => {
  const ledger = market(nobody)
  expect(ledger.height).toBe(4)
  const before = new Map(ledger.entries)
  const post = () => ledger.block([ledger.tx(CLIENT, jobBody(change))])
  if (code === undefined) accepted(post)
  else {
    rejected(code, post)
    expect(ledger.entries).toEqual(before)
  }
})

test('what a job can cost at most is at least fees.minJobGrains: below it burns nothing and moves no price', () => {
  const escrow = (maxPrice: bigint) => jobFee(TEST_PARAMS, config, { promptTokens: 16, maxNewTokens: 4 }, maxPrice)
  const least = escrow(PRICE)
  const rules = { params: params(`fees.minJobGrains=${least}`), models: new Map([[MODEL_HEX, config]]) }
  accepted(() => checkJobForm(rules, jobBody({ maxPrice: PRICE })))
  const below = PRICE - PRICE / 1000n
  expect(escrow(below)).toBeLessThan(least)
  rejected('JOB_PRICE', () => checkJobForm(rules, jobBody({ maxPrice: below })), `the least is ${least}: bid more`)
  expect([presets.nacre, presets.devnet, presets.unit].map(({ fees }) => fees.minJobGrains)).toEqual([
    10_000n,
    10_000n,
    0n,
  ])
})

test('an escrow beyond 2^64 - 1 grains is no price, whoever could afford it', () => {
  const large = { ...config, ffnDim: 100_000, nLayers: 64 }
  const { units } = TEST_PARAMS
  const rules = {
    params: { ...TEST_PARAMS, units: { ...units, maxUnitMacs: 2 ** 50 } },
    models: new Map([[MODEL_HEX, large]]),
  }
  accepted(() => checkJobForm(rules, jobBody({ maxPrice: 1n << 60n })))
  rejected('JOB_PRICE', () => checkJobForm(rules, jobBody({ maxPrice: (1n << 64n) - 1n })))
})

test('a nonce is used once: the same job is not posted twice, but an equal one is another job', () => {
  const ledger = market(nobody)
  const bytes = ledger.tx(CLIENT, jobBody())
  ledger.block([bytes])
  rejected('TX_NONCE_LOW', () => ledger.block([bytes]))
  const again = ledger.post()
  expect(again).not.toEqual(transactionIdOfBytes(bytes))
  const signed = { chainId: CHAIN_ID, nonce: ledger.nonce(CLIENT), fee: 1000n, body: jobBody() }
  const stolen = { ...signTransaction(signed, OTHER_CLIENT), sender: CLIENT.publicKey }
  rejected('SIGNATURE_INVALID', () => ledger.block([encodeTransaction(stolen)]))
})

test('a full book takes a job that bids more than the least: that one, of equal ones the latest, goes back in full', () => {
  const ledger = market({ ...nobody, params: params('jobs.maxOpenPerModel=3') })
  const [low, , lowAgain] = [1n, 5n, 1n].map((maxPrice) => ledger.post({ maxPrice: maxPrice * PRICE }))
  rejected('JOB_BOOK_FULL', () => ledger.block([ledger.tx(OTHER_CLIENT, jobBody({ maxPrice: PRICE }))]))
  ledger.forget()
  const before = ledger.balance(CLIENT)
  const held = ledger.job(lowAgain!).held
  const better = ledger.post({ maxPrice: PRICE + 1n }, OTHER_CLIENT)
  expect(ledger.balance(CLIENT)).toBe(before + held)
  expect(readJob(ledger, lowAgain!)).toBeUndefined()
  expect(readPrompt(ledger, lowAgain!)).toEqual([])
  expect(readOpenJobs(ledger, MODEL_HEX).map(({ jobId }) => jobId)).toEqual([low, expect.anything(), better])
})

test('an uncleared job stays for every auction that leaves the ranks their time, then it goes back in full', () => {
  const ledger = market(nobody)
  const before = ledger.balance(CLIENT)
  const jobId = ledger.post({ expiryHeight: 20 })
  while (ledger.height < 20 - 1 - 4) ledger.block()
  expect(readJob(ledger, jobId)).toBeDefined()
  expect(ledger.block().summary.returned).toEqual([jobId])
  expect(readJob(ledger, jobId)).toBeUndefined()
  expect(ledger.balance(CLIENT)).toBe(before - 1000n)
})
