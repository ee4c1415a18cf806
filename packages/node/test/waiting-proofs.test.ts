/** Proofs that wait: one that can no longer count is refused, so that it does not hold up its sender's other transactions (AUD-8). */
import {
  accusationCommitment,
  beginBlock,
  decodeTransaction,
  type KeyPair,
  plantCommitment,
  readAuditedUnit,
} from '@nacre/protocol'
import { expect, test } from 'vitest'
import {
  ACCUSER,
  audited,
  auditParams,
  FORGED,
  forged,
  fraudProof,
  OTHER_VERIFIER,
} from '../../protocol/test/audit-fixture.ts'
import { minerKeys, VERIFIER } from '../../protocol/test/market-fixture.ts'
import { accepted, rejected } from '../../protocol/test/rules/verbs.ts'
import { checkMarketTransaction } from '../src/market/next-block.ts'

const PARAMS = auditParams('audits.plantPpm=1000000')
const { epochBlocks, accusationDelayBlocks } = PARAMS.audits

test('a proof of a suspect that would seem a copy leaves the mempool once the first one is on the chain', () => {
  const ledger = audited(PARAMS)
  ledger.toHeight((Math.floor(ledger.height / epochBlocks) + 1) * epochBlocks)
  const epoch = Math.floor((ledger.height + 1) / epochBlocks) + 1
  ledger.block(
    [minerKeys(0), minerKeys(1)].map((keys) => {
      const commitment = plantCommitment(keys.publicKey, epoch, new Uint8Array(32))
      return ledger.tx(keys, { kind: 'plantCommit', epoch, commitment })
    }),
  )
  ledger.enterEpoch([VERIFIER, OTHER_VERIFIER])
  ledger.block()
  const { jobId, kept } = ledger.deliver(forged)
  const proof = fraudProof(jobId, kept.open(FORGED))
  const accuse = (keys: KeyPair): Uint8Array =>
    ledger.tx(keys, { kind: 'accusation', commitment: accusationCommitment(keys.publicKey, proof) })
  /** What the mempool does with a proof after this tip. */
  const waits = (keys: KeyPair) => () => {
    const transaction = decodeTransaction(ledger.tx(keys, proof))
    ledger.forget()
    checkMarketTransaction(beginBlock(ledger.input()).context, transaction)
  }
  ledger.block([accuse(ACCUSER)])
  ledger.block([accuse(VERIFIER)])
  ledger.blocks(accusationDelayBlocks - 2)
  // The first accuser holds its proof back until the second one's waits.
  ledger.block([accuse(OTHER_VERIFIER)])
  ledger.blocks(accusationDelayBlocks - 1)
  accepted(waits(OTHER_VERIFIER))
  ledger.block([ledger.tx(ACCUSER, proof)])
  expect(readAuditedUnit(ledger, jobId)!.isCondemned).toBe(false)
  rejected('PLANT_FOUND', waits(OTHER_VERIFIER))
  accepted(waits(VERIFIER))
})
