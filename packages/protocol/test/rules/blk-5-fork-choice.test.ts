/**
 * BLK-5: the branch with most expected work is the best one, and a block weighs what its target was expected to cost, whatever its ticket.
 * Among branches of equal work the first seen stays.
 *
 *   genesis - a1 - a2                  work 3 + 3
 *          \- b1 - b2 - b3 - b4        work 1 + 1 + 1 + 1: longer and lighter
 *
 * With real blocks, reorganisations and a time-banked fork of thousands of easy blocks: packages/node/test/chain-fork-choice.test.ts.
 */
import { expect, test } from 'vitest'
import { bitsFromTarget, blockWork, isBetterBranch, nextBits, presets } from '../../src/index.ts'
import { rejected } from './verbs.ts'

const branch = (...bits: number[]): bigint => bits.reduce((sum, each) => sum + blockWork(each), 0n)

test('a block weighs floor(2^256 / (target + 1))', () => {
  expect(blockWork(bitsFromTarget(1n))).toBe(1n << 255n)
  expect(blockWork(bitsFromTarget(0xffffn))).toBe((1n << 256n) / 0x10000n)
  expect(blockWork(presets.nacre.difficulty.maxTargetBits)).toBe(15n)
})

test('work decides, not length', () => {
  const hard = bitsFromTarget(1n << 240n)
  const easy = bitsFromTarget(3n << 240n)
  const a = branch(hard, hard)
  const b = branch(easy, easy, easy, easy)
  expect(isBetterBranch(a, b)).toBe(true)
  expect(isBetterBranch(b, a)).toBe(false)
  expect(isBetterBranch(branch(easy, easy, easy, easy, easy, easy, easy), a)).toBe(true)
})

test('equal work: the first seen stays, whichever comes second', () => {
  const bits = presets.unit.difficulty.genesisBits
  expect(isBetterBranch(branch(bits, bits), branch(bits, bits))).toBe(false)
  expect(isBetterBranch(branch(bits, bits, bits), branch(bits, bits))).toBe(true)
})

test('banked time buys no weight: a branch that lets its difficulty fall to the easiest target is as light as it is easy', () => {
  const { unit } = presets
  let bits = unit.difficulty.genesisBits
  let work = 0n
  for (let height = 1; height <= 300; height++) {
    work += blockWork(bits)
    // Each block claims to have taken as long as the clamp counts: the target rises by an eighth.
    const late = unit.difficulty.halfLifeMs
    bits = nextBits(unit, [
      { height: height + 1, timeMs: 0, bits },
      { height: height + 2, timeMs: late, bits },
    ])
  }
  expect(bits).toBe(unit.difficulty.maxTargetBits)
  expect(work < 10n * blockWork(unit.difficulty.genesisBits)).toBe(true)
})

test('bits that are no target have no work', () => {
  for (const bits of [0, 0x04800000, 0xff000001]) rejected('BLOCK_BITS', () => blockWork(bits))
})
