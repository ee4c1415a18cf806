import type { Params } from '../params/types.ts'

/**
 * BLK-6, `wtema`: floor(old * (H + d) / H) with d = solve time - T clamped to +-floor(H / 8). H is an e-folding time.
 * The solve time may be negative: timestamps may go backwards. Not yet clamped to [1, maxTarget].
 * Source: Pearl's rule; the clamp is ours.
 */
export function wtemaTarget(params: Params, oldTarget: bigint, solveTimeMs: number): bigint {
  const halfLife = params.difficulty.halfLifeMs
  const bound = Math.floor(halfLife / 8)
  const deviation = Math.max(-bound, Math.min(bound, solveTimeMs - params.block.timeMs))
  return (oldTarget * BigInt(halfLife + deviation)) / BigInt(halfLife)
}
