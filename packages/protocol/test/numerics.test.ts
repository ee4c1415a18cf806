// The pinned arithmetic (MOD-2 to MOD-4): accuracy, rounding, and what happens at the edges of binary32.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  EXP_MAX,
  EXP_MIN,
  expF32,
  MIN_NORMAL_F32,
  rmsNorm,
  rotateHead,
  roundHalfEven,
  siluF32,
  storeFinite,
  sumF32,
  sumSquaresF32,
} from '../src/numerics/f32.ts'
import { dotRow, groupedLinearRow, linearElement, linearRow } from '../src/numerics/linear.ts'
import { QUANT_MAX, quantiseInto, quantiseRow } from '../src/numerics/quantise.ts'
import { isScale } from '../src/numerics/scale.ts'

const f = Math.fround
const row = (...values: number[]): Float32Array => Float32Array.from(values)

/** Distance between a binary32 and the next larger one in magnitude. */
const ulp = (x: number): number => 2 ** (Math.floor(Math.log2(Math.abs(x))) - 23)

describe('expF32', () => {
  test('is within 2 units in the last place of e^x over its range', () => {
    let worst = 0
    for (let i = 0; i <= 175_000; i++) {
      const x = f(EXP_MIN + i * 0.001)
      const exact = Math.exp(x)
      worst = Math.max(worst, Math.abs(expF32(x) - exact) / ulp(exact))
    }
    expect(worst).toBeLessThan(2)
    expect(worst).toBeGreaterThan(0)
  })

  test('is exactly 1 at 0 and gives normal numbers at and beyond both clamps', () => {
    expect(expF32(0)).toBe(1)
    expect(expF32(-0)).toBe(1)
    for (const x of [-87.001, -1e30, Number.NEGATIVE_INFINITY]) expect(expF32(x)).toBe(expF32(EXP_MIN))
    for (const x of [88.001, 1e30, Number.POSITIVE_INFINITY]) expect(expF32(x)).toBe(expF32(EXP_MAX))
    expect(expF32(EXP_MIN)).toBeGreaterThanOrEqual(MIN_NORMAL_F32)
    expect(Number.isFinite(expF32(EXP_MAX))).toBe(true)
  })

  test('of NaN is NaN', () => {
    expect(expF32(Number.NaN)).toBeNaN()
    expect(siluF32(Number.NaN)).toBeNaN()
  })

  test('always gives a binary32', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true }), (x) => {
        expect(Object.is(f(expF32(x)), expF32(x))).toBe(true)
      }),
    )
  })
})

test('silu follows x / (1 + e^-x) and stays finite where the sigmoid vanishes', () => {
  expect(siluF32(0)).toBe(0)
  for (const x of [-20, -3.5, -1, 0.25, 1, 7, 40]) expect(siluF32(f(x)) / (x / (1 + Math.exp(-x)))).toBeCloseTo(1, 5)
  expect(siluF32(-3e38)).toBeLessThan(0)
  expect(Number.isFinite(siluF32(-3e38))).toBe(true)
  expect(siluF32(3e38)).toBe(f(3e38))
})

test('roundHalfEven rounds ties to even, on both sides of zero', () => {
  const cases = [
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [62.5, 62],
    [-0.5, 0],
    [-1.5, -2],
    [-2.5, -2],
    [0.49999997, 0],
    [0.50000006, 1],
    [2.4999998, 2],
  ] as const
  for (const [value, rounded] of cases) expect(roundHalfEven(f(value)) + 0).toBe(rounded)
})

describe('reductions', () => {
  test('sum in four lanes, then (s0 + s1) + (s2 + s3)', () => {
    // 2^24 + 1 is not a binary32, so that each order of additions gives another result.
    const inOrder = (values: Float32Array): number => values.reduce((sum, value) => f(sum + value), 0)
    const lanes = row(2 ** 24, 1, 1, 1, -(2 ** 24), 0, 0, 0)
    expect(sumF32(lanes)).toBe(3)
    expect(inOrder(lanes)).toBe(0)
    const pairs = row(2 ** 24, 1, 1, 1)
    expect(sumF32(pairs)).toBe(2 ** 24 + 2)
    expect(inOrder(pairs)).toBe(2 ** 24)
    const squares = row(2 ** 12, 1, 1, 1)
    expect(sumSquaresF32(squares)).toBe(2 ** 24 + 2)
  })

  test('of rows whose length is no multiple of four', () => {
    expect(sumF32(row())).toBe(0)
    expect(sumF32(row(1, 2, 3, 4, 5))).toBe(15)
    expect(sumSquaresF32(row(1, 2, 3))).toBe(14)
  })
})

describe('rmsNorm', () => {
  test('of a zero row is zero', () => {
    expect([...rmsNorm(row(0, 0, 0, 0), row(1, 1, 1, 1), f(1e-5))]).toEqual([0, 0, 0, 0])
  })

  test('follows the written order', () => {
    const inv = f(1 / f(Math.sqrt(f(f(25 / 2) + f(1e-5)))))
    expect([...rmsNorm(row(3, 4), row(0.5, 2), f(1e-5))]).toEqual([f(f(3 * inv) * 0.5), f(f(4 * inv) * 2)])
  })

  test('of a row whose squares overflow is zero', () => {
    expect([...rmsNorm(row(1e30, 1, 0, 0), row(1, 1, 1, 1), f(1e-5))]).toEqual([0, 0, 0, 0])
  })
})

test('rotateHead rounds each product before the sum', () => {
  const head = row(1.1, -2.3, 5, 7)
  const cos = row(0.3, 1)
  const sin = row(0.7, 0)
  rotateHead(head, cos, sin)
  const [a, b, c, s] = [f(1.1), f(-2.3), f(0.3), f(0.7)]
  expect([...head]).toEqual([f(f(a * c) - f(b * s)), f(f(a * s) + f(b * c)), 5, 7])
})

describe('quantiseRow', () => {
  test('a zero row and a row of negative zeros have scale +0', () => {
    for (const zero of [row(0, 0, 0), row(-0, -0, -0)]) {
      const { q, scale } = quantiseRow(zero)
      expect(Object.is(scale, 0)).toBe(true)
      expect([...q]).toEqual([0, 0, 0])
    }
  })

  test('the largest element becomes 63 or -63, ties go to even', () => {
    const { q, scale } = quantiseRow(row(63, -63, 0.5, 1.5, -2.5))
    expect(scale).toBe(1)
    expect([...q]).toEqual([63, -63, 0, 2, -2])
  })

  test('a scale that would be subnormal is 0', () => {
    const least = f(MIN_NORMAL_F32 * QUANT_MAX)
    expect(quantiseRow(row(least)).scale).toBe(MIN_NORMAL_F32)
    const below = f(least - ulp(least))
    expect(quantiseRow(row(below, -below))).toEqual({ q: new Int8Array(2), scale: 0 })
    expect(quantiseRow(row(2 ** -149))).toEqual({ q: new Int8Array(1), scale: 0 })
  })

  test('elements that are not finite become 0 and do not count for the scale', () => {
    const { q, scale } = quantiseRow(row(Number.NaN, Number.POSITIVE_INFINITY, 126, Number.NEGATIVE_INFINITY, -2))
    expect(scale).toBe(2)
    expect([...q]).toEqual([0, 0, 63, 0, -1])
    expect(quantiseRow(row(Number.NaN, Number.POSITIVE_INFINITY))).toEqual({ q: new Int8Array(2), scale: 0 })
  })

  test('the largest binary32 stays in range', () => {
    const max = f(3.4028234663852886e38)
    const { q, scale } = quantiseRow(row(max, -max, max / 2))
    expect(isScale(scale)).toBe(true)
    expect([...q.subarray(0, 2)]).toEqual([63, -63])
  })

  test('any row gives values in [-63, 63] and a valid scale, and errs by at most half a step', () => {
    fc.assert(
      fc.property(fc.float32Array({ minLength: 1, maxLength: 40 }), (values) => {
        const { q, scale } = quantiseRow(values)
        expect(isScale(scale)).toBe(true)
        values.forEach((value, i) => {
          expect(Math.abs(q[i]!)).toBeLessThanOrEqual(QUANT_MAX)
          if (Number.isFinite(value) && scale > 0)
            expect(Math.abs(value - q[i]! * scale)).toBeLessThanOrEqual(0.5001 * scale)
        })
      }),
    )
  })

  test('writes only its own part of a longer row', () => {
    const q = new Int8Array(4).fill(9)
    expect(quantiseInto(row(1, 126, -63, 1), 1, 2, q, 1)).toBe(2)
    expect([...q]).toEqual([9, 63, -32, 9])
  })
})

test('isScale: +0 and normal positive numbers, nothing else', () => {
  for (const scale of [0, MIN_NORMAL_F32, 1, 3e38]) expect(isScale(scale)).toBe(true)
  for (const scale of [-0, -1, MIN_NORMAL_F32 / 2, Number.NaN, Number.POSITIVE_INFINITY])
    expect(isScale(scale)).toBe(false)
})

test('storeFinite replaces exactly what is not finite by +0', () => {
  const values = storeFinite(row(1, Number.NaN, Number.NEGATIVE_INFINITY, -0, 2 ** -149))
  expect([...values]).toEqual([1, 0, 0, -0, 2 ** -149])
})

describe('linear layers', () => {
  const matrix = { rows: 2, columns: 4, q: Int8Array.of(63, 63, -63, 63, 1, 2, 3, 4), scale: row(0.1, 3) }
  const q = Int8Array.of(63, 63, -63, 63)

  test('accumulate exactly, then scale by row and column in that order (MOD-3)', () => {
    expect(dotRow(q, 0, matrix, 0, 0, 4)).toBe(4 * 63 * 63)
    expect(linearElement(q, f(0.7), matrix, 0)).toBe(f(f(4 * 63 * 63 * f(0.7)) * f(0.1)))
    expect([...linearRow(q, f(0.7), matrix, 1, 1)]).toEqual([f(f((63 + 126 - 189 + 252) * f(0.7)) * 3)])
  })

  test('a sum beyond 2^24 is rounded once', () => {
    const columns = 8192
    const wide = { rows: 1, columns, q: new Int8Array(columns).fill(63), scale: row(1) }
    const ones = new Int8Array(columns).fill(63)
    ones[0] = 62
    expect(linearElement(ones, 1, wide, 0)).toBe(f(columns * 63 * 63 - 63))
  })

  test('grouped scales are summed in group order (MOD-4)', () => {
    const scales = row(0.3, 0.9)
    const first = f((63 + 126) * f(0.3))
    const second = f((-189 + 252) * f(0.9))
    expect(groupedLinearRow(q, scales, matrix)[1]).toBe(f(f(first + second) * 3))
  })
})
