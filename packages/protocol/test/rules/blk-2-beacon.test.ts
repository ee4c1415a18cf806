/**
 * BLK-2: each block's beacon is the hash of its parent's beacon and its ticket. The ticket does not depend on transactions, time or state,
 * so a miner cannot try contents until it likes the beacon (P6): it can only keep a won block to itself, and lose it.
 *
 *   beacon 0 ---+---> beacon 1 ---+---> beacon 2
 *       ticket 1+         ticket 2+
 */
import { expect, test } from 'vitest'
import { accountOf, assembleBlock, type Block, headerTicketHash, taggedHash } from '../../src/index.ts'
import { BOB, FAUCET, transactionOf, transfer } from '../ledger-fixture.ts'
import * as one from './one-block.ts'
import { accepted, flipped, rejected } from './verbs.ts'

const { block, genesis, trace } = one

/** The same won unit in a block of another content. */
function withContent(timeMs: number, transactions: readonly Uint8Array[]): Block {
  const { context, ancestry, state, miner: keys } = one
  const { unit, traceRoot, ticket: position, foldState } = block.header
  const ticket = { position, foldState, hash: headerTicketHash(block.header) }
  const won = { unit, tokens: [...trace.tokens], traceRoot, ticket, proof: block.proof }
  return assembleBlock({ context, ancestry, timeMs, won, transactions, reader: state, ltHash: state.ltHash, keys })
}

test('the beacon, written out', () => {
  const expected = taggedHash('beacon', genesis.header.beacon, headerTicketHash(block.header))
  expect(block.header.beacon).toEqual(expected)
})

test('other transactions and another time make another block with the same beacon', () => {
  const pay = transactionOf(FAUCET, 0n, transfer(accountOf(BOB.publicKey), 5n), 1000n, genesis.chainId)
  const other = withContent(one.NOW_MS - 1, [pay])
  accepted(() => one.validate(other))
  expect(other.header.bodyRoot).not.toEqual(block.header.bodyRoot)
  expect(other.header.stateRoot).not.toEqual(block.header.stateRoot)
  expect(other.header.beacon).toEqual(block.header.beacon)
})

test('a beacon that the miner would rather have', () => {
  accepted(() => one.validate(block))
  rejected('BLOCK_BEACON', () => one.validate(one.withHeader({ beacon: flipped(block.header.beacon) })))
  rejected('BLOCK_BEACON', () => one.validate(one.withHeader({ beacon: genesis.header.beacon })))
})
