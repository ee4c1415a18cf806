/** The emission curves of ECO-2 as exact fractions of grains; every curve is a function of the effective blocks W. */
import type { EmissionParams } from '../params/types.ts'
import { rampScale, scaledEffectiveBlocks } from './ramp.ts'

/** numerator / denominator, denominator > 0, not reduced. */
export interface Fraction {
  readonly numerator: bigint
  readonly denominator: bigint
}

/** From this era on a halving curve has less than one grain left: S < 2^63. */
const LAST_ERA = 64n

/**
 * The curve's value at `height`, in grains, before rounding. Non-decreasing, never above S; after the ramp its steps
 * never grow, which the tail relies on.
 */
export function curveAt(emission: EmissionParams, height: bigint): Fraction {
  const supply = emission.supplyGrains
  const blocks = scaledEffectiveBlocks(emission, height)
  const length = BigInt(emission.curveBlocks) * rampScale(emission)
  switch (emission.curve) {
    case 'hyperbolic':
    case 'pearl':
      return { numerator: supply * blocks, denominator: blocks + length }
    case 'constant':
      return blocks >= length ? whole(supply) : { numerator: supply * blocks, denominator: length }
    case 'linear':
      return blocks >= length
        ? whole(supply)
        : { numerator: supply * blocks * (2n * length - blocks), denominator: length * length }
    case 'halving': {
      const era = blocks / length
      if (era >= LAST_ERA) return { numerator: supply * ((1n << LAST_ERA) - 1n), denominator: 1n << LAST_ERA }
      const parts = 1n << (era + 1n)
      return { numerator: supply * ((parts - 2n) * length + (blocks % length)), denominator: parts * length }
    }
  }
}

const whole = (grains: bigint): Fraction => ({ numerator: grains, denominator: 1n })

/**
 * Pearl's own subsidy: floor(S L / ((h + L)(h - 1 + L))), the step of S h / (h + L) rounded down. @param height at least 1.
 */
export function pearlStep({ supplyGrains, curveBlocks }: EmissionParams, height: bigint): bigint {
  const length = BigInt(curveBlocks)
  const end = height + length
  return (supplyGrains * length) / (end * (end - 1n))
}

/** The largest integer not above a non-negative fraction. */
export function floorOf(fraction: Fraction): bigint {
  return fraction.numerator / fraction.denominator
}

/** True if a - b >= amount, exactly. */
export function exceedsBy(a: Fraction, b: Fraction, amount: bigint): boolean {
  return a.numerator * b.denominator - b.numerator * a.denominator >= amount * a.denominator * b.denominator
}
