/**
 * CNV-7: everything that comes from outside has a limit with a name, and exceeding it is a typed error before memory is spent on it (P8).
 *
 *   bytes -> longer than the object may be?  CODEC_TOO_LARGE   -> a count above its limit?  CODEC_MALFORMED   -> decoded
 *
 * A block travels by gossip, where a message has at most 1 MiB (NET-2). That nodes pass on no larger one: packages/node/test/network-compliance.ts;
 * their own limits: packages/node/src/limits.ts.
 */
import { expect, test } from 'vitest'
import * as protocol from '../../src/index.ts'
import { ALICE, accuse, funded, transactionOf, transfer } from '../ledger-fixture.ts'
import * as one from './one-block.ts'
import { accepted, filled, rejected } from './verbs.ts'

test.each([
  ['header', protocol.MAX_HEADER_BYTES, 1024, (bytes: Uint8Array) => protocol.headerCodec.decode(bytes)],
  ['transaction', protocol.MAX_TRANSACTION_BYTES, 512 * 1024, (bytes: Uint8Array) => protocol.decodeTransaction(bytes)],
  [
    'ticket proof',
    protocol.MAX_TICKET_PROOF_BYTES,
    256 * 1024,
    (bytes: Uint8Array) => protocol.ticketProofCodec.decode(bytes),
  ],
  [
    'step opening',
    protocol.MAX_STEP_OPENING_BYTES,
    256 * 1024,
    (bytes: Uint8Array) => protocol.stepOpeningCodec.decode(bytes),
  ],
  ['block', protocol.MAX_GOSSIP_BYTES, 1 << 20, (bytes: Uint8Array) => protocol.blockCodec.decode(bytes)],
] as const)('a %s of more than %i bytes is not even decoded', (_, limit, value, decode) => {
  expect(limit).toBe(value)
  expect(() => decode(new Uint8Array(limit))).toThrow(/CODEC_(?!TOO_LARGE)|TX_/)
  rejected('CODEC_TOO_LARGE', () => decode(new Uint8Array(limit + 1)))
})

test('transactions in a block', () => {
  const { bodyCodec, MAX_BLOCK_TRANSACTIONS } = protocol
  const body = (count: number) => bodyCodec.encode({ tokens: [], transactions: new Array(count).fill(filled(1)) })
  accepted(() => body(MAX_BLOCK_TRANSACTIONS))
  rejected('CODEC_MALFORMED', () => body(MAX_BLOCK_TRANSACTIONS + 1))
  const { maxTransactions } = one.context.params.block
  const bytes = transactionOf(ALICE, 0n, transfer(new Uint8Array(20), 1n))
  const blockWith = (count: number): void => {
    const block = { ...one.block, body: { ...one.block.body, transactions: new Array<Uint8Array>(count).fill(bytes) } }
    protocol.checkBody(one.context, { ...block, header: one.signedHeader({ bodyRoot: protocol.bodyRoot(block.body) }) })
  }
  accepted(() => blockWith(maxTransactions))
  rejected('BLOCK_TOO_MANY_TRANSACTIONS', () => blockWith(maxTransactions + 1))
})

test('proofs of equivocation in a block: each costs signature checks and a search', () => {
  const { MAX_BLOCK_ACCUSATIONS: most } = protocol
  expect(most).toBe(16)
  const ledger = funded()
  const accusations = (count: number): Uint8Array[] =>
    Array.from({ length: count }, (_, i) => transactionOf(ALICE, BigInt(i), accuse(filled(100 + i))))
  accepted(() => ledger.preview(accusations(most)))
  rejected('BLOCK_TOO_MANY_ACCUSATIONS', () => ledger.preview(accusations(most + 1)))
  const block = { ...one.block, body: { ...one.block.body, transactions: accusations(most + 1) } }
  const header = one.signedHeader({ bodyRoot: protocol.bodyRoot(block.body) })
  rejected('BLOCK_TOO_MANY_ACCUSATIONS', () => protocol.checkBody(one.context, { ...block, header }))
})

test('leaves of a Merkle tree: a count from a proof is bounded before anything is computed from it', () => {
  const verify = (count: number): void => protocol.verifyMerkle(filled(0), count, [0], [filled(1)], [])
  rejected('MERKLE_PROOF_LENGTH', () => verify(protocol.MAX_MERKLE_LEAVES))
  rejected('MERKLE_INDEX_OUT_OF_RANGE', () => verify(protocol.MAX_MERKLE_LEAVES + 1))
})
