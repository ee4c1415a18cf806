/** Effective blocks W(h) of ECO-2: the start-up ramp as an exact rational with one fixed denominator. */
import type { EmissionParams } from '../params/types.ts'

/** Last height of the ramp; 0 where there is none. */
export function rampEnd(emission: EmissionParams): bigint {
  return emission.ramp === 'none' ? 0n : BigInt(emission.rampBlocks)
}

/** The denominator of W: 1, rampBlocks or rampBlocks^2. */
export function rampScale(emission: EmissionParams): bigint {
  const blocks = BigInt(emission.rampBlocks)
  switch (emission.ramp) {
    case 'none':
      return 1n
    case 'linear':
      return blocks
    case 'quadratic':
      return blocks * blocks
  }
}

/** W(height) times {@link rampScale}: the sum of min(1, j / rampBlocks)^p over j = 1..height, in closed form. */
export function scaledEffectiveBlocks(emission: EmissionParams, height: bigint): bigint {
  if (emission.ramp === 'none') return height
  const end = rampEnd(emission)
  const inside = height < end ? height : end
  const sum =
    emission.ramp === 'linear' ? (inside * (inside + 1n)) / 2n : (inside * (inside + 1n) * (2n * inside + 1n)) / 6n
  return sum + (height - inside) * rampScale(emission)
}
