import { describe, expect, test } from 'vitest'
import { accountOf } from '../src/keys.ts'
import { applyBlock } from '../src/ledger/apply-block.ts'
import { isBarred, readAmount, readImmature, readRegistration } from '../src/ledger/entries.ts'
import { ROLE_MINER } from '../src/ledger/keys.ts'
import type { TransactionBody } from '../src/ledger/transactions.ts'
import { MAX_BLOCK_ACCUSATIONS } from '../src/limits.ts'
import { presets } from '../src/params/presets.ts'
import type { Params } from '../src/params/types.ts'
import {
  ALICE,
  accuse,
  BOB,
  evidenceAgainst,
  funded,
  MINER,
  TEST_PARAMS,
  transactionOf,
  transfer,
} from './ledger-fixture.ts'

const { maturityBlocks } = TEST_PARAMS.block
const { minerGrains, verifierGrains, unbondingBlocks } = TEST_PARAMS.bonds
const register: TransactionBody = { kind: 'minerRegister' }
const registerVerifier: TransactionBody = { kind: 'verifierRegister' }
const unbondMiner: TransactionBody = { kind: 'unbond', role: ROLE_MINER }

describe('equivocation (BLK-3, ECO-8)', () => {
  test('forfeits what is immature and all bonds: a tenth of the bonds to the reporter, the rest burned', () => {
    const ledger = funded()
    ledger.block([transactionOf(ALICE, 0n, register), transactionOf(ALICE, 1n, registerVerifier)], ALICE)
    ledger.block([], ALICE)
    const immature = [2, 3].map((h) => readImmature(ledger, h + maturityBlocks)[0]!.grains).reduce((a, b) => a + b)
    const bonds = minerGrains + verifierGrains
    const before = [ledger.balance(BOB), ledger.balance(ALICE)] as const
    const { summary } = ledger.block([transactionOf(BOB, 0n, accuse(ALICE.publicKey))])
    const bounty = bonds / 10n
    const burned = immature + bonds - bounty
    expect(summary.forfeitures).toEqual([{ minerKey: ALICE.publicKey, immature, bonds, bounty, returned: 0n, burned }])
    expect(ledger.balance(BOB)).toBe(before[0] - 1000n + bounty)
    expect(ledger.balance(ALICE)).toBe(before[1])
    expect(readAmount(ledger, 'burned')).toBe(burned)
    for (const height of [2, 3]) expect(readImmature(ledger, height + maturityBlocks)).toEqual([])
    expect(ledger.audit().held).toBe(ledger.audit().created)
  })

  test('a bond on its way back is forfeited too, and does not return later', () => {
    const ledger = funded()
    ledger.block([transactionOf(ALICE, 0n, register)])
    ledger.block([transactionOf(ALICE, 1n, unbondMiner)])
    const balance = ledger.balance(ALICE)
    const { summary } = ledger.block([transactionOf(BOB, 0n, accuse(ALICE.publicKey))])
    expect(summary.forfeitures[0]!.bonds).toBe(minerGrains)
    ledger.blocks(unbondingBlocks + 1)
    expect(ledger.balance(ALICE)).toBe(balance)
  })

  test('the last block before maturity is still forfeited, the first matured one is not', () => {
    const ledger = funded()
    ledger.blocks(maturityBlocks + 1, ALICE)
    const kept = readImmature(ledger, ledger.height + 1)[0]!.grains
    const before = ledger.balance(ALICE)
    ledger.block([transactionOf(BOB, 0n, accuse(ALICE.publicKey))])
    expect(ledger.balance(ALICE)).toBe(before + kept)
    for (let i = 1; i <= maturityBlocks; i++)
      for (const entry of readImmature(ledger, ledger.height + i)) expect(entry.minerKey).not.toEqual(ALICE.publicKey)
  })

  test('a barred key cannot mine or register, in either role; its balance stays its own', () => {
    const ledger = funded()
    ledger.block([transactionOf(BOB, 0n, accuse(ALICE.publicKey))])
    expect(isBarred(ledger, ALICE.publicKey)).toBe(true)
    expect(() => ledger.block([], ALICE)).toThrow('BLOCK_KEY_BARRED')
    for (const body of [register, registerVerifier])
      expect(() => ledger.block([transactionOf(ALICE, 0n, body)])).toThrow('TX_REGISTRATION')
    ledger.block([transactionOf(ALICE, 0n, transfer(accountOf(BOB.publicKey), 1n))])
  })

  test('proven twice, or not at all, is TX_EQUIVOCATION; a block cannot bar its own miner', () => {
    const ledger = funded()
    const twice = [transactionOf(BOB, 0n, accuse(ALICE.publicKey)), transactionOf(BOB, 1n, accuse(ALICE.publicKey))]
    expect(() => ledger.block(twice)).toThrow('TX_EQUIVOCATION: transaction 1')
    const { evidenceA } = evidenceAgainst(ALICE.publicKey)
    const nothing: TransactionBody = { kind: 'equivocation', evidenceA, evidenceB: evidenceA }
    expect(() => ledger.block([transactionOf(BOB, 0n, nothing)])).toThrow('TX_EQUIVOCATION: transaction 0')
    expect(() => ledger.block([transactionOf(BOB, 0n, accuse(MINER.publicKey))])).toThrow('BLOCK_KEY_BARRED')
    ledger.block(twice.slice(0, 1))
    expect(() => ledger.block(twice.slice(1))).toThrow('TX_EQUIVOCATION')
  })

  test('accusing oneself does not pay: nine tenths of the bond and everything immature are gone', () => {
    const ledger = funded()
    ledger.block([transactionOf(ALICE, 0n, register)], ALICE)
    const wealth = (): bigint =>
      ledger.balance(ALICE) +
      (readRegistration(ledger, ROLE_MINER, ALICE.publicKey)?.bond ?? 0n) +
      readImmature(ledger, 2 + maturityBlocks).reduce((sum, entry) => sum + entry.grains, 0n)
    const before = wealth()
    const immature = readImmature(ledger, 2 + maturityBlocks)[0]!.grains
    ledger.block([transactionOf(ALICE, 1n, accuse(ALICE.publicKey))])
    expect(wealth()).toBe(before - immature - 1000n - minerGrains + minerGrains / 10n)
  })

  test('many forfeitures in one block read the immature entries once', () => {
    const params: Params = { ...presets.unit, block: { ...presets.unit.block, maturityBlocks: 50 } }
    const ledger = funded({ ...params, bonds: { ...params.bonds, unbondingBlocks: 50 } })
    ledger.blocks(40, ALICE)
    let reads = 0
    const counting = {
      get: (key: string): Uint8Array | undefined => {
        if (key.startsWith('immature/')) reads++
        return ledger.get(key)
      },
    }
    const accused = Array.from({ length: MAX_BLOCK_ACCUSATIONS }, (_, i) => new Uint8Array(32).fill(200 + i))
    const transactions = accused.map((key, i) => transactionOf(BOB, BigInt(i), accuse(key)))
    applyBlock(ledger.input({ reader: counting, transactions }))
    expect(reads).toBeLessThanOrEqual(49 + 4)
  })
})
