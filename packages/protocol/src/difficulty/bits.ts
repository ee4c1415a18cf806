import { check } from '../errors.ts'

/** Targets are below 2^256. */
export const TARGET_LIMIT: bigint = 1n << 256n

/**
 * The target of a compact `bits` value, as in Bitcoin: an exponent byte and a 23-bit mantissa.
 * Throws BLOCK_BITS for a negative, zero, overflowing or non-canonical form, so each target has one spelling.
 */
export function targetFromBits(bits: number): bigint {
  check(Number.isInteger(bits) && bits >= 0 && bits <= 0xffffffff, 'BLOCK_BITS', `bits ${bits} are no u32`)
  const exponent = bits >>> 24
  const mantissa = bits & 0x7fffff
  check((bits & 0x800000) === 0 && mantissa !== 0, 'BLOCK_BITS', `bits 0x${bits.toString(16)} are negative or zero`)
  const target =
    exponent <= 3 ? BigInt(mantissa) >> BigInt(8 * (3 - exponent)) : BigInt(mantissa) << BigInt(8 * (exponent - 3))
  check(target >= 1n && target < TARGET_LIMIT, 'BLOCK_BITS', `bits 0x${bits.toString(16)} overflow`)
  check(bitsFromTarget(target) === bits, 'BLOCK_BITS', `bits 0x${bits.toString(16)} are not canonical`)
  return target
}

/** The compact form of a target in 1..2^256-1, rounded down to 23 bits of mantissa. */
export function bitsFromTarget(target: bigint): number {
  check(target >= 1n && target < TARGET_LIMIT, 'BLOCK_BITS', 'a target lies in 1..2^256-1')
  let exponent = Math.ceil(target.toString(16).length / 2)
  let mantissa = exponent <= 3 ? Number(target) << (8 * (3 - exponent)) : Number(target >> BigInt(8 * (exponent - 3)))
  if (mantissa & 0x800000) {
    mantissa >>>= 8
    exponent++
  }
  return ((exponent << 24) | mantissa) >>> 0
}

/** Expected work of a block in MACs (BLK-5): floor(2^256 / (target + 1)). */
export function workOfTarget(target: bigint): bigint {
  return TARGET_LIMIT / (target + 1n)
}
