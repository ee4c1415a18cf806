/** Operands, headers and committed work for the tests of the Pearl baseline. */
import { pearl } from '../src/index.ts'

export const HEADER: pearl.PearlHeader = {
  version: 0x20000000,
  previousBlock: new Uint8Array(32).fill(1),
  merkleRoot: new Uint8Array(32).fill(2),
  time: 0x66666666,
  bits: 0x207fffff,
}

/** A header whose bits let nothing through but a handful of 2^256 tickets. */
export const HARDEST: pearl.PearlHeader = { ...HEADER, bits: 0x01010000 }

export const bytes32 = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

/** Entry (i, j) of a small operand: ((7 i + 3 j) mod 129) - 64, as in the published root. */
export function ramp(rows: number, k: number): Int8Array {
  return Int8Array.from({ length: rows * k }, (_, t) => ((7 * Math.floor(t / k) + 3 * (t % k)) % 129) - 64)
}

const MASK = (1n << 64n) - 1n

/** SplitMix64: word `index` of the stream of `seed`. */
function splitMix(seed: bigint, index: bigint): bigint {
  let z = (seed + (index + 1n) * 0x9e3779b97f4a7c15n) & MASK
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK
  return z ^ (z >> 31n)
}

/** `length` entries in [-64, 63]: the low seven bits of each byte of a SplitMix64 stream, less 64. */
export function randomOperand(seed: bigint, length: number): Int8Array {
  const view = new DataView(new ArrayBuffer(8 * Math.ceil(length / 8)))
  for (let at = 0; at < length; at += 8) view.setBigUint64(at, splitMix(seed, BigInt(at / 8)), true)
  return Int8Array.from({ length }, (_, i) => (view.getUint8(i) & 127) - 64)
}

/** `count` indices `step` apart from 0. */
export const spaced = (count: number, step: number): number[] => Array.from({ length: count }, (_, i) => i * step)

/** Rows 0, 8, .., 56 and columns 0, 1, 8, 9, .., 56, 57. */
export const ROWS_8: readonly number[] = spaced(8, 8)
export const COLUMNS_16: readonly number[] = ROWS_8.flatMap((base) => [base, base + 1])

export interface Shape {
  readonly rows: readonly number[]
  readonly columns: readonly number[]
  readonly m: number
  readonly n: number
  readonly k: number
  readonly rank: number
}

/** Tiles of 2 x 16 at the least k: the cheapest proofs. */
export const SMALL: Shape = { rows: [0, 4], columns: spaced(16, 2), m: 24, n: 70, k: 1024, rank: 32 }

export function workOf(shape: Shape, change: Partial<pearl.Work> = {}): pearl.Work {
  const { rows, columns, m, n, k, rank } = shape
  const configuration = {
    k,
    rank,
    rows: pearl.patternOfIndices(rows, m).pattern,
    columns: pearl.patternOfIndices(columns, n).pattern,
  }
  const [a, b] = [randomOperand(1n, m * k), randomOperand(2n, n * k)]
  return { header: HEADER, configuration, m, n, a, b, ...change }
}

export function committed(shape: Shape, change: Partial<pearl.Work> = {}): pearl.CommittedWork {
  return pearl.commitWork(workOf(shape, change))
}
