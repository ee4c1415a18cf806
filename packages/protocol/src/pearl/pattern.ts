/**
 * Index patterns (chapter 12): which rows of A, or columns of B, make a tile. A pattern is a generalised arithmetic progression:
 * offset + a s0 + b s1 + c s2 for a < l0, b < l1, c < l2, where each stride is a multiple of stride * length of the pair before.
 */
import { equalNumbers } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import { shown } from './argument.ts'
import { MAX_DIMENSION, MAX_PERIOD, MAX_TILE } from './limits.ts'

/** (stride, length) pairs in a pattern. */
export const PATTERN_PAIRS = 3
export const PATTERN_BYTES: number = 2 * PATTERN_PAIRS

/** Three pairs; those after the last one longer than 1 repeat the period as their stride. */
export type Pattern = readonly { readonly stride: number; readonly length: number }[]

/** The last pair's stride * length: the pattern's copies at multiples of it do not overlap. */
export function patternPeriod(pattern: Pattern): number {
  const last = pattern.at(-1)!
  return last.stride * last.length
}

/** Number of indices: h of a row pattern, w of a column pattern. */
export function patternSize(pattern: Pattern): number {
  return pattern.reduce((size, { length }) => size * length, 1)
}

/** The largest index at offset 0. */
export function patternMax(pattern: Pattern): number {
  return pattern.reduce((max, { stride, length }) => max + stride * (length - 1), 0)
}

/**
 * The pattern in six bytes: for each pair stride / m - 1 and length - 1, m being stride * length of the pair before (1 at first).
 * Throws PEARL_PATTERN for what no six bytes say.
 */
export function encodePattern(pattern: Pattern): Uint8Array {
  check(
    Array.isArray(pattern) && pattern.length === PATTERN_PAIRS,
    'PEARL_PATTERN',
    `a pattern has ${PATTERN_PAIRS} pairs`,
  )
  const bytes = new Uint8Array(PATTERN_BYTES)
  let previous = 1
  for (let i = 0; i < PATTERN_PAIRS; i++) {
    const stride = pattern[i]?.stride ?? Number.NaN
    const length = pattern[i]?.length ?? Number.NaN
    check(Number.isInteger(stride) && Number.isInteger(length), 'PEARL_PATTERN', `pair ${i} is none of integers`)
    const factor = stride / previous
    check(isByteCount(factor) && isByteCount(length), 'PEARL_PATTERN', `pair ${i} does not fit two bytes`)
    bytes[2 * i] = factor - 1
    bytes[2 * i + 1] = length - 1
    previous = stride * length
  }
  decodePattern(bytes)
  return bytes
}

function isByteCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 256
}

/**
 * The pattern of six bytes. Each pattern has one spelling: pairs of length 1 come last and have factor 1, a later pair has a factor
 * above 1 (a single stride is not split), and the period is at most 2^24. Throws PEARL_PATTERN.
 */
export function decodePattern(bytes: Uint8Array): Pattern {
  check(
    bytes instanceof Uint8Array && bytes.length === PATTERN_BYTES,
    'PEARL_PATTERN',
    `a pattern has ${PATTERN_BYTES} bytes`,
  )
  const pattern: { stride: number; length: number }[] = []
  let period = 1
  let isDone = false
  for (let i = 0; i < PATTERN_PAIRS; i++) {
    const factor = 1 + bytes[2 * i]!
    const length = 1 + bytes[2 * i + 1]!
    if (length === 1) isDone = true
    if (isDone)
      check(factor === 1 && length === 1, 'PEARL_PATTERN', 'a pair of length 1 has factor 1 and ends the list')
    else check(i === 0 || factor > 1, 'PEARL_PATTERN', 'a single stride is split into two pairs')
    const stride = factor * period
    period = stride * length
    check(period <= MAX_PERIOD, 'PEARL_PATTERN', `the period ${period} exceeds ${MAX_PERIOD}`)
    pattern.push({ stride, length })
  }
  return pattern
}

/** The indices of a pattern at an offset, strictly increasing. @param pattern at most MAX_TILE indices, else PEARL_TILE. */
export function patternIndices(pattern: Pattern, offset: number): number[] {
  const size = patternSize(pattern)
  check(size <= MAX_TILE, 'PEARL_TILE', `${size} indices, a tile has at most ${MAX_TILE}`)
  let indices = [offset]
  for (const { stride, length } of pattern) {
    const all: number[] = []
    for (let a = 0; a < length; a++) for (const index of indices) all.push(index + a * stride)
    indices = all
  }
  return indices
}

/**
 * Whether a tile may begin at `offset`: modulo each stride * length, from the last pair to the first, what remains must stay below
 * the stride. So tiles at all allowed offsets cover each index once.
 */
export function offsetIsValid(pattern: Pattern, offset: number): boolean {
  let rest = offset
  for (const { stride, length } of pattern.toReversed()) {
    rest %= stride * length
    if (rest >= stride) return false
  }
  return true
}

/** A pattern and where it lies. */
export interface PlacedPattern {
  readonly pattern: Pattern
  /** The least index. */
  readonly offset: number
}

/**
 * The pattern and offset of a tile's indices.
 * @param size rows of A or columns of B, at most 2^24.
 * Throws PEARL_TILE (too many, or none), PEARL_INDICES (not strictly increasing, or outside the matrix), PEARL_PATTERN (no
 * progression of three pairs, or one that does not encode) or PEARL_OFFSET.
 */
export function patternOfIndices(indices: readonly number[], size: number): PlacedPattern {
  check(Number.isInteger(size) && Array.isArray(indices), 'PEARL_INDICES', 'indices are a list, for a number of rows')
  check(indices.length >= 1 && indices.length <= MAX_TILE, 'PEARL_TILE', `a tile side has 1..${MAX_TILE} indices`)
  checkIndices(indices, size)
  const offset = indices[0]!
  const pattern = progression(indices.map((index) => index - offset))
  try {
    encodePattern(pattern)
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    throw new ProtocolError('PEARL_PATTERN', 'the indices are a progression that does not encode', { cause })
  }
  const isSame = equalNumbers(patternIndices(pattern, offset), indices)
  check(isSame, 'PEARL_PATTERN', `the indices are no progression of ${PATTERN_PAIRS} strides`)
  check(offsetIsValid(pattern, offset), 'PEARL_OFFSET', `a tile of this pattern cannot begin at ${offset}`)
  return { pattern, offset }
}

/** Throws PEARL_INDICES unless all are integers in 0..size-1, strictly increasing. No sum is formed that could wrap. */
export function checkIndices(indices: readonly number[], size: number): void {
  const limit = Math.min(size, MAX_DIMENSION)
  let previous = -1
  for (const index of indices) {
    check(
      Number.isInteger(index) && index >= 0 && index < limit,
      'PEARL_INDICES',
      `index ${shown(index)} is outside 0..${limit - 1}`,
    )
    check(index > previous, 'PEARL_INDICES', `index ${index} after ${previous}`)
    previous = index
  }
}

/**
 * The only pattern that can have these indices (first one 0, strictly increasing): each pair's length is the longest run of
 * equal steps, since a stride is never split. The caller compares.
 */
function progression(indices: readonly number[]): Pattern {
  const pattern: { stride: number; length: number }[] = []
  let block = 1
  let period = 1
  while (pattern.length < PATTERN_PAIRS && block < indices.length) {
    const stride = indices[block]!
    let length = 1
    while (indices[length * block] === length * stride) length++
    pattern.push({ stride, length })
    block *= length
    period = stride * length
  }
  while (pattern.length < PATTERN_PAIRS) pattern.push({ stride: period, length: 1 })
  return pattern
}
