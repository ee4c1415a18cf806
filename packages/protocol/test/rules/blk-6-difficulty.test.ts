/**
 * BLK-6: the target follows the times that blocks took, by one of two rules, and a header carries exactly the bits that the rule requires.
 *
 *   wtema   new = old (H + d) / H, d = solve time - T within +-H/8, H an e-folding time
 *   asert   new = anchor 2^(lateness / H), lateness since block 1, H a half-life
 *
 * Simulations and published vectors: difficulty.test.ts.
 */
import { expect, test } from 'vitest'
import {
  asertTarget,
  bitsFromTarget,
  checkHeaderInContext,
  nextBits,
  overrideParams,
  presets,
  targetFromBits,
  wtemaTarget,
} from '../../src/index.ts'
import * as one from './one-block.ts'
import { accepted, rejected } from './verbs.ts'

const { nacre, unit } = presets

test('exactly the required bits, neither harder nor easier', () => {
  const { bits } = one.block.header
  const withBits = (bits: number): void =>
    checkHeaderInContext(one.context, one.signedHeader({ bits }), one.ancestry, one.NOW_MS)
  accepted(() => withBits(bits))
  rejected('BLOCK_BITS', () => withBits(bits - 1))
  rejected('BLOCK_BITS', () => withBits(bits + 1))
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

test('parameters: H is at least 16 T, and no first target is easier than the easiest', () => {
  accepted(() => overrideParams(unit, ['difficulty.halfLifeMs=16000']))
  rejected('PARAM_CONTRADICTION', () => overrideParams(unit, ['difficulty.halfLifeMs=15999']), 'BLK-6')
  accepted(() => overrideParams(unit, [`difficulty.genesisBits=${0x20100000}`]))
  rejected('PARAM_CONTRADICTION', () => overrideParams(unit, [`difficulty.genesisBits=${0x20100001}`]))
})
