import { createHash, randomBytes, randomInt } from 'node:crypto'
import type { Random } from '../ports/random.ts'

const MAX_BOUND = 2 ** 32

/** Randomness of the operating system. */
export const systemRandom: Random = {
  below: (bound) => {
    checkBound(bound)
    return randomInt(bound)
  },
  bytes: (length) => new Uint8Array(randomBytes(length)),
}

/**
 * Reproducible randomness for tests and simulations: xoshiro128**, seeded with SHA-256 of the seed's UTF-8 bytes.
 * Not for keys: its state can be computed from its output.
 */
export function seededRandom(seed: string): Random {
  const digest = createHash('sha256').update(seed, 'utf8').digest()
  const next = xoshiro128([0, 4, 8, 12].map((offset) => digest.readUInt32LE(offset)))
  return {
    below: (bound) => {
      checkBound(bound)
      // Rejection keeps it uniform: values at and above the largest multiple of `bound` are drawn again.
      const limit = MAX_BOUND - (MAX_BOUND % bound)
      for (;;) {
        const value = next()
        if (value < limit) return value % bound
      }
    },
    bytes: (length) => {
      const out = new Uint8Array(length)
      for (let offset = 0; offset < length; offset += 4) {
        const word = next()
        for (let i = 0; i < 4 && offset + i < length; i += 1) out[offset + i] = word >>> (8 * i)
      }
      return out
    },
  }
}

/**
 * xoshiro128** 1.1 by David Blackman and Sebastiano Vigna (https://prng.di.unimi.it/xoshiro128starstar.c).
 *
 * @param state four 32-bit words, not all zero.
 * @returns a function that gives the next 32-bit output.
 */
export function xoshiro128(state: readonly number[]): () => number {
  let [a = 0, b = 0, c = 0, d = 0] = state
  if ((a | b | c | d) === 0) throw new RangeError('xoshiro128: the state must not be all zero')
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = rotateLeft(d, 11)
    return result
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

function checkBound(bound: number): void {
  if (!Number.isInteger(bound) || bound < 1 || bound > MAX_BOUND) {
    throw new RangeError(`random bound ${bound} is not an integer in 1..2^32`)
  }
}
