/** Compact targets and the difficulty rule of the baseline (chapter 12). */
import { bitsFromTarget, TARGET_LIMIT } from '../difficulty/bits.ts'
import { check } from '../errors.ts'
import { checkInteger } from './argument.ts'

/** Seconds between blocks, and the e-folding time of the difficulty: one week. */
export const BLOCK_SECONDS = 194
export const WTEMA_SECONDS = 604_800
/** The easiest target of the deployed network. */
export const POW_LIMIT_BITS = 0x1b00ffff

/**
 * The target of compact bits as Bitcoin writes it: mantissa * 256^(exponent - 3). Unlike BLK-6 it takes every spelling of a
 * target. 0 for bits without one: mantissa or exponent 0, the sign bit, 2^256 or more. Throws PEARL_ARGUMENT for no u32.
 */
export function targetFromBits(bits: number): bigint {
  checkInteger('bits', bits, 0, 0xffffffff)
  const exponent = bits >>> 24
  const mantissa = BigInt(bits & 0x7fffff)
  if ((bits & 0x800000) !== 0) return 0n
  const target = exponent <= 3 ? mantissa >> BigInt(8 * (3 - exponent)) : mantissa << BigInt(8 * (exponent - 3))
  return target < TARGET_LIMIT ? target : 0n
}

/**
 * The bits of the next block: old + floor((t - T) old / H) with T = 194 s and H = one week, not clamped, then at least 1 and at
 * most the limit. wtema of BLK-6 is this rule with a bound on t - T.
 * @param bits the parent's. @param solveSeconds t: the parent's time less its own parent's, which may be negative.
 * @param limitBits the easiest target.
 * Throws PEARL_ARGUMENT and PEARL_BITS.
 */
export function nextBits(bits: number, solveSeconds: number, limitBits: number = POW_LIMIT_BITS): number {
  checkInteger('the solve time', solveSeconds, -0xffffffff, 0xffffffff)
  const old = targetFromBits(bits)
  const limit = targetFromBits(limitBits)
  check(old > 0n && limit > 0n, 'PEARL_BITS', 'bits without a target')
  const target = (old * BigInt(WTEMA_SECONDS + solveSeconds - BLOCK_SECONDS)) / BigInt(WTEMA_SECONDS)
  return bitsFromTarget(target < 1n ? 1n : target > limit ? limit : target)
}
