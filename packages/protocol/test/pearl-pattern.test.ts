// Index patterns of the Pearl baseline: six bytes, the indices they stand for, and where a tile may begin.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hexToBytes } from '../src/bytes.ts'
import { pearl } from '../src/index.ts'
import { COLUMNS_16, ROWS_8, spaced } from './pearl-fixture.ts'
import { accepted, rejected } from './rules/verbs.ts'

/** Canonical patterns of at most 256 indices, as (factor, length) pairs. */
const patterns = fc
  .array(fc.record({ factor: fc.integer({ min: 1, max: 256 }), length: fc.integer({ min: 2, max: 12 }) }), {
    maxLength: 3,
  })
  .map((pairs) => {
    const bytes = new Uint8Array(6)
    pairs.forEach(({ factor, length }, i) => {
      bytes[2 * i] = i > 0 && factor === 1 ? 1 : factor - 1
      bytes[2 * i + 1] = length - 1
    })
    return bytes
  })
  .filter((bytes) => {
    try {
      return pearl.patternSize(pearl.decodePattern(bytes)) <= 256
    } catch {
      return false // a period above 2^24
    }
  })

test('every pattern comes back from its indices at every allowed offset', () => {
  fc.assert(
    fc.property(patterns, fc.nat(), (bytes, seed) => {
      const pattern = pearl.decodePattern(bytes)
      const period = pearl.patternPeriod(pattern)
      const offset = pattern.reduce((sum, { stride }, i) => {
        const below = i === 0 ? 1 : pattern[i - 1]!.stride * pattern[i - 1]!.length
        return sum + below * (seed % Math.max(1, stride / below))
      }, 0)
      expect(pearl.offsetIsValid(pattern, offset)).toBe(true)
      const indices = pearl.patternIndices(pattern, offset)
      const size = Math.max(indices.at(-1)! + 1, period)
      if (size > pearl.MAX_DIMENSION) return
      expect(pearl.patternOfIndices(indices, size)).toEqual({ pattern, offset })
      expect(pearl.encodePattern(pattern)).toEqual(bytes)
      expect(pearl.patternMax(pattern) + offset).toBe(indices.at(-1))
    }),
    { numRuns: 300 },
  )
})

test('tiles at all allowed offsets cover each index of a period once', () => {
  for (const indices of [ROWS_8, COLUMNS_16, [0, 8, 64, 72], spaced(4, 3), [0, 1, 6, 7, 36, 37, 42, 43]]) {
    const { pattern } = pearl.patternOfIndices(indices, 4096)
    const period = pearl.patternPeriod(pattern)
    const covered = spaced(period, 1)
      .filter((offset) => pearl.offsetIsValid(pattern, offset))
      .flatMap((offset) => pearl.patternIndices(pattern, offset))
    expect(covered.toSorted((a, b) => a - b)).toEqual(spaced(period, 1))
  }
})

test('all six bytes: what decodes encodes to the same bytes', () => {
  const sixBytes = fc.uint8Array({ minLength: 6, maxLength: 6 })
  fc.assert(
    fc.property(sixBytes, (bytes) => {
      let pattern: pearl.Pattern
      try {
        pattern = pearl.decodePattern(bytes)
      } catch {
        return rejected('PEARL_PATTERN', () => pearl.decodePattern(bytes))
      }
      expect(pearl.encodePattern(pattern)).toEqual(bytes)
      return
    }),
  )
})

test.each([
  ['0000000000', 'pattern has 6 bytes'],
  ['00000000000000', 'pattern has 6 bytes'],
  ['010000000000', 'length 1'], // a factor without a length
  ['000000010000', 'length 1'],
  ['000701000001', 'length 1'],
  ['000300010000', 'split'], // 0..3 as two pairs
  ['030107010003', 'split'], // the third continues the second
  ['ffff0f0f0100', 'length 1'],
  ['ffff00ff0000', 'split'],
  ['ffffffff0000', 'period'], // 2^16 and then 2^16
])('bytes %s are no pattern: %s', (hex, because) => {
  rejected('PEARL_PATTERN', () => pearl.decodePattern(hexToBytes(hex)), because)
})

test('the period may be 2^24 and not more', () => {
  expect(pearl.patternPeriod(pearl.decodePattern(hexToBytes('ffff7f010000')))).toBe(2 ** 24)
  rejected('PEARL_PATTERN', () => pearl.decodePattern(hexToBytes('ffff80010000')), 'period')
})

test('indices of which no six bytes say the pattern', () => {
  const of = (indices: readonly number[], size = 4096): unknown => pearl.patternOfIndices(indices, size)
  rejected('PEARL_PATTERN', () => of([0, 1, 3])) // not periodic
  rejected('PEARL_PATTERN', () => of([0, 1, 2, 4, 5, 7])) // a run, and no copy of it
  rejected('PEARL_PATTERN', () => of([0, 257])) // a stride above 256
  rejected('PEARL_PATTERN', () => of([0, 2, 3, 5])) // stride 3 is no multiple of the first pair's period 4
  rejected('PEARL_PATTERN', () => of([0, 1, 4, 5, 16, 17, 20, 21, 64, 65, 68, 69, 80, 81, 84, 85])) // four strides
  rejected('PEARL_OFFSET', () => of([1, 2, 3, 4])) // begins inside a tile of 0..3
  rejected('PEARL_OFFSET', () => of([8, 16]))
  accepted(() => of([7, 15]))
  rejected('PEARL_TILE', () => of([]))
  rejected('PEARL_TILE', () => of(spaced(257, 1)))
  accepted(() => of(spaced(256, 1)))
  rejected('PEARL_INDICES', () => of([0, 2, 1, 3]))
  rejected('PEARL_INDICES', () => of([0, 0, 1, 1]))
  rejected('PEARL_INDICES', () => of([-1, 0]), 'outside')
  rejected('PEARL_INDICES', () => of([0, 0.5]))
  rejected('PEARL_INDICES', () => of([0, 1], 1))
  rejected('PEARL_INDICES', () => of([2 ** 24], 2 ** 30))
  rejected('PEARL_INDICES', () => of('01' as unknown as number[]))
})

test('a pattern of more indices than a tile has is not written out', () => {
  const pattern = pearl.decodePattern(hexToBytes('00ff01010000'))
  expect(pearl.patternSize(pattern)).toBe(512)
  rejected('PEARL_TILE', () => pearl.patternIndices(pattern, 0))
})

test('values that are no pattern do not encode', () => {
  const encode = (pairs: unknown): unknown => pearl.encodePattern(pairs as pearl.Pattern)
  const pad = { stride: 8, length: 1 }
  accepted(() => encode([{ stride: 1, length: 8 }, pad, pad]))
  rejected('PEARL_PATTERN', () => encode([{ stride: 1, length: 8 }, pad]))
  rejected('PEARL_PATTERN', () => encode([{ stride: 1, length: 8 }, { stride: 7, length: 1 }, pad]))
  rejected('PEARL_PATTERN', () => encode([{ stride: 1, length: 257 }, pad, pad]))
  rejected('PEARL_PATTERN', () => encode([{ stride: 0, length: 8 }, pad, pad]))
  rejected('PEARL_PATTERN', () =>
    encode([
      { stride: 1, length: 8 },
      { stride: 8, length: 2 },
      { stride: 16, length: 1 },
    ]),
  )
  rejected('PEARL_PATTERN', () => encode([undefined, pad, pad]))
  rejected('PEARL_PATTERN', () => encode('pattern'))
})
