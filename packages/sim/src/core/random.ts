import { createHash } from 'node:crypto'

/** A stream of uniform numbers in [0, 1) with 53 random bits each. */
export interface RandomStream {
  /** The next number, 0 <= x < 1. */
  uniform(): number
  /** The next number of the exponential distribution with mean 1. */
  exponential(): number
}

/**
 * The stream of one actor under one seed. Streams of different names share nothing, so an actor that draws more often, or
 * a further actor, leaves what all others draw as it is.
 *
 * Generator: sfc32 (C. Doty-Humphrey, PractRand), 128 bits of state from SHA-256 of `seed/name`.
 */
export function createStream(seed: number, name: string): RandomStream {
  const digest = createHash('sha256').update(`${seed}/${name}`).digest()
  let a = digest.readInt32LE(0)
  let b = digest.readInt32LE(4)
  let c = digest.readInt32LE(8)
  let counter = digest.readInt32LE(12)
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  const uniform = (): number => ((next() >>> 5) * 67_108_864 + (next() >>> 6)) / 9_007_199_254_740_992
  return { uniform, exponential: () => -Math.log(1 - uniform()) }
}
