// Freivalds over 2^31 - 1 (AUD-4): whole products in bulk, with errors of 1, 2^24 and 2^31, and why not modulo 2^32.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkProducts, FREIVALDS_PRIME, FREIVALDS_VECTORS, freivaldsKey } from '../src/audit/freivalds.ts'
import { u32le } from '../src/bytes.ts'
import { taggedXof } from '../src/hash.ts'
import { unitModel } from '../src/model/synthetic.ts'
import type { QuantMatrix } from '../src/model/types.ts'
import { dotRow } from '../src/numerics/linear.ts'
import { filled } from './rules/verbs.ts'
import { codeOf } from './trace-fixture.ts'

const int8s = (label: number, length: number): Int8Array =>
  Int8Array.from(taggedXof('syntheticModel', length, u32le(label)), (byte) => (byte % 127) - 63)
const matrixOf = (rows: number, columns: number, q = int8s(rows, rows * columns)): QuantMatrix => ({
  rows,
  columns,
  q,
  scale: new Float32Array(rows),
})
function productsOf(matrix: QuantMatrix, operands: Int8Array): Int32Array {
  const { rows, columns } = matrix
  return Int32Array.from({ length: (operands.length / columns) * rows }, (_, at) =>
    dotRow(operands, Math.floor(at / rows) * columns, matrix, at % rows, 0, columns),
  )
}

const matrix = matrixOf(48, 32)
const operands = int8s(7, 5 * 32)
const right = productsOf(matrix, operands)
const key = freivaldsKey(matrix, filled(1))
const withError = (at: number, error: number): Int32Array => right.with(at, right[at]! + error)

test('the products of every layer of a model pass', () => {
  for (const { qkv, o, gateUp, down } of unitModel().layers)
    for (const layer of [qkv, o, gateUp, down]) {
      const a = int8s(3, 4 * layer.columns)
      expect(codeOf(() => checkProducts(freivaldsKey(layer, filled(2)), a, productsOf(layer, a)))).toBe('accepted')
    }
})

test('extreme values stay exact: all elements -63 or 63, more terms than one reduction holds', () => {
  for (const [rows, columns] of [
    [3, 40_000],
    [40_000, 3],
    [200, 70],
  ] as const)
    for (const sign of [1, -1]) {
      const extreme = matrixOf(rows, columns, new Int8Array(rows * columns).fill(63))
      const a = new Int8Array(columns).fill(sign * 63)
      const c = new Int32Array(rows).fill(sign * columns * 63 * 63)
      const extremeKey = freivaldsKey(extreme, filled(3))
      expect(codeOf(() => checkProducts(extremeKey, a, c))).toBe('accepted')
      expect(codeOf(() => checkProducts(extremeKey, a, c.with(rows - 1, c[0]! - sign)))).toBe('FREIVALDS_MISMATCH')
    }
})

describe('errors', () => {
  test.each([1, -1, 63, 64_000])('of %i in any element of any row', (error) => {
    for (let at = 0; at < right.length; at++) {
      if (Math.abs(right[at]! + error) > 32 * 63 * 63) continue
      expect(codeOf(() => checkProducts(key, operands, withError(at, error)))).toBe('FREIVALDS_MISMATCH')
    }
  })

  test('of 2^24, which binary32 would round away, in a layer wide enough for it', () => {
    const wide = matrixOf(4, 8192)
    const a = int8s(8, 8192)
    const c = productsOf(wide, a)
    const wideKey = freivaldsKey(wide, filled(4))
    expect(codeOf(() => checkProducts(wideKey, a, c))).toBe('accepted')
    for (const error of [2 ** 24, -(2 ** 24)])
      expect(codeOf(() => checkProducts(wideKey, a, c.with(2, c[2]! + error)))).toBe('FREIVALDS_MISMATCH')
  })

  test('of 2^31, or to the prime, are out of range', () => {
    for (const value of [right[0]! + 2 ** 31, FREIVALDS_PRIME, -(2 ** 31), 32 * 63 * 63 + 1, -32 * 63 * 63 - 1])
      expect(codeOf(() => checkProducts(key, operands, right.with(0, value | 0)))).toBe('FREIVALDS_RANGE')
    expect(codeOf(() => checkProducts(key, operands.with(0, -128), right))).toBe('FREIVALDS_RANGE')
    expect(codeOf(() => checkProducts(key, operands.with(0, 64), right))).toBe('FREIVALDS_RANGE')
  })

  test('that cancel in the sum of a row, or between rows', () => {
    const swapped = right.slice()
    swapped[0] = right[0]! + 1
    swapped[1] = right[1]! - 1
    expect(codeOf(() => checkProducts(key, operands, swapped))).toBe('FREIVALDS_MISMATCH')
    const rows = right.slice()
    rows[0] = right[0]! + 1
    rows[48] = right[48]! - 1
    expect(codeOf(() => checkProducts(key, operands, rows))).toBe('FREIVALDS_MISMATCH')
  })

  test('any, under any key: 2,000 random ones, none passes', () => {
    const element = fc.tuple(fc.nat(right.length - 1), fc.integer({ min: -50_000, max: 50_000 }))
    fc.assert(
      fc.property(fc.nat(7), fc.array(element, { minLength: 1, maxLength: 6 }), (seed, errors) => {
        const wrong = right.slice()
        for (const [at, error] of errors) wrong[at] = Math.max(-127_008, Math.min(127_008, wrong[at]! + error))
        const same = wrong.every((value, i) => value === right[i])
        expect(codeOf(() => checkProducts(KEYS[seed]!, operands, wrong))).toBe(same ? 'accepted' : 'FREIVALDS_MISMATCH')
      }),
      { numRuns: 2000, seed: 20_270_103 },
    )
  })
  const KEYS = Array.from({ length: 8 }, (_, i) => freivaldsKey(matrix, filled(10 + i)))
})

test('lengths that do not fit, and a matrix too wide for the prime', () => {
  expect(codeOf(() => checkProducts(key, operands.slice(1), right))).toBe('FREIVALDS_SHAPE')
  expect(codeOf(() => checkProducts(key, operands, right.slice(1)))).toBe('FREIVALDS_SHAPE')
  expect(codeOf(() => freivaldsKey(matrixOf(1, 270_550, new Int8Array(270_550)), filled(1)))).toBe('FREIVALDS_SHAPE')
})

test('vectors are two, differ by seed and index, and are uniform (chi-square over 16 ranges, p > 0.001)', () => {
  expect(key.vectors).toHaveLength(FREIVALDS_VECTORS)
  expect(key.vectors[0]).not.toEqual(key.vectors[1])
  expect(freivaldsKey(matrix, filled(2)).vectors[0]).not.toEqual(key.vectors[0])
  const [vector] = freivaldsKey(matrixOf(20_000, 1), filled(5)).vectors
  const counts = new Array<number>(16).fill(0)
  for (const element of vector!) counts[Math.floor((16 * element) / FREIVALDS_PRIME)]!++
  const chi = counts.reduce((sum, count) => sum + (count - 1250) ** 2 / 1250, 0)
  expect(chi).toBeLessThan(37.7)
})

test('modulo 2^32 an error of 2^31 would pass half of the vectors: the reason for the prime and the range check', () => {
  let passed = 0
  for (let i = 0; i < 1000; i++) {
    const r = freivaldsKey(matrixOf(1, 1), taggedXof('freivalds', 32, u32le(i))).vectors[0]![0]!
    if (Math.imul(2 ** 31, r) === 0) passed++
  }
  expect(passed).toBeGreaterThan(430)
  expect(passed).toBeLessThan(570)
})
