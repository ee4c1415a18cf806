import type { Params } from '../params/types.ts'

/**
 * BLK-6, `wtema`: floor(old * (H + d) / H) with d = solve time - T clamped to +-floor(H / 8). H is an e-folding time.
 * The solve time may be negative: timestamps may go backwards. Not yet clamped to [1, maxTarget].
 * Source: Pearl's rule; the clamp is ours.
 */
export function wtemaTarget(params: Params, oldTarget: bigint, solveTimeMs: number): bigint {
  const bound = Math.floor(params.difficulty.halfLifeMs / 8)
  return unclampedWtemaTarget(params, oldTarget, Math.max(-bound, Math.min(bound, solveTimeMs - params.block.timeMs)))
}

/**
 * `wtema-unclamped`, the rule as Pearl has it: floor(old * (H + d) / H) for any d, in milliseconds. Below 1 for a block that is dated
 * H or more before its parent.
 * @param deviationMs d: the solve time less T.
 */
export function unclampedWtemaTarget(params: Params, oldTarget: bigint, deviationMs: number): bigint {
  const halfLife = BigInt(params.difficulty.halfLifeMs)
  return (oldTarget * (halfLife + BigInt(deviationMs))) / halfLife
}
