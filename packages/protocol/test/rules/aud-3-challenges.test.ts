/**
 * AUD-3: a miner that answers no request for an opening is asked on the chain. An answer there earns it the challenger's bond, none is
 * fraud.
 *
 *   challenge (bond)  ->  responseBlocks, more if blocks are full  ->  response: the bond is the miner's
 *                                                                  ->  none: as for a wrong step (AUD-4)
 */
import { describe, expect, test } from 'vitest'
import {
  type Challenge,
  challengeBond,
  isBarred,
  isFullBlock,
  lastChallengeHeight,
  partOf,
  ROLE_VERIFIER,
  readAuditedUnit,
  readChallenges,
  type StepRef,
} from '../../src/index.ts'
import {
  ACCUSER,
  AUDIT_PARAMS,
  type AuditLedger,
  audited,
  auditParams,
  FORGED,
  forged,
  fraudProof,
  HONEST,
  type Kept,
  OTHER_VERIFIER,
} from '../audit-fixture.ts'
import { MINER, transfer } from '../ledger-fixture.ts'
import { CLIENT, OTHER_CLIENT, VERIFIER } from '../market-fixture.ts'
import { accepted, filled, rejected } from './verbs.ts'

const { responseBlocks, challengeBondGrains, maxChallengesPerUnit, maxChallengesPerBlock, bountyPpm } =
  AUDIT_PARAMS.audits
const BOND = 50_000_000n

const ask = (jobId: Uint8Array, ref: StepRef = HONEST, bond = BOND): Challenge => ({
  kind: 'challenge',
  jobId,
  ref,
  bond,
})
const answer = (jobId: Uint8Array, kept: Kept, ref: StepRef = HONEST) =>
  ({ kind: 'response', jobId, opening: kept.open(ref) }) as const
const at = (position: number): StepRef => ({ ...HONEST, position })

describe('a challenge that is answered', () => {
  test('gives its bond to the miner, whoever answers; the step is not asked for again', () => {
    const ledger = audited()
    const { jobId, kept, miner } = ledger.deliver()
    const before = { verifier: ledger.balance(VERIFIER), miner: ledger.balance(miner) }
    ledger.block([ledger.tx(VERIFIER, ask(jobId))])
    expect(ledger.balance(VERIFIER)).toBe(before.verifier - BOND - 1000n)
    expect(ledger.audit().deposits).toBe(BOND)
    ledger.blocks(responseBlocks - 1)
    ledger.block([ledger.tx(OTHER_CLIENT, answer(jobId, kept))])
    expect(ledger.balance(miner)).toBe(before.miner + BOND)
    expect(ledger.audit().deposits).toBe(0n)
    rejected('RESPONSE_UNASKED', () => ledger.preview([ledger.tx(miner, answer(jobId, kept))]))
    rejected('CHALLENGE_DOUBLE', () => ledger.preview([ledger.tx(OTHER_VERIFIER, ask(jobId))]))
    ledger.forget()
    ledger.blocks(AUDIT_PARAMS.block.maturityBlocks)
    expect(isBarred(ledger, miner.publicKey)).toBe(false)
    expect(readChallenges(ledger, jobId)).toEqual([])
  })

  test('is answered by that step, opened and right', () => {
    const ledger = audited()
    const { jobId, kept, miner } = ledger.deliver(forged)
    ledger.block([ledger.tx(VERIFIER, ask(jobId, FORGED))])
    rejected('RESPONSE_UNASKED', () => ledger.preview([ledger.tx(miner, answer(jobId, kept))]))
    ledger.forget()
    rejected('STEP_MISMATCH', () => ledger.preview([ledger.tx(miner, answer(jobId, kept, FORGED))]))
    ledger.forget()
    const opening = { ...kept.open(FORGED), topProof: [] }
    rejected('MERKLE_PROOF_LENGTH', () => ledger.preview([ledger.tx(miner, { kind: 'response', jobId, opening })]))
  })
})

describe('a challenge that is not answered', () => {
  test('is fraud at the end of its last block: bar, forfeiture, bounty and the bond to the challenger, the fee to the client', () => {
    const ledger = audited(auditParams('jobs.auditWindowBlocks=9'))
    const { jobId, miner } = ledger.deliver()
    const { held } = ledger.job(jobId)
    ledger.block([ledger.tx(VERIFIER, ask(jobId)), ledger.tx(OTHER_VERIFIER, ask(jobId, at(3)))])
    ledger.blocks(responseBlocks - 1)
    expect(isBarred(ledger, miner.publicKey)).toBe(false)
    const before = [VERIFIER, OTHER_VERIFIER, CLIENT].map((keys) => ledger.balance(keys))
    const { summary } = ledger.block()
    const bounty = partOf(AUDIT_PARAMS.bonds.minerGrains, bountyPpm)
    expect(summary.audits.condemned).toEqual([
      { jobId, minerKey: miner.publicKey, reason: 'unanswered', returned: held },
    ])
    expect(summary.forfeitures).toHaveLength(1)
    expect([VERIFIER, OTHER_VERIFIER, CLIENT].map((keys) => ledger.balance(keys))).toEqual([
      before[0]! + BOND + bounty,
      before[1]! + BOND,
      before[2]! + held,
    ])
    expect(isBarred(ledger, miner.publicKey)).toBe(true)
    expect(ledger.audit().held).toBe(ledger.audit().created)
    ledger.blocks(AUDIT_PARAMS.block.maturityBlocks)
    expect([...ledger.entries.keys()].filter((key) => /^(challenge|audit|full)/.test(key))).toEqual([])
  })

  test('bars the miner of that block too, so it cannot make it', () => {
    const ledger = audited()
    const { jobId, kept, miner } = ledger.deliver()
    ledger.block([ledger.tx(VERIFIER, ask(jobId))])
    ledger.blocks(responseBlocks - 1)
    rejected('BLOCK_KEY_BARRED', () => ledger.preview([], miner))
    accepted(() => ledger.preview([ledger.tx(miner, answer(jobId, kept))], miner))
  })

  test('is over when a fraud proof comes first: bonds return', () => {
    const ledger = audited()
    const { jobId, kept } = ledger.deliver(forged)
    ledger.block([ledger.tx(VERIFIER, ask(jobId))])
    const before = ledger.balance(VERIFIER)
    ledger.prove(fraudProof(jobId, kept.open(FORGED)))
    expect(ledger.balance(VERIFIER)).toBe(before + BOND)
    expect(ledger.audit().deposits).toBe(0n)
    rejected('AUDIT_UNIT', () => ledger.block([ledger.tx(VERIFIER, ask(jobId, at(1)))]))
    ledger.forget()
    const blocks = Array.from({ length: 2 * responseBlocks }, () => ledger.block().summary.audits.condemned)
    expect(blocks.flat()).toEqual([])
  })
})

describe('who, when, how much', () => {
  const send = (ledger: AuditLedger, body: Challenge, keys = VERIFIER): void => {
    try {
      ledger.preview([ledger.tx(keys, body)])
    } finally {
      ledger.forget()
    }
  }

  test('active verifiers and the client; nobody else could fill a unit with challenges of its own', () => {
    const ledger = audited()
    const { jobId } = ledger.deliver()
    accepted(() => send(ledger, ask(jobId)))
    accepted(() => send(ledger, ask(jobId), CLIENT))
    for (const keys of [OTHER_CLIENT, ACCUSER]) rejected('CHALLENGE_SENDER', () => send(ledger, ask(jobId), keys))
    ledger.block([ledger.tx(VERIFIER, { kind: 'unbond', role: ROLE_VERIFIER })])
    rejected('CHALLENGE_SENDER', () => send(ledger, ask(jobId)))
  })

  test("a bond of at least the receipt's fee and of the parameter", () => {
    const ledger = audited(auditParams('audits.challengeBondGrains=1'))
    const { jobId } = ledger.deliver()
    const unit = readAuditedUnit(ledger, jobId)!
    expect(challengeBond(ledger.params, unit)).toBe(unit.feeGrains)
    expect(challengeBond(auditParams(`audits.challengeBondGrains=${unit.feeGrains + 5n}`), unit)).toBe(
      unit.feeGrains + 5n,
    )
    rejected('CHALLENGE_BOND', () => send(ledger, ask(jobId, HONEST, unit.feeGrains - 1n)))
    accepted(() => send(ledger, ask(jobId, HONEST, unit.feeGrains)))
    rejected('TX_INSUFFICIENT_FUNDS', () => send(ledger, ask(jobId, HONEST, 10n ** 15n)))
    expect(challengeBondGrains).toBeGreaterThan(0n)
  })

  test('of a step that the unit has', () => {
    const ledger = audited()
    const { jobId } = ledger.deliver()
    rejected('STEP_OUT_OF_RANGE', () => send(ledger, ask(jobId, at(19))))
    accepted(() => send(ledger, ask(jobId, at(18))))
    rejected('AUDIT_UNIT', () => send(ledger, ask(filled(1))))
  })

  test('up to the end of the challenge window, so that every deadline is before the payment matures (ECO-8)', () => {
    const ledger = audited()
    const { jobId } = ledger.deliver()
    const unit = readAuditedUnit(ledger, jobId)!
    const last = lastChallengeHeight(AUDIT_PARAMS, unit)
    expect(last + 2 * responseBlocks).toBeLessThan(unit.receiptHeight + AUDIT_PARAMS.block.maturityBlocks)
    ledger.toHeight(last - 1)
    accepted(() => send(ledger, ask(jobId)))
    ledger.block()
    rejected('CHALLENGE_WINDOW', () => send(ledger, ask(jobId)))
  })

  test('so many of one challenger to one unit, so many in one block', () => {
    const ledger = audited()
    const { jobId } = ledger.deliver()
    const of = (count: number, keys = VERIFIER, first = 0): Uint8Array[] =>
      Array.from({ length: count }, (_, i) => ledger.tx(keys, ask(jobId, at(first + i))))
    rejected(
      'BLOCK_TOO_MANY_PROOFS',
      () => ledger.preview(of(maxChallengesPerBlock + 1)),
      `transaction ${maxChallengesPerBlock}`,
    )
    ledger.forget()
    expect(maxChallengesPerUnit).toBe(maxChallengesPerBlock)
    ledger.block(of(maxChallengesPerUnit))
    rejected('CHALLENGE_LIMIT', () => send(ledger, ask(jobId, at(10))))
    accepted(() => send(ledger, ask(jobId, at(10)), CLIENT))
  })
})

describe('full blocks stretch the time', () => {
  const few = auditParams('block.maxTransactions=8')
  const fill = (ledger: AuditLedger): void => {
    ledger.block(Array.from({ length: 6 }, () => ledger.tx(OTHER_CLIENT, transfer(new Uint8Array(20), 1n))))
  }

  test('three quarters of the transactions, or half of the bytes', () => {
    const bytes = (count: number, length: number): Uint8Array[] =>
      Array.from({ length: count }, () => new Uint8Array(length))
    expect(isFullBlock(few, bytes(5, 100))).toBe(false)
    expect(isFullBlock(few, bytes(6, 100))).toBe(true)
    expect(isFullBlock(few, bytes(1, (1 << 19) - 1))).toBe(false)
    expect(isFullBlock(few, bytes(1, 1 << 19))).toBe(true)
  })

  test.each([0, 1, 3, 20])('by one block for each of %i full ones, up to twice the time', (full) => {
    const ledger = audited(few)
    const { jobId, miner } = ledger.deliver()
    ledger.block([ledger.tx(VERIFIER, ask(jobId))])
    const due = responseBlocks + Math.min(full, responseBlocks)
    for (let i = 1; i <= due; i++) {
      expect(isBarred(ledger, miner.publicKey), `block ${i}`).toBe(false)
      if (i <= full) fill(ledger)
      else ledger.block([], MINER)
    }
    expect(isBarred(ledger, miner.publicKey)).toBe(true)
  })

  test('an answer in the stretched time counts', () => {
    const ledger = audited(few)
    const { jobId, kept, miner } = ledger.deliver()
    ledger.block([ledger.tx(VERIFIER, ask(jobId)), ledger.tx(VERIFIER, ask(jobId, at(4)))])
    for (let i = 0; i < responseBlocks; i++) fill(ledger)
    ledger.block([ledger.tx(miner, answer(jobId, kept)), ledger.tx(miner, answer(jobId, kept, at(4)))])
    ledger.blocks(2 * responseBlocks)
    expect(isBarred(ledger, miner.publicKey)).toBe(false)
  })
})

test('deadlines are state: another branch has its own, and taking blocks back brings the old ones back', () => {
  const ledger = audited()
  const { jobId, kept, miner } = ledger.deliver()
  ledger.block([ledger.tx(VERIFIER, ask(jobId))])
  const entries = new Map(ledger.entries)
  ledger.blocks(responseBlocks)
  expect(isBarred(ledger, miner.publicKey)).toBe(true)
  for (let i = 0; i < responseBlocks; i++) ledger.revert()
  expect(new Map([...ledger.entries].sort())).toEqual(new Map([...entries].sort()))
  ledger.branch = 1
  ledger.block([ledger.tx(miner, answer(jobId, kept))])
  ledger.blocks(responseBlocks)
  expect(isBarred(ledger, miner.publicKey)).toBe(false)
})
