/**
 * CNV-4: an amount is a whole number of grains below 2^64, 10^8 of which are one NCR. Nothing in between can be said, on the wire or in the
 * parameters, and what exists together stays below 2^63.
 *
 * The supply at every height, to the grain: ledger-property.test.ts.
 */
import { expect, test } from 'vitest'
import {
  accountOf,
  decodeTransaction,
  encodeTransaction,
  GRAINS_PER_NCR,
  overrideParams,
  paramLines,
  presets,
} from '../../src/index.ts'
import { ALICE, BOB, transactionOf, transfer } from '../ledger-fixture.ts'
import { accepted, rejected } from './verbs.ts'

const pay = (grains: bigint): Uint8Array => transactionOf(ALICE, 0n, transfer(accountOf(BOB.publicKey), grains))

test('one NCR is 10^8 grains, and the largest amount is 2^64 - 1', () => {
  expect(GRAINS_PER_NCR).toBe(100_000_000n)
  const largest = (1n << 64n) - 1n
  const decoded = decodeTransaction(pay(largest))
  expect(decoded).toMatchObject({ body: { grains: largest } })
  expect(encodeTransaction(decoded)).toEqual(pay(largest))
})

test('larger and negative amounts do not encode', () => {
  rejected('CODEC_MALFORMED', () => pay(1n << 64n))
  rejected('CODEC_MALFORMED', () => pay(-1n))
})

test('parameters have no fractions', () => {
  for (const params of Object.values(presets))
    for (const line of paramLines(params)) expect(line).not.toMatch(/=-?\d+(\.\d+|\.?\d*e[+-]?\d+)$/)
  rejected('PARAM_TYPE', () => overrideParams(presets.unit, ['fees.minTransactionGrains=0.5']))
  rejected('PARAM_TYPE', () => overrideParams(presets.unit, ['emission.verifierSharePpm=1e3']))
})

test('supply, premine and faucet together stay below 2^63', () => {
  const room = (1n << 63n) - 1n - presets.unit.emission.faucetGrains
  accepted(() => overrideParams(presets.unit, [`emission.supplyGrains=${room}`]))
  rejected('PARAM_CONTRADICTION', () => overrideParams(presets.unit, [`emission.supplyGrains=${room + 1n}`]), 'CNV-4')
})
