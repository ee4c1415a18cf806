import { describe, expect, test } from 'vitest'
import { BlockAudits } from '../src/audit/block-audits.ts'
import { bootstrapCoinbase } from '../src/emission/coinbase.ts'
import { accountOf } from '../src/keys.ts'
import { applyBlock } from '../src/ledger/apply-block.ts'
import { applyTransaction } from '../src/ledger/apply-transaction.ts'
import { readAmount, readImmature, readRegistration, readUnbonding, writeAmount } from '../src/ledger/entries.ts'
import { ImmatureIndex } from '../src/ledger/forfeit.ts'
import { ROLE_MINER, ROLE_VERIFIER } from '../src/ledger/keys.ts'
import { StateDraft } from '../src/ledger/state.ts'
import { decodeTransaction, type TransactionBody } from '../src/ledger/transactions.ts'
import { JobBooks } from '../src/market/job-books.ts'
import { GRAINS_PER_NCR } from '../src/params/presets.ts'
import type { EmissionParams } from '../src/params/types.ts'
import { LANE_PAID } from '../src/unit/types.ts'
import {
  ALICE,
  accuse,
  BOB,
  CHAIN_ID,
  FAUCET,
  funded,
  MINER,
  MODEL,
  markChecker,
  OTHER_MINER,
  TEST_MODELS,
  TEST_PARAMS,
  TestLedger,
  transactionOf,
  transfer,
} from './ledger-fixture.ts'

const { maturityBlocks } = TEST_PARAMS.block
const { minerGrains, verifierGrains, unbondingBlocks } = TEST_PARAMS.bonds
const aliceAccount = accountOf(ALICE.publicKey)
const register: TransactionBody = { kind: 'minerRegister' }
const registerVerifier: TransactionBody = { kind: 'verifierRegister' }
const unbondMiner: TransactionBody = { kind: 'unbond', role: ROLE_MINER }

describe('coinbase (ECO-2, ECO-3, ECO-8)', () => {
  test('the miner gets half of R and the fees, after maturity and not before', () => {
    const ledger = funded()
    const first = ledger.journal.length
    const { minerSubsidy } = bootstrapCoinbase(TEST_PARAMS, 1, 0n)
    for (let i = 1; i < maturityBlocks; i++) {
      ledger.block([], OTHER_MINER)
      expect(ledger.balance(MINER)).toBe(0n)
    }
    const applied = ledger.block([], OTHER_MINER)
    expect(ledger.height).toBe(first + maturityBlocks)
    expect(applied.summary.matured).toBe(minerSubsidy + 2000n)
    expect(ledger.balance(MINER)).toBe(minerSubsidy + 2000n)
    expect(readImmature(ledger, ledger.height)).toEqual([])
  })

  test('counters: emitted, verifier pool and deferred grow by their shares', () => {
    const ledger = new TestLedger()
    const { summary } = ledger.block()
    expect(readAmount(ledger, 'emitted')).toBe(summary.subsidy)
    expect(readAmount(ledger, 'verifierPool')).toBe(summary.verifierShare)
    expect(readAmount(ledger, 'deferred')).toBe(summary.deferred)
    expect(summary.verifierShare + summary.minerReward + summary.deferred).toBe(summary.subsidy)
  })

  test('release is paid out of what was deferred before the block', () => {
    const ledger = new TestLedger()
    ledger.blocks(20)
    const before = readAmount(ledger, 'deferred')
    const { summary } = ledger.block()
    expect(summary.release).toBe(before / 1000n)
    expect(readAmount(ledger, 'deferred')).toBe(before - summary.release + summary.deferred)
    expect(readImmature(ledger, ledger.height + maturityBlocks)[0]!.grains).toBe(summary.minerReward)
  })

  test('a team share matures too, and no miner key can forfeit it', () => {
    const teamAccount = 'ab'.repeat(20)
    const emission: EmissionParams = { ...TEST_PARAMS.emission, teamSharePpm: 200_000, teamAccount }
    const ledger = new TestLedger({ ...TEST_PARAMS, emission })
    const { summary } = ledger.block()
    expect(summary.teamShare).toBe(summary.subsidy / 5n)
    expect(readImmature(ledger, 1 + maturityBlocks).map((entry) => entry.minerKey.length)).toEqual([32, 0])
    ledger.block([transactionOf(FAUCET, 0n, accuse(MINER.publicKey))], OTHER_MINER)
    expect(readImmature(ledger, 1 + maturityBlocks).map((entry) => entry.grains)).toEqual([summary.teamShare])
  })

  test('genesis, bad keys, heights and units are refused', () => {
    const ledger = new TestLedger()
    const input = ledger.input()
    const paid = { ...input.unit, lane: LANE_PAID, jobId: new Uint8Array(32).fill(1) } as const
    expect(() => applyBlock({ ...input, unit: { ...paid, jobId: new Uint8Array(32) } })).toThrow('UNIT_LANE')
    expect(() => applyBlock({ ...input, unit: paid })).toThrow('UNIT_JOB')
    expect(() => applyBlock({ ...input, height: 0 })).toThrow('BLOCK_HEIGHT')
    expect(() => applyBlock({ ...input, height: 2 ** 32 })).toThrow('BLOCK_HEIGHT')
    expect(() => applyBlock({ ...input, minerKey: new Uint8Array(31) })).toThrow('KEY_INVALID')
    const one = { ...TEST_PARAMS, block: { ...TEST_PARAMS.block, maxTransactions: 1 } }
    const two = [0n, 1n].map((nonce) => transactionOf(FAUCET, nonce, transfer(aliceAccount, 1n)))
    expect(() => applyBlock({ ...input, params: one, transactions: two })).toThrow('BLOCK_TOO_MANY_TRANSACTIONS')
    expect(() => applyBlock({ ...input, params: one, transactions: two.slice(1) })).toThrow(
      'TX_NONCE_GAP: transaction 0',
    )
  })

  test('a tail that would exceed 2^64 - 1 grains is LEDGER_OVERFLOW', () => {
    const emission: EmissionParams = { ...TEST_PARAMS.emission, ramp: 'none', tailGrains: (1n << 64n) - 1n }
    expect(() => new TestLedger({ ...TEST_PARAMS, emission }).block()).toThrow('LEDGER_OVERFLOW')
    const draft = new StateDraft({ get: () => undefined })
    expect(() => writeAmount(draft, 'burned', 1n << 64n)).toThrow('CODEC_MALFORMED')
  })
})

describe('envelope rules', () => {
  test.each([
    ['another chain', { chainId: new Uint8Array(32) }, 'TX_CHAIN'],
    ['one grain below the least fee', { fee: 999n }, 'TX_FEE_TOO_LOW'],
    ['a nonce that was used', { nonce: 0n, used: true }, 'TX_NONCE_LOW'],
    ['a nonce ahead', { nonce: 1n }, 'TX_NONCE_GAP'],
    ['one grain too few', { grains: 100n * GRAINS_PER_NCR - 999n }, 'TX_INSUFFICIENT_FUNDS'],
    ['nothing to move', { grains: 0n }, 'TX_AMOUNT'],
  ] as [string, { chainId?: Uint8Array; fee?: bigint; nonce?: bigint; used?: boolean; grains?: bigint }, string][])(
    '%s',
    (_, { chainId, fee, nonce = 0n, used = false, grains = 1n }, code) => {
      const ledger = funded()
      if (used) ledger.block([transactionOf(ALICE, 0n, transfer(aliceAccount, 1n))])
      const bytes = transactionOf(ALICE, nonce, transfer(accountOf(BOB.publicKey), grains), fee, chainId)
      expect(() => ledger.block([bytes])).toThrow(`${code}: transaction 0`)
    },
  )

  test('a foreign signature is SIGNATURE_INVALID, and a block fails with any of its transactions', () => {
    const ledger = funded()
    const good = transactionOf(ALICE, 0n, transfer(aliceAccount, 1n))
    const forged = transactionOf(BOB, 0n, transfer(aliceAccount, 1n))
    forged[forged.length - 1]! ^= 1
    expect(() => ledger.block([good, forged])).toThrow('SIGNATURE_INVALID: transaction 1')
    expect(() => ledger.block([good, good])).toThrow('TX_NONCE_LOW: transaction 1')
    expect(() => ledger.block([Uint8Array.of(1, 2, 3)])).toThrow('CODEC_MALFORMED: transaction 0')
    expect(ledger.height).toBe(1)
  })

  test('on an error the draft is as before, so that a miner can leave a transaction out', () => {
    const ledger = funded()
    const bodies: TransactionBody[] = [transfer(aliceAccount, 0n), unbondMiner, accuse(MINER.publicKey)]
    for (const body of bodies) {
      const draft = new StateDraft(ledger)
      const context = {
        params: TEST_PARAMS,
        chainId: CHAIN_ID,
        height: 2,
        draft,
        models: TEST_MODELS,
        books: new JobBooks(),
        checkEquivocation: () => markChecker(new Uint8Array(0), new Uint8Array(0)),
        immature: new ImmatureIndex(2, maturityBlocks),
        minerKey: MINER.publicKey,
        stepModel: () => MODEL,
        audits: new BlockAudits(),
      }
      const transaction = decodeTransaction(transactionOf(ALICE, 0n, body))
      expect(() => applyTransaction(context, transaction)).toThrow('TX_')
      expect(draft.finish()).toEqual([])
    }
  })
})

describe('transfers', () => {
  test('move grains, count the nonce and pay the fee to the miner of the block', () => {
    const ledger = funded()
    const { summary } = ledger.block([transactionOf(ALICE, 0n, transfer(accountOf(BOB.publicKey), 5n), 1234n)])
    expect(ledger.balance(ALICE)).toBe(100n * GRAINS_PER_NCR - 5n - 1234n)
    expect(ledger.balance(BOB)).toBe(100n * GRAINS_PER_NCR + 5n)
    expect(ledger.nonce(ALICE)).toBe(1n)
    expect(summary.fees).toBe(1234n)
    expect(readImmature(ledger, 2 + maturityBlocks)[0]!.grains).toBe(summary.minerReward)
  })

  test('everything can be sent, also to oneself; the nonce stays so that nothing replays', () => {
    const ledger = funded()
    ledger.block([transactionOf(ALICE, 0n, transfer(aliceAccount, 100n * GRAINS_PER_NCR - 1000n))])
    expect(ledger.balance(ALICE)).toBe(100n * GRAINS_PER_NCR - 1000n)
    const rest = transactionOf(ALICE, 1n, transfer(accountOf(BOB.publicKey), 100n * GRAINS_PER_NCR - 2000n))
    ledger.block([rest])
    expect(ledger.balance(ALICE)).toBe(0n)
    expect(ledger.nonce(ALICE)).toBe(2n)
    expect(() => ledger.block([rest])).toThrow('TX_NONCE_LOW')
  })

  test('grains received earlier in the block can be spent in it', () => {
    const ledger = new TestLedger()
    ledger.block([
      transactionOf(FAUCET, 0n, transfer(aliceAccount, 5000n)),
      transactionOf(ALICE, 0n, transfer(accountOf(BOB.publicKey), 4000n)),
    ])
    expect(ledger.balance(BOB)).toBe(4000n)
  })
})

describe('registration and unbonding (ECO-1)', () => {
  test('a registration locks the full bond of its role', () => {
    const ledger = funded()
    ledger.block([transactionOf(ALICE, 0n, register), transactionOf(ALICE, 1n, registerVerifier)])
    const registration = { registeredHeight: 2, unbondingHeight: 0 }
    expect(readRegistration(ledger, ROLE_MINER, ALICE.publicKey)).toEqual({ bond: minerGrains, ...registration })
    expect(readRegistration(ledger, ROLE_VERIFIER, ALICE.publicKey)).toEqual({ bond: verifierGrains, ...registration })
    expect(ledger.balance(ALICE)).toBe(100n * GRAINS_PER_NCR - 2000n - minerGrains - verifierGrains)
    expect(ledger.audit()).toMatchObject({ bonds: minerGrains + verifierGrains, unbonding: 0n })
  })

  test('twice in one role, and unbonding without or twice, are TX_REGISTRATION', () => {
    const ledger = funded()
    expect(() => ledger.block([transactionOf(ALICE, 0n, unbondMiner)])).toThrow('TX_REGISTRATION')
    ledger.block([transactionOf(ALICE, 0n, register)])
    expect(() => ledger.block([transactionOf(ALICE, 1n, register)])).toThrow('TX_REGISTRATION')
    expect(() => ledger.block([transactionOf(ALICE, 1n, { kind: 'unbond', role: ROLE_VERIFIER })])).toThrow(
      'TX_REGISTRATION',
    )
    ledger.block([transactionOf(ALICE, 1n, unbondMiner)])
    expect(() => ledger.block([transactionOf(ALICE, 2n, unbondMiner)])).toThrow('TX_REGISTRATION')
    expect(() => ledger.block([transactionOf(ALICE, 2n, register)])).toThrow('TX_REGISTRATION')
  })

  test('immature grains cannot be locked', () => {
    const ledger = new TestLedger()
    const { summary } = ledger.block([], ALICE)
    expect(summary.minerReward).toBeGreaterThan(minerGrains + 1000n)
    for (let height = 2; height <= maturityBlocks; height++) {
      expect(() => ledger.block([transactionOf(ALICE, 0n, register)])).toThrow('TX_INSUFFICIENT_FUNDS')
      ledger.block()
    }
    ledger.block([transactionOf(ALICE, 0n, register)])
    expect(readRegistration(ledger, ROLE_MINER, ALICE.publicKey)!.bond).toBe(minerGrains)
  })

  test('a bond returns exactly after the unbonding time, and the key can register again', () => {
    const ledger = funded()
    ledger.block([transactionOf(ALICE, 0n, register)])
    const locked = ledger.balance(ALICE)
    ledger.block([transactionOf(ALICE, 1n, unbondMiner)])
    const asked = ledger.height
    expect(readUnbonding(ledger, asked + unbondingBlocks)).toHaveLength(1)
    expect(ledger.audit()).toMatchObject({ bonds: 0n, unbonding: minerGrains })
    ledger.blocks(unbondingBlocks - 1)
    expect(ledger.balance(ALICE)).toBe(locked - 1000n)
    ledger.block([transactionOf(ALICE, 2n, register)])
    expect(ledger.height).toBe(asked + unbondingBlocks)
    expect(ledger.balance(ALICE)).toBe(locked - 2000n)
    expect(readUnbonding(ledger, asked + unbondingBlocks)).toEqual([])
  })
})
