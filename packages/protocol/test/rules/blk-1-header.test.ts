/**
 * BLK-1: a header says everything that makes it count as work: the unit, the trace root, the winning tile with its fold state. Its id is
 * the hash of all fields but the signature. It counts only if the ticket recomputed from its own fields wins.
 *
 *   header:  chain, height, parent, time, bits, beacon | bodyRoot -> tokens, transactions | stateRoot | miner
 *            unit, traceRoot, tile, foldState -> ticket < threshold(bits) | ticketProofHash -> proof | signature
 *
 * Every field tampered with in turn: block-validation.test.ts. The same as gossip: packages/node/test/bad-gossip.test.ts.
 */
import { expect, test } from 'vitest'
import {
  type BlockHeader,
  bitsFromTarget,
  blockCodec,
  blockId,
  checkHeaderForm,
  headerCodec,
  MAX_HEADER_BYTES,
  signHeader,
} from '../../src/index.ts'
import { testKeys } from '../chain-fixture.ts'
import * as one from './one-block.ts'
import { accepted, filled, flipped, rejected } from './verbs.ts'

const { block, context } = one
const { header } = block
const form = (change: Partial<BlockHeader>): void => checkHeaderForm(context, one.signedHeader(change))

test('the honest block, which decodes from the bytes it encodes to', () => {
  accepted(() => one.validate(block))
  const bytes = blockCodec.encode(block)
  expect(blockCodec.encode(blockCodec.decode(bytes))).toEqual(bytes)
  expect(headerCodec.encode(header).length).toBeLessThanOrEqual(MAX_HEADER_BYTES)
})

test('the id covers every field but the signature', () => {
  expect(blockId({ ...header, signature: new Uint8Array(64) } as BlockHeader)).toEqual(blockId(header))
  const { unit, ticket } = header
  const changes: Partial<BlockHeader>[] = [
    { height: 2 },
    { timeMs: header.timeMs + 1 },
    { bodyRoot: flipped(header.bodyRoot) },
    { stateRoot: flipped(header.stateRoot) },
    { unit: { ...unit, counter: 1 } },
    { ticket: { ...ticket, tileRow: ticket.tileRow ^ 1 } },
    { foldState: header.foldState.with(15, 1) },
    { ticketProofHash: flipped(header.ticketProofHash) },
  ]
  for (const change of changes) expect(blockId({ ...header, ...change })).not.toEqual(blockId(header))
})

test('a header that is not of this chain or has no place in one', () => {
  accepted(() => form({}))
  rejected('BLOCK_VERSION', () => form({ version: 2 }))
  rejected('BLOCK_CHAIN', () => form({ chainId: flipped(header.chainId) }))
  rejected('BLOCK_HEIGHT', () => form({ height: 0 }))
  rejected('BLOCK_HEIGHT', () => one.validate(one.withHeader({ height: 2 })))
})

test('a unit of a model that is not registered for the lane (B2)', () => {
  rejected('UNIT_MODEL', () => form({ unit: { ...header.unit, modelId: filled(1) } }))
})

test('a header alone is work only with a ticket that wins at its own bits', () => {
  rejected('TICKET_LOSES', () => form({ bits: bitsFromTarget(1n) }))
  rejected('TICKET_POSITION', () => form({ ticket: { ...header.ticket, layer: 2 } }))
  rejected('BLOCK_BITS', () => form({ bits: 0 }))
})

test('the signature is the miner’s', () => {
  const stranger = signHeader(header, testKeys(2))
  rejected('SIGNATURE_INVALID', () => checkHeaderForm(context, { ...header, signature: stranger.signature }))
  rejected('SIGNATURE_INVALID', () => checkHeaderForm(context, { ...header, timeMs: header.timeMs + 1 }))
})

test('body and proof are those to which the header commits', () => {
  const tokens = [...block.body.tokens.slice(0, -1), 1]
  rejected('BLOCK_BODY_ROOT', () => one.validate({ ...block, body: { ...block.body, tokens } }))
  rejected('BLOCK_BODY_ROOT', () => one.validate({ ...block, body: { ...block.body, transactions: [filled(1)] } }))
  rejected('TICKET_PROOF_HASH', () => one.validate(one.withHeader({ ticketProofHash: filled(1) })))
})
