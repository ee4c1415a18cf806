import type { Params } from '../params/types.ts'

/** Fractional bits of the exponent. */
const RADIX_BITS = 16n
/** No target survives a larger shift in either direction. */
const MAX_SHIFT = 512n

/**
 * BLK-6, `asert`: anchorTarget * 2^((elapsedMs - T * blocks) / H), H a half-life. `elapsedMs` is the time from the
 * anchor to the parent (may be negative), `blocks` the number of blocks between them. Not yet clamped to
 * [1, maxTarget], but at least 0 and bounded.
 * Source: aserti3-2d of Bitcoin Cash (upgrade specification 2020-11-15): exponent with 16 fractional bits, truncated
 * towards zero; 2^x on [0, 1) by a cubic with error below 0.013 %.
 */
export function asertTarget(params: Params, anchorTarget: bigint, elapsedMs: number, blocks: number): bigint {
  const late = BigInt(elapsedMs) - BigInt(params.block.timeMs) * BigInt(blocks)
  const exponent = (late << RADIX_BITS) / BigInt(params.difficulty.halfLifeMs)
  const shift = exponent >> RADIX_BITS
  if (shift > MAX_SHIFT) return anchorTarget << MAX_SHIFT
  if (shift < -MAX_SHIFT) return 0n
  const x = exponent - (shift << RADIX_BITS)
  const factor = 65536n + ((195766423245049n * x + 971821376n * x * x + 5127n * x * x * x + (1n << 47n)) >> 48n)
  const left = shift - RADIX_BITS
  return left <= 0n ? (anchorTarget * factor) >> -left : (anchorTarget * factor) << left
}
