/**
 * UNT-2: a paid unit draws only for the miner to whom the beacon assigned the job, and only on the block whose beacon did. There
 * are no jobs and no assignment in this version of the rules, so nobody could check either: the whole paid lane is refused, in the
 * header, in the ledger and as a transaction.
 *
 *   header, lane paid  ->  UNIT_LANE            nothing of such a block is looked at
 *   transaction: job   ->  TX_KIND_UNSUPPORTED  its tag is reserved
 */
import { test } from 'vitest'
import { applyBlock, decodeTransaction, LANE_BOOTSTRAP, LANE_PAID, type Lane } from '../../src/index.ts'
import { BOB, CHAIN_ID, FAUCET, MINER, markChecker, TestLedger, transactionOf, transfer } from '../ledger-fixture.ts'
import * as one from './one-block.ts'
import { accepted, filled, rejected } from './verbs.ts'

test('a block of the bootstrap lane, and the same block of the paid lane', () => {
  const { unit } = one.block.header
  accepted(() => one.validate(one.block))
  const paid = { ...unit, lane: LANE_PAID, jobId: filled(1), counter: 0 } as const
  rejected('UNIT_LANE', () => one.validate(one.withHeader({ unit: paid })))
})

test('the ledger has no coinbase for a paid block', () => {
  const ledger = new TestLedger()
  const apply = (lane: Lane) =>
    applyBlock({
      params: ledger.params,
      chainId: CHAIN_ID,
      reader: ledger,
      ltHash: ledger.ltHash,
      height: 1,
      lane,
      minerKey: MINER.publicKey,
      transactions: [],
      checkEquivocation: markChecker,
    })
  accepted(() => apply(LANE_BOOTSTRAP))
  rejected('UNIT_LANE', () => apply(LANE_PAID))
})

test('jobs (tag 2) and receipts (tag 5) do not decode', () => {
  const bytes = transactionOf(FAUCET, 0n, transfer(BOB.publicKey.slice(0, 20), 1n))
  const tagAt = 1 + 32 // after version and chain id
  accepted(() => decodeTransaction(bytes.with(tagAt, 1)))
  for (const tag of [2, 5]) rejected('TX_KIND_UNSUPPORTED', () => decodeTransaction(bytes.with(tagAt, tag)))
})
