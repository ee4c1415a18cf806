/** ECO-2: cumulative emission and subsidy, pure functions of the height. */
import { check } from '../errors.ts'
import type { EmissionParams, Params } from '../params/types.ts'
import { curveAt, exceedsBy, floorOf, pearlStep } from './curve.ts'
import { rampEnd } from './ramp.ts'

/** Largest height that the ledger and the schedule know: 13,000 years of 194 s blocks. */
export const MAX_HEIGHT: number = 2 ** 31

/** Throws BLOCK_HEIGHT unless `height` is an integer in 0..{@link MAX_HEIGHT}. */
export function checkHeight(height: number): void {
  check(
    Number.isInteger(height) && height >= 0 && height <= MAX_HEIGHT,
    'BLOCK_HEIGHT',
    `height ${height} is outside 0..${MAX_HEIGHT}`,
  )
}

/**
 * C(height) in grains: everything that blocks 1..height emit; C(0) = 0. Premine and faucet are not part of it.
 *
 * Without a tail C(h) = floor(curve(h)) <= S. With a tail of t grains, C(h) = max(floor(curve(h)), C(h - 1) + t) after
 * the ramp: the curve until its exact step falls below t, from there t per block without end, so that
 * S + t * h bounds C(h). The curve `pearl` rounds each block down and not their sum: there C(h) is a bound, and a chain has emitted up to a
 * grain a block less ({@link emittedBy}). Throws BLOCK_HEIGHT.
 */
export function cumulativeEmission(params: Params, height: number): bigint {
  checkHeight(height)
  const { emission } = params
  const at = BigInt(height)
  const last = emission.tailGrains === 0n ? at : lastCurveHeight(emission, at)
  return floorOf(curveAt(emission, last)) + emission.tailGrains * (at - last)
}

/**
 * C(height) - C(height - 1) in grains, under the curve `pearl` {@link pearlStep}; 0 at height 0, which is genesis. Throws BLOCK_HEIGHT.
 */
export function subsidy(params: Params, height: number): bigint {
  checkHeight(height)
  if (height === 0) return 0n
  if (params.emission.curve === 'pearl') return pearlStep(params.emission, BigInt(height))
  return cumulativeEmission(params, height) - cumulativeEmission(params, height - 1)
}

/**
 * The sum of the subsidies of blocks 1..height, exactly, under every curve. Under `pearl` it adds up block by block: for chains whose blocks are
 * at hand, not for heights that somebody names. Throws BLOCK_HEIGHT.
 */
export function emittedBy(params: Params, height: number): bigint {
  if (params.emission.curve !== 'pearl') return cumulativeEmission(params, height)
  checkHeight(height)
  let sum = 0n
  for (let at = 1n; at <= BigInt(height); at++) sum += pearlStep(params.emission, at)
  return sum
}

/**
 * The last height up to `height` that the curve pays: the end of the ramp, or the last one whose exact step reaches the
 * tail. Steps never grow after the ramp, so bisection finds it.
 */
function lastCurveHeight(emission: EmissionParams, height: bigint): bigint {
  const reachesTail = (h: bigint): boolean =>
    exceedsBy(curveAt(emission, h), curveAt(emission, h - 1n), emission.tailGrains)
  let low = rampEnd(emission)
  if (height <= low || reachesTail(height)) return height
  let high = height
  while (high - low > 1n) {
    const middle = (low + high) / 2n
    if (reachesTail(middle)) low = middle
    else high = middle
  }
  return low
}
