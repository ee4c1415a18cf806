/**
 * BLK-7: the state root is a hash of all state entries as a set: each entry adds 1024 numbers, lane by lane, so a change costs the same
 * however large the state is, the order of changes does not matter, and all honest nodes have the same root (P7). Every block carries it.
 *
 *   lanes(state) = sum over entries of lanes(key, value)     modulo 2^16     root = H(lanes)
 *
 * Random changes and undoing them: ledger-state.test.ts, ledger-property.test.ts.
 */
import { expect, test } from 'vitest'
import {
  applyBlockBody,
  emptyLtHash,
  type LtHash,
  ltHashAdd,
  ltHashRemove,
  stateRootOf,
  utf8ToBytes,
} from '../../src/index.ts'
import * as one from './one-block.ts'
import { accepted, flipped, rejected } from './verbs.ts'

const { block, state } = one
const add = (hash: LtHash, key: string, value: string): LtHash => ltHashAdd(hash, utf8ToBytes(key), utf8ToBytes(value))
const remove = (hash: LtHash, key: string, value: string): LtHash =>
  ltHashRemove(hash, utf8ToBytes(key), utf8ToBytes(value))

test('entries in any order have one root; removing one takes it back', () => {
  const ab = add(add(emptyLtHash(), 'a', '1'), 'b', '2')
  const ba = add(add(emptyLtHash(), 'b', '2'), 'a', '1')
  expect(stateRootOf(ab)).toEqual(stateRootOf(ba))
  expect(stateRootOf(remove(ab, 'b', '2'))).toEqual(stateRootOf(add(emptyLtHash(), 'a', '1')))
  expect(stateRootOf(remove(ab, 'b', '2'))).not.toEqual(stateRootOf(ab))
})

test('another value, another key, the same entry twice, or a byte moved from value to key: another root', () => {
  const states = [
    add(emptyLtHash(), 'ab', 'c'),
    add(emptyLtHash(), 'ab', 'd'),
    add(emptyLtHash(), 'aa', 'c'),
    add(emptyLtHash(), 'abc', ''),
    add(add(emptyLtHash(), 'ab', 'c'), 'ab', 'c'),
    emptyLtHash(),
  ]
  expect(new Set(states.map((hash) => stateRootOf(hash).join())).size).toBe(states.length)
})

test('the root in a header is that of all entries after the block, computed from nothing', () => {
  const applied = applyBlockBody(one.context, block.header, block.body.transactions, state, state.ltHash)
  const after = new Map(state.entries)
  for (const { key, after: value } of applied.changes)
    if (value === undefined) after.delete(key)
    else after.set(key, value)
  let hash = emptyLtHash()
  for (const [key, value] of [...after].reverse()) hash = ltHashAdd(hash, utf8ToBytes(key), value)
  expect(block.header.stateRoot).toEqual(stateRootOf(hash))
})

test('a block with another state root', () => {
  accepted(() => one.validate(block))
  rejected('BLOCK_STATE_ROOT', () => one.validate(one.withHeader({ stateRoot: flipped(block.header.stateRoot) })))
  rejected('BLOCK_STATE_ROOT', () => one.validate(one.withHeader({ stateRoot: one.genesis.header.stateRoot })))
})
