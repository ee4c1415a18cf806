/**
 * UNT-2: a paid unit draws only for the miner to whom the beacon assigned the job, and only on the block whose beacon did.
 *
 *   header, lane paid  ->  its job must be assigned after the parent
 */
import { test } from 'vitest'
import { applyBlock, LANE_PAID } from '../../src/index.ts'
import { TestLedger } from '../ledger-fixture.ts'
import { accepted, filled, rejected } from './verbs.ts'

test('a block of the bootstrap lane, and one of the paid lane without a job', () => {
  const ledger = new TestLedger()
  const input = ledger.input()
  accepted(() => applyBlock(input))
  const unit = { ...input.unit, lane: LANE_PAID, jobId: filled(1) } as const
  rejected('UNIT_JOB', () => applyBlock({ ...input, unit }))
})
