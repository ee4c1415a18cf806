/** The emission of the baseline (chapter 12). */
import { MAX_HEIGHT } from '../emission/subsidy.ts'
import { checkInteger } from './argument.ts'

/** 2.1e9 coins of 10^8 grains. */
export const SUPPLY_GRAINS: bigint = 2_100_000_000n * 100_000_000n
/** Blocks until half of it is out: four years of 194 s. */
export const EMISSION_BLOCKS = 650_226n

/**
 * Grains that block `height` pays: floor(S EC / ((h + EC) (h - 1 + EC))), the step of S h / (h + EC); 0 at height 0, which is
 * genesis. @param height 0..2^31. Throws PEARL_ARGUMENT.
 */
export function subsidy(height: number): bigint {
  checkInteger('the height', height, 0, MAX_HEIGHT)
  if (height === 0) return 0n
  const end = BigInt(height) + EMISSION_BLOCKS
  return (SUPPLY_GRAINS * EMISSION_BLOCKS) / (end * (end - 1n))
}
