/**
 * BLK-3: a ticket belongs to one block and a unit to one trace. Two headers signed by one miner that contradict this are evidence against it,
 * whoever shows them and wherever they come from; the pair forfeits and bars. Nothing else does (P4, P5).
 *
 *   genesis - a           a and b: same ticket, other time
 *          \- b           c: the same unit with another trace root
 *           \- c
 *
 * What it costs: ledger-equivocation.test.ts. What nodes pass on: packages/node/test/equivocation.test.ts. A miner that never signs twice:
 * packages/miner/test/miner.test.ts.
 */
import { expect, test } from 'vitest'
import {
  applyBlockBody,
  type BlockHeader,
  checkEquivocationEvidence,
  headerCodec,
  isBarred,
  signHeader,
} from '../../src/index.ts'
import { MemoryState, testKeys } from '../chain-fixture.ts'
import { FAUCET, transactionOf } from '../ledger-fixture.ts'
import * as one from './one-block.ts'
import { accepted, filled, flipped, rejected } from './verbs.ts'

const { context, genesis, miner } = one
const a = one.block.header
const b = one.signedHeader({ timeMs: a.timeMs + 1 })
const c = one.signedHeader({ traceRoot: flipped(a.traceRoot) })
const judge = (first: BlockHeader, second: BlockHeader): Uint8Array =>
  checkEquivocationEvidence(context, headerCodec.encode(first), headerCodec.encode(second)).minerKey

test('two blocks for one ticket, and two traces for one unit', () => {
  expect(judge(a, b)).toEqual(miner.publicKey)
  expect(judge(b, a)).toEqual(miner.publicKey)
  expect(judge(a, c)).toEqual(miner.publicKey)
})

test('two units of one miner are honest work', () => {
  const next = one.signedHeader({ unit: { ...a.unit, counter: 1 }, traceRoot: flipped(a.traceRoot) })
  rejected('TX_EQUIVOCATION', () => judge(a, next))
})

test('one header twice is no second header, however it is signed', () => {
  rejected('TX_EQUIVOCATION', () => judge(a, a))
  rejected('TX_EQUIVOCATION', () => judge(a, { ...a, signature: new Uint8Array(64) }))
})

test('what the miner did not sign, or signed for another chain', () => {
  rejected('TX_EQUIVOCATION', () => judge(a, { ...b, signature: flipped(b.signature) }), 'not signed')
  const [otherA, otherB] = [a, b].map((header) => signHeader({ ...header, chainId: filled(1) }, miner))
  rejected('TX_EQUIVOCATION', () => judge(otherA!, otherB!), 'another chain')
})

test('the same fields under two keys are two units', () => {
  const thief = testKeys(2)
  rejected('TX_EQUIVOCATION', () => judge(a, signHeader({ ...b, minerKey: thief.publicKey }, thief)))
})

test('bytes that are no header', () => {
  const bytes = headerCodec.encode(a)
  rejected('CODEC_MALFORMED', () => checkEquivocationEvidence(context, bytes, bytes.slice(1)))
  rejected('CODEC_TRAILING_BYTES', () => checkEquivocationEvidence(context, bytes, Uint8Array.of(...bytes, 0)))
})

test('as a transaction the pair bars the key: a block of that key is refused from then on', () => {
  const [evidenceA, evidenceB] = [a, b].map((header) => headerCodec.encode(header))
  const body = { kind: 'equivocation', evidenceA: evidenceA!, evidenceB: evidenceB! } as const
  const proof = transactionOf(FAUCET, 0n, body, 1000n, genesis.chainId)
  const state = new MemoryState(context)
  const blockOf = (key: Uint8Array, transactions: readonly Uint8Array[]) =>
    applyBlockBody(context, { ...a, height: 1, minerKey: key }, transactions, state, state.ltHash)
  accepted(() => blockOf(miner.publicKey, []))
  for (const { key, after } of blockOf(testKeys(2).publicKey, [proof]).changes)
    if (after !== undefined) state.entries.set(key, after)
  expect(isBarred(state, miner.publicKey)).toBe(true)
  rejected('BLOCK_KEY_BARRED', () => blockOf(miner.publicKey, []))
})
