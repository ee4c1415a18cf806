/**
 * ECO-4: what a job costs and who gets it. beta of the prompt's fee burns when the job is assigned, finally; the rest is divided
 * after the audit window, the decode part by the tokens really generated. Not delivered by any rank: the client gets back what did
 * not burn. The whole way of a job: market-life.test.ts.
 *
 *   opened  |-- rank 0 --|-- rank 1 --|      2 blocks each, and who was due before may still deliver
 *      6     7         8   9        10   -> no receipt: returned at 10
 */
import { expect, test } from 'vitest'
import { readAmount, readAsks, readJob, readSettlementFrom, readVerifiers, windowBlocks } from '../../src/index.ts'
import type { Receipt } from '../../src/ledger/transactions.ts'
import { accuse, keysOf, MODEL, MODEL_HEX } from '../ledger-fixture.ts'
import { CLIENT, jobBody, type MarketLedger, market, minerKeys, OTHER_CLIENT, VERIFIER } from '../market-fixture.ts'
import { accepted, filled, rejected } from './verbs.ts'

/** A job that is assigned by the last block. */
function assigned(options: Parameters<typeof market>[0] = {}): { ledger: MarketLedger; jobId: Uint8Array } {
  const ledger = market(options)
  const jobId = ledger.post()
  ledger.block()
  return { ledger, jobId }
}
const deliver = (ledger: MarketLedger, jobId: Uint8Array, rank: number, change: Partial<Receipt> = {}) => {
  ledger.forget()
  return ledger.block([ledger.tx(ledger.rank(jobId, rank), ledger.receiptBody(jobId, change))])
}

test.each([
  [0, 0, undefined],
  [1, 0, undefined],
  [2, 0, undefined],
  [3, 0, undefined],
  [4, 0, 'RECEIPT_JOB'],
  [0, 1, 'RECEIPT_WINDOW'],
  [1, 1, 'RECEIPT_WINDOW'],
  [2, 1, undefined],
  [3, 1, undefined],
  [4, 1, 'RECEIPT_JOB'],
] as const)('after %d more blocks, rank %d: %s', (blocks, rank, code) => {
  const { ledger, jobId } = assigned()
  const keys = ledger.rank(jobId, rank)
  const body = ledger.receiptBody(jobId)
  ledger.blocks(blocks)
  const run = () => ledger.block([ledger.tx(keys, body)])
  if (code === undefined) accepted(run)
  else rejected(code, run)
})

test('a receipt is for an assigned job, from its rank, for this branch, with tokens that end by the rule', () => {
  const ledger = market()
  rejected('RECEIPT_JOB', () =>
    ledger.block([
      ledger.tx(minerKeys(0), {
        kind: 'receipt',
        jobId: filled(1),
        unitParentId: filled(2),
        traceRoot: filled(3),
        tokens: [1],
      }),
    ]),
  )
  ledger.forget()
  const jobId = ledger.post()
  rejected('RECEIPT_UNASSIGNED', () => ledger.block([ledger.tx(minerKeys(0), ledger.receiptBody(jobId))]))
  ledger.forget()
  ledger.block()
  rejected('RECEIPT_MINER', () => ledger.block([ledger.tx(OTHER_CLIENT, ledger.receiptBody(jobId))]))
  rejected('RECEIPT_BRANCH', () => deliver(ledger, jobId, 0, { unitParentId: filled(9) }))
  const { eosToken, vocabSize } = MODEL.config
  for (const tokens of [[], [1], [1, 2, 3], [1, 2, 3, 4, 5], [eosToken, 1], [vocabSize], [1, 2, 3, vocabSize]])
    rejected('RECEIPT_TOKENS', () => deliver(ledger, jobId, 0, { tokens }))
  accepted(() => deliver(ledger, jobId, 0, { tokens: [1, eosToken] }))
})

test('a unit is paid once: no second receipt by the same miner, by another, or after settlement', () => {
  const { ledger, jobId } = assigned()
  const [first, second] = [0, 1].map((rank) => ledger.rank(jobId, rank)) as [typeof CLIENT, typeof CLIENT]
  const body = ledger.receiptBody(jobId)
  const receipt = ledger.tx(first, body)
  rejected('RECEIPT_DOUBLE', () => ledger.block([receipt, ledger.tx(first, body)]))
  ledger.block([receipt])
  rejected('TX_NONCE_LOW', () => ledger.block([receipt]))
  for (const keys of [first, second]) {
    ledger.forget()
    rejected('RECEIPT_DOUBLE', () => ledger.block([ledger.tx(keys, body)]))
  }
  ledger.blocks(ledger.params.jobs.auditWindowBlocks)
  ledger.forget()
  rejected('RECEIPT_JOB', () => ledger.block([ledger.tx(first, body)]))
})

test('a receipt of one branch is none on another: there the beacon of another block opened the assignment', () => {
  const { ledger, jobId } = assigned()
  const body = ledger.receiptBody(jobId)
  const keys = ledger.rank(jobId, 0)
  ledger.revert()
  ledger.branch = 1
  ledger.block()
  const rank = ledger.job(jobId).ranks.findIndex((key) => key.every((byte, i) => byte === keys.publicKey[i]))
  ledger.blocks(rank * ledger.params.jobs.assignmentWindowBlocks)
  rejected('RECEIPT_BRANCH', () => ledger.block([ledger.tx(keys, body)]))
})

test('not delivered: the client gets back what did not burn, and every rank has lost weight or its ask', () => {
  const { ledger, jobId } = assigned()
  const before = ledger.balance(CLIENT)
  const { held, promptBurn } = ledger.job(jobId)
  expect(promptBurn).toBeGreaterThan(0n)
  const missed: Uint8Array[] = []
  for (let i = 0; i < windowBlocks(ledger.params); i++)
    missed.push(...ledger.block().summary.missed.map(({ minerKey }) => minerKey))
  expect(missed).toHaveLength(2)
  expect(ledger.balance(CLIENT)).toBe(before + held)
  expect(readJob(ledger, jobId)).toBeUndefined()
  expect(readAmount(ledger, 'burned')).toBe(promptBurn)
})

test('a rank whose receipt was left out of the blocks of its window still delivers later, and whoever comes after it loses nothing', () => {
  const { ledger, jobId } = assigned()
  const [first, second] = [0, 1].map((rank) => ledger.rank(jobId, rank)) as [typeof CLIENT, typeof CLIENT]
  ledger.block()
  const { missed } = ledger.block().summary
  expect(missed.map(({ minerKey }) => minerKey)).toEqual([first.publicKey])
  deliver(ledger, jobId, 0)
  expect(readJob(ledger, jobId)?.delivery).toMatchObject({ rank: 0, height: ledger.height })
  rejected('RECEIPT_DOUBLE', () => deliver(ledger, jobId, 1))
  ledger.forget()
  expect(ledger.block().summary.missed).toEqual([])
  const { settled } = ledger.block().summary
  expect(settled.map(({ minerKey }) => minerKey)).toEqual([first.publicKey])
  expect(readAsks(ledger, MODEL_HEX).map(({ minerKey }) => minerKey)).toEqual([second.publicKey])
})

test('with fewer miners than ranks the job ends when the last of them has failed', () => {
  const { ledger, jobId } = assigned({ asks: [{}] })
  expect(ledger.job(jobId).ranks).toHaveLength(1)
  ledger.blocks(ledger.params.jobs.assignmentWindowBlocks)
  expect(readJob(ledger, jobId)).toBeUndefined()
})

test('receipts do not settle without an active verifier; when there is one, two heights settle per block, in order (ECO-1)', () => {
  const ledger = market({ verifiers: 0 })
  expect(readVerifiers(ledger)).toBe(0)
  const posted = [1, 2, 3, 4].map(() => ledger.tx(CLIENT, jobBody()))
  const ids = ledger.block(posted).summary.transactionIds
  ledger.block()
  for (const jobId of ids)
    ledger.block([ledger.tx(ledger.rank(jobId, rankOf(ledger, jobId)), ledger.receiptBody(jobId))])
  const waiting = ids.filter((jobId) => readJob(ledger, jobId)?.delivery !== undefined)
  ledger.blocks(6)
  expect(readSettlementFrom(ledger)).toBeDefined()
  for (const jobId of waiting) expect(readJob(ledger, jobId)).toBeDefined()
  ledger.block([ledger.tx(VERIFIER, { kind: 'verifierRegister' })])
  expect(readVerifiers(ledger)).toBe(1)
  const settled: Uint8Array[] = []
  for (let i = 0; i < 12; i++) {
    const now = ledger.block().summary.settled
    expect(now.length).toBeLessThanOrEqual(2) // each height has one receipt
    settled.push(...now.map(({ jobId }) => jobId))
  }
  expect(waiting).toHaveLength(4)
  expect(settled).toEqual(waiting)
  expect(readSettlementFrom(ledger)).toBeUndefined()
  const audit = ledger.audit()
  expect(audit.held).toBe(audit.created)
})

function rankOf(ledger: MarketLedger, jobId: Uint8Array): number {
  return Math.floor((ledger.height - ledger.job(jobId).openedHeight) / ledger.params.jobs.assignmentWindowBlocks)
}

test('a verifier that leaves or is barred is no verifier: the count follows', () => {
  const leaves = market()
  expect(readVerifiers(leaves)).toBe(1)
  leaves.block([leaves.tx(VERIFIER, { kind: 'unbond', role: 1 })])
  expect(readVerifiers(leaves)).toBe(0)
  leaves.block([leaves.tx(CLIENT, accuse(VERIFIER.publicKey))])
  expect(readVerifiers(leaves)).toBe(0)
  const barred = market()
  barred.block([barred.tx(CLIENT, accuse(VERIFIER.publicKey))])
  expect(readVerifiers(barred)).toBe(0)
})

test("a barred miner's unsettled fee burns, and it delivers nothing any more", () => {
  const { ledger, jobId } = assigned()
  const miner = ledger.rank(jobId, 0)
  deliver(ledger, jobId, 0)
  ledger.block([ledger.tx(CLIENT, accuse(miner.publicKey))])
  const { settled } = ledger.block().summary
  expect(settled).toMatchObject([{ jobId, miner: 0n }])
  expect(settled[0]!.burned).toBeGreaterThan(0n)

  const other = assigned()
  const keys = other.ledger.rank(other.jobId, 0)
  const body = other.ledger.receiptBody(other.jobId)
  other.ledger.block([other.ledger.tx(keysOf(40), accuse(keys.publicKey))])
  rejected('RECEIPT_MINER', () => other.ledger.block([other.ledger.tx(keys, body)]))
})
