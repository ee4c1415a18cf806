/** BLK-3 in the open lane (chapter 12): siblings share a ticket; other tickets of one unit are other work, and no evidence. */
import { expect, test } from 'vitest'
import { MemoryState, testKeys } from '../../protocol/test/chain-fixture.ts'
import { mineOpen, openContext } from '../../protocol/test/open-fixture.ts'
import { randomOperand, SMALL } from '../../protocol/test/pearl-fixture.ts'
import { SiblingWatch } from '../src/chain/sibling-watch.ts'

const { genesis, params } = openContext
const ancestry = { recent: [genesis.header], first: undefined }
const base = { ancestry, parentId: genesis.id, state: new MemoryState(openContext), keys: testKeys(1) }
const header = (seed: bigint, timeMs: number) =>
  mineOpen({ ...base, timeMs, work: { a: randomOperand(seed, SMALL.m * SMALL.k) } }).block.header

const NOW_MS = genesis.header.timeMs + 1000

test.each(['on', 'off'] as const)('any number of wins of one unit are relayed, with single use %s', (singleUse) => {
  const watch = new SiblingWatch({ ...params.bindings, singleUse })
  for (let seed = 1n; seed <= 4n; seed++)
    expect(watch.see(header(seed, NOW_MS))).toEqual({ isSurplus: false, evidence: undefined })
})

test('a second header of one ticket is evidence, a third is not relayed', () => {
  const watch = new SiblingWatch(params.bindings)
  const [first, second, third] = [0, 1, 2].map((ms) => header(1n, NOW_MS + ms))
  expect(watch.see(first!)).toEqual({ isSurplus: false, evidence: undefined })
  expect(watch.see(second!)).toEqual({ isSurplus: false, evidence: [first, second] })
  expect(watch.see(third!)).toEqual({ isSurplus: true, evidence: undefined })
})
