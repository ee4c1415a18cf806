/**
 * BLK-6: a block's time is greater than the median of its last eleven ancestors, not before the announced launch, and at most maxFutureMs
 * ahead of the local clock. Times may go backwards within that.
 *
 *   times   10 20 30 40 50 60 70 80 90 100 110 | x        x > 60, the median
 *                           ^
 *
 * What written times can gain: difficulty.test.ts.
 */
import { expect, test } from 'vitest'
import {
  type BlockHeader,
  checkHeaderInContext,
  createContext,
  ERROR_VERDICTS,
  medianTimePast,
  overrideParams,
  presets,
  unitCorpus,
  unitModel,
} from '../../src/index.ts'
import { easyParams } from '../chain-fixture.ts'
import * as one from './one-block.ts'
import { accepted, rejected } from './verbs.ts'

const { genesis, NOW_MS } = one
const { unit } = presets
const inContext = (change: Partial<BlockHeader>, context = one.context): void =>
  checkHeaderInContext(context, one.signedHeader(change), one.ancestry, NOW_MS)

test('after the median of eleven ancestors', () => {
  expect(medianTimePast([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110])).toBe(60)
  expect(medianTimePast([1, 1, 110, 100, 90, 80, 70, 60, 50, 40, 30, 20, 10])).toBe(60)
  accepted(() => inContext({ timeMs: genesis.header.timeMs + 1 }))
  rejected('BLOCK_TIME_TOO_OLD', () => inContext({ timeMs: genesis.header.timeMs }))
})

test('at most maxFutureMs ahead, which is no fault of the sender', () => {
  const latest = NOW_MS + unit.block.maxFutureMs
  accepted(() => inContext({ timeMs: latest }))
  rejected('BLOCK_TIME_FUTURE', () => inContext({ timeMs: latest + 1 }))
  expect(ERROR_VERDICTS.BLOCK_TIME_FUTURE).toBe('ignore')
})

test('not before the announced launch', () => {
  const delayed = overrideParams(easyParams, ['network.launchDelayMs=800'])
  const context = createContext(delayed, unitModel(), unitCorpus())
  accepted(() => inContext({ timeMs: genesis.header.timeMs + 800 }, context))
  rejected('BLOCK_BEFORE_LAUNCH', () => inContext({ timeMs: genesis.header.timeMs + 799 }, context))
})

test('parameters: maxFutureMs is at most five block times', () => {
  accepted(() => overrideParams(unit, ['block.maxFutureMs=5000']))
  rejected('PARAM_CONTRADICTION', () => overrideParams(unit, ['block.maxFutureMs=5001']), 'BLK-6')
})
