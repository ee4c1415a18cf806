/** Fork choice (BLK-5) and re-execution (BLK-4) on real blocks. Trees grow to the right; the tip is marked with *. */
import { createContext, overrideParams, presets, unitCorpus, unitModel } from '@nacre/protocol'
import { describe, expect, test } from 'vitest'
import type { NodeError } from '../src/errors.ts'
import { MAX_UNPROVEN_BLOCKS } from '../src/limits-chain.ts'
import { BLOCK_STATUS } from '../src/ports/store.ts'
import { ChainBench } from './support/chain-bench.ts'
import { Forge, faucetKeys, keysOf, transactionOf, transferTo } from './support/forge.ts'

describe('the heaviest valid branch is the best one (BLK-5)', () => {
  /**
   *   genesis - a1 - a2 - a3*
   */
  test('a chain grows block by block', async () => {
    const bench = new ChainBench()
    bench.forge.mine('a1 a2 a3')
    await bench.best('a1 a2 a3')
    expect(bench.replayed).toEqual(['a1', 'a2', 'a3'])
    expect(await bench.offer('a2')).toBe('known')
  })

  /**
   *   genesis - a1 - a2 - a3*
   *               \- b2 - b3        equal work: the first seen stays
   */
  test('a branch of equal work is stored and not re-executed', async () => {
    const bench = new ChainBench()
    bench.forge.mine('a1 a2 a3')
    bench.forge.mine('b2 b3', 'a1')
    await bench.best('a1 a2 a3')
    await bench.side('b2 b3')
    expect(bench.replayed).toEqual(['a1', 'a2', 'a3'])
    expect(bench.status('b3')).toBe(BLOCK_STATUS.candidate)
    expect(bench.store.block(bench.forge.get('b3').id)).toBeDefined()
    bench.tip('a3')
  })

  /**
   *   genesis - a1 - a2 - a3
   *               \- b2 - b3 - b4*
   */
  test('a heavier branch takes over, oldest first, and the old branch leaves no trace in the state', async () => {
    const bench = new ChainBench()
    const { context } = bench.forge
    const pay = (nonce: bigint, to: string, grains: bigint) =>
      transactionOf(context, faucetKeys, nonce, transferTo(keysOf(to), grains))
    bench.forge.mine('a1')
    bench.forge.mine('a2', 'a1', { transactions: [pay(0n, 'x', 111n), pay(1n, 'y', 5n)] })
    bench.forge.mine('a3', 'a2', { transactions: [pay(2n, 'x', 222n)] })
    bench.forge.mine('b2', 'a1', { transactions: [pay(0n, 'z', 333n)] })
    bench.forge.mine('b3 b4', 'b2')
    await bench.best('a1 a2 a3')
    await bench.side('b2 b3')
    await bench.best('b4')
    expect(bench.replayed).toEqual(['a1', 'a2', 'a3', 'b2', 'b3', 'b4'])
    const [reorg] = bench.events.slice(-1)
    expect(reorg!.left.map(({ id }) => bench.forge.labelOf(id))).toEqual(['a2', 'a3'])
    expect(reorg!.joined.map(({ id }) => bench.forge.labelOf(id))).toEqual(['b2', 'b3', 'b4'])
  })

  /**
   *   genesis - a1 - a2 - a3 - a4 - a5*      a3 was executed once, when it first joined
   *               \- b2 - b3 - b4
   */
  test('switching back and forth never executes a unit twice', async () => {
    const bench = new ChainBench()
    bench.forge.mine('a1 a2 a3 a4 a5')
    bench.forge.mine('b2 b3 b4', 'a1')
    await bench.best('a1 a2 a3')
    await bench.side('b2 b3')
    await bench.best('b4')
    await bench.side('a4')
    await bench.best('a5')
    expect(bench.replayed).toEqual(['a1', 'a2', 'a3', 'b2', 'b3', 'b4', 'a4', 'a5'])
  })
})

describe('an invalid block takes its descendants with it', () => {
  /**
   *   genesis - a1 - a2*
   *               \- b2 - b3! - b4        b3 does not re-execute: the branch is worth what b2 is worth
   */
  test('the chain falls back to the best valid branch', async () => {
    const bench = new ChainBench()
    bench.forge.mine('a1 a2 a3')
    bench.forge.mine('b2 b', 'a1')
    bench.forge.withWrongToken('b3', 'b')
    bench.forge.mine('b4', 'b3')
    await bench.best('a1 a2 a3')
    await bench.side('b2 b3')
    await bench.rejected('b4', 'BLOCK_PARENT_INVALID')
    bench.tip('a3')
    expect([bench.status('b2'), bench.status('b3'), bench.status('b4')]).toEqual([
      BLOCK_STATUS.valid,
      BLOCK_STATUS.invalid,
      BLOCK_STATUS.invalid,
    ])
    await bench.rejected('b3', 'BLOCK_PARENT_INVALID')
  })

  /**
   *   genesis - a1 - a2
   *         \- b1 - b2 - b3* - b4! - b5        all of b is stored before any of it is executed
   */
  test('the valid beginning of the branch is adopted if it is heavier, without executing it again', async () => {
    const bench = new ChainBench()
    bench.forge.mine('a1 a2')
    bench.forge.mine('b1 b2 b3 b')
    bench.forge.tamper('b4', 'b', { stateRoot: new Uint8Array(32) })
    bench.forge.mine('b5', 'b4')
    await bench.best('a1')
    const release = bench.holdReplays()
    const outcomes = await bench.storeOnly('a2 b1 b2 b3 b4 b5')
    release()
    expect(await Promise.all(outcomes)).toEqual([
      'side',
      'side',
      'best',
      'best',
      'BLOCK_STATE_ROOT',
      'BLOCK_PARENT_INVALID',
    ])
    bench.tip('b3')
    expect(bench.replayed).toEqual(['a1', 'a2', 'b1', 'b2', 'b3'])
  })

  test.each([
    [
      'another state root',
      'BLOCK_STATE_ROOT',
      (forge: Forge) => forge.tamper('x2', 'a2', { stateRoot: new Uint8Array(32) }),
    ],
    ['a token the model did not choose', 'BLOCK_REPLAY_TOKENS', (forge: Forge) => forge.withWrongToken('x2', 'a2')],
    [
      'a transaction that does not apply',
      'TX_INSUFFICIENT_FUNDS',
      (forge: Forge) => {
        const unaffordable = transactionOf(forge.context, keysOf('p'), 0n, transferTo(keysOf('q'), 1n))
        return forge.tamper('x2', 'a2', {}, { ...forge.block('a2').body, transactions: [unaffordable] })
      },
    ],
    [
      'garbage in place of a transaction',
      'CODEC_MALFORMED',
      (forge: Forge) =>
        forge.tamper('x2', 'a2', {}, { ...forge.block('a2').body, transactions: [Uint8Array.of(1, 2)] }),
    ],
  ])('%s is found before the block joins', async (_name, code, make) => {
    const bench = new ChainBench()
    bench.forge.mine('a1 a2')
    make(bench.forge)
    await bench.best('a1')
    await bench.rejected('x2', code)
    bench.tip('a1')
    await bench.best('a2')
  })
})

/**
 *   genesis - a1 - a2 - a3 - a4 - a5*
 *         \- s0, s1, ... s63                 as many as there are places
 *                          \- b4 - b5         still finds one once the others are below maturity
 */
test('side blocks below maturity give their places back', async () => {
  const forge = new Forge()
  const { maturityBlocks } = forge.context.params.block
  const bench = new ChainBench(forge)
  forge.mine('a1 a2 a3 a4 a5')
  forge.mine('b4', 'a3')
  await bench.best('a1 a2')
  for (let i = 0; i < MAX_UNPROVEN_BLOCKS; i++) {
    forge.mine(`s${i}`, 'genesis', { counter: i })
    await bench.side(`s${i}`)
  }
  await bench.best('a3 a4')
  const busy = await bench.chain.offer(forge.block('b4')).catch((error: unknown) => (error as NodeError).code)
  expect(busy).toBe('BUSY')
  await bench.best('a5')
  expect(bench.chain.tip.header.height - 1).toBeGreaterThan(maturityBlocks)
  await bench.side('b4')
})

/**
 *   genesis - a1 - a2 - ... - a14*
 *         \- b1 - b2 - ... - b30        a day of banked time lets the target of b rise to the easiest
 *
 * If each block weighed the same, b would win with 30 to 14. Work prices difficulty, so b weighs about twelve honest blocks, and
 * would however long it grew.
 */
test('a time-banked fork at easy targets weighs almost nothing (BLK-5, BLK-6)', async () => {
  // A maturity so long that gossip takes in side blocks this far below the tip.
  const params = overrideParams(presets.unit, ['block.maturityBlocks=100', 'bonds.unbondingBlocks=100'])
  const forge = new Forge(createContext(params, unitModel(), unitCorpus()))
  const honest = Array.from({ length: 14 }, (_, i) => `a${i + 1}`)
  const banked = Array.from({ length: 30 }, (_, i) => `b${i + 1}`)
  forge.mine(honest.join(' '))
  forge.mine(banked.join(' '), 'genesis', { afterMs: 1_800_000 })
  const bench = new ChainBench(forge)
  for (const label of honest) await bench.offer(label)
  bench.tip('a14')
  const before = bench.replayed.length
  for (const label of banked) expect([label, await bench.offer(label)]).toEqual([label, 'side'])
  bench.tip('a14')
  expect(bench.replayed.length).toBe(before)
  const bankedTip = bench.chain.tree.get(forge.get('b30').id)!
  expect(bankedTip.totalWork).toBeLessThan((12n * bench.chain.tip.totalWork) / 14n)
})
