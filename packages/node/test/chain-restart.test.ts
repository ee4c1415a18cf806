/** What a node finds when it opens its data again (P10). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createContext, overrideParams, unitCorpus, unitModel } from '@nacre/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { easyParams } from '../../protocol/test/chain-fixture.ts'
import { MAX_WAITING_BLOCKS } from '../src/limits-chain.ts'
import { BLOCK_STATUS } from '../src/ports/store.ts'
import { createSqliteStore } from '../src/store/sqlite-store.ts'
import { ChainBench } from './support/chain-bench.ts'
import { Forge } from './support/forge.ts'

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'nacre-chain-'))
  path = join(directory, 'chain.sqlite')
})
afterEach(() => rmSync(directory, { recursive: true }))

async function reopened(bench: ChainBench): Promise<ChainBench> {
  await bench.chain.close()
  bench.store.close()
  return new ChainBench(bench.forge, createSqliteStore(path))
}

/**
 *   genesis - a1 - a2 - a3*
 *               \- b2 - b3!
 */
test('tip, state, side branches and verdicts survive, and nothing is executed again', async () => {
  const bench = new ChainBench(new Forge(), createSqliteStore(path))
  const { forge } = bench
  forge.mine('a1 a2')
  forge.mine('b2 b c', 'a1')
  forge.withWrongToken('b3', 'b')
  forge.mine('a3', 'a2')
  await bench.best('a1 a2')
  await bench.side('b2')
  await bench.rejected('b3', 'BLOCK_REPLAY_TOKENS')
  await bench.best('a3')

  const again = await reopened(bench)
  again.tip('a3')
  expect(['a1', 'a2', 'a3', 'b2', 'b3'].map((label) => again.status(label))).toEqual([
    ...Array.from({ length: 4 }, () => BLOCK_STATUS.valid),
    BLOCK_STATUS.invalid,
  ])
  await again.chain.resume()
  again.tip('a3')
  expect(again.replayed).toEqual([])
  await again.rejected('b3', 'BLOCK_PARENT_INVALID')
  forge.mine('a4', 'a3')
  await again.best('a4')
  // The undo journal is there too: the old tip can be left.
  forge.mine('b4 b5 b6', 'b2')
  await again.side('b4 b5')
  await again.best('b6')
})

/**
 *   genesis - a1*
 *         \- b1 - b2       stored, but the node stopped while the branch was executed
 */
test('interrupted candidates are taken up', async () => {
  const bench = new ChainBench(new Forge(), createSqliteStore(path))
  bench.forge.mine('a1')
  bench.forge.mine('b1 b2')
  await bench.best('a1')
  const release = bench.holdReplays()
  const outcomes = await bench.storeOnly('b1 b2')
  const closing = bench.chain.close()
  release()
  expect(await Promise.all(outcomes)).toEqual(['side', 'STOPPED'])
  await closing
  const again = await reopened(bench)
  again.tip('a1')
  expect([again.status('b1'), again.status('b2')]).toEqual([BLOCK_STATUS.valid, BLOCK_STATUS.candidate])
  await again.chain.resume()
  again.tip('b2')
  expect(again.replayed).toEqual(['b2'])
})

test('the first seen of two equal branches stays the best after a restart', async () => {
  const bench = new ChainBench(new Forge(), createSqliteStore(path))
  bench.forge.mine('a1')
  bench.forge.mine('b1 b2')
  await bench.best('a1')
  await bench.side('b1')
  const again = await reopened(bench)
  await again.chain.resume()
  again.tip('a1')
})

test('the data of a network with other parameters is refused', async () => {
  const bench = new ChainBench(new Forge(), createSqliteStore(path))
  await bench.chain.close()
  bench.store.close()
  const others = createContext(overrideParams(easyParams, ['emission.rampBlocks=11']), unitModel(), unitCorpus())
  const store = createSqliteStore(path)
  expect(() => new ChainBench(new Forge(others), store)).toThrow(/^STORE_MISMATCH: /)
  store.close()
})

test('blocks that wait for validation are bounded; one more is BUSY, and stored for later', async () => {
  const bench = new ChainBench()
  const { forge } = bench
  forge.mine('a1')
  const labels = Array.from({ length: MAX_WAITING_BLOCKS + 2 }, (_, i) => `b${i}`)
  for (const [i, label] of labels.entries()) forge.mine(label, 'genesis', { counter: i })
  const release = bench.holdReplays()
  const outcomes = await bench.storeOnly(labels.join(' '))
  release()
  const results = await Promise.all(outcomes)
  expect(results.filter((result) => result === 'BUSY')).toHaveLength(1)
  expect(results.at(-1)).toBe('BUSY')
  bench.tip('b0')
  expect(bench.replayed).toEqual(['b0'])
})
