/**
 * BLK-6: the target follows the times that blocks took, by one of two rules; a block's time is greater than the median of its last eleven
 * ancestors, not before the launch, and at most maxFutureMs ahead of the local clock.
 *
 *   times   10 20 30 40 50 60 70 80 90 100 110 | x        x > 60, the median
 *
 *   wtema   new = old (H + d) / H, d = solve time - T within +-H/8          asert   new = anchor 2^(lateness / H)
 *
 * Simulations, published vectors, and what written times can gain: difficulty.test.ts.
 */
import { expect, test } from 'vitest'
import {
  asertTarget,
  type BlockHeader,
  bitsFromTarget,
  checkHeaderInContext,
  createContext,
  ERROR_VERDICTS,
  medianTimePast,
  nextBits,
  overrideParams,
  presets,
  targetFromBits,
  unitCorpus,
  unitModel,
  wtemaTarget,
} from '../../src/index.ts'
import { easyParams } from '../chain-fixture.ts'
import * as one from './one-block.ts'
import { accepted, rejected } from './verbs.ts'

const { genesis, NOW_MS } = one
const { nacre, unit } = presets
const inContext = (change: Partial<BlockHeader>, context = one.context): void =>
  checkHeaderInContext(context, one.signedHeader(change), one.ancestry, NOW_MS)

test('time: after the median of eleven ancestors', () => {
  expect(medianTimePast([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110])).toBe(60)
  expect(medianTimePast([1, 1, 110, 100, 90, 80, 70, 60, 50, 40, 30, 20, 10])).toBe(60)
  accepted(() => inContext({ timeMs: genesis.header.timeMs + 1 }))
  rejected('BLOCK_TIME_TOO_OLD', () => inContext({ timeMs: genesis.header.timeMs }))
})

test('time: at most maxFutureMs ahead, which is no fault of the sender', () => {
  const latest = NOW_MS + unit.block.maxFutureMs
  accepted(() => inContext({ timeMs: latest }))
  rejected('BLOCK_TIME_FUTURE', () => inContext({ timeMs: latest + 1 }))
  expect(ERROR_VERDICTS.BLOCK_TIME_FUTURE).toBe('ignore')
})

test('time: not before the announced launch', () => {
  const delayed = overrideParams(easyParams, ['network.launchDelayMs=800'])
  const context = createContext(delayed, unitModel(), unitCorpus())
  accepted(() => inContext({ timeMs: genesis.header.timeMs + 800 }, context))
  rejected('BLOCK_BEFORE_LAUNCH', () => inContext({ timeMs: genesis.header.timeMs + 799 }, context))
})

test('bits: exactly what the rule requires, neither harder nor easier', () => {
  const { bits } = one.block.header
  accepted(() => inContext({ bits }))
  rejected('BLOCK_BITS', () => inContext({ bits: bits - 1 }))
  rejected('BLOCK_BITS', () => inContext({ bits: bits + 1 }))
})

test('wtema: on time nothing changes; the answer to one block is clamped to an eighth', () => {
  const old = 1n << 200n
  const { timeMs: T } = unit.block
  const { halfLifeMs: H } = unit.difficulty
  expect(wtemaTarget(unit, old, T)).toBe(old)
  expect(wtemaTarget(unit, old, T + H / 16)).toBe((old * 17n) / 16n)
  expect(wtemaTarget(unit, old, 1000 * H)).toBe((old * 9n) / 8n)
  expect(wtemaTarget(unit, old, -1000 * H)).toBe((old * 7n) / 8n)
})

test('asert: one half-life late doubles the target, one early halves it', () => {
  const anchor = 1n << 200n
  const { timeMs: T } = nacre.block
  const { halfLifeMs: H } = nacre.difficulty
  expect(asertTarget(nacre, anchor, 100 * T, 100)).toBe(anchor)
  expect(asertTarget(nacre, anchor, 100 * T + H, 100)).toBe(anchor * 2n)
  expect(asertTarget(nacre, anchor, 100 * T - H, 100)).toBe(anchor / 2n)
})

test('targets stay within [1, maxTarget]; the first two blocks have genesisBits', () => {
  const far = Number.MAX_SAFE_INTEGER
  const at = (height: number, timeMs: number, bits: number) => ({ height, timeMs, bits })
  for (const params of [nacre, unit]) {
    const { genesisBits } = params.difficulty
    expect(nextBits(params, [at(0, 0, genesisBits)])).toBe(genesisBits)
    expect(nextBits(params, [at(0, 0, genesisBits), at(1, far, genesisBits)])).toBe(genesisBits)
  }
  const { genesisBits, maxTargetBits } = nacre.difficulty
  expect(nextBits(nacre, [at(1, 0, genesisBits), at(2, far, genesisBits)])).toBe(maxTargetBits)
  expect(nextBits(nacre, [at(1, far, genesisBits), at(2, 0, genesisBits)])).toBe(bitsFromTarget(1n))
  expect(targetFromBits(maxTargetBits)).toBe(1n << 252n)
})

test('parameters: maxFutureMs <= 5 T, H >= 16 T, no first target easier than the easiest', () => {
  accepted(() => overrideParams(unit, ['block.maxFutureMs=5000', 'difficulty.halfLifeMs=16000']))
  rejected('PARAM_CONTRADICTION', () => overrideParams(unit, ['block.maxFutureMs=5001']))
  rejected('PARAM_CONTRADICTION', () => overrideParams(unit, ['difficulty.halfLifeMs=15999']))
  rejected('PARAM_CONTRADICTION', () => overrideParams(unit, [`difficulty.genesisBits=${0x20100001}`]))
})
