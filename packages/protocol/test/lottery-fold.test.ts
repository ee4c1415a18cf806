// WRK-3: fold states. WRK-5: the useful product comes back exactly.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  denoise,
  foldProduct,
  foldStep,
  foldTile,
  foldTileProduct,
  noisedOperandRows,
  noisedWeightColumns,
  noiseElement,
  noiseMatrix,
  operandNoise,
  weightNoise,
} from '../src/lottery/index.ts'
import { bytes } from './lottery-fixture.ts'

const int8 = (length: number, max: number): fc.Arbitrary<Int8Array> =>
  fc.oneof(
    fc
      .array(fc.integer({ min: -max, max }), { minLength: length, maxLength: length })
      .map((list) => Int8Array.from(list)),
    fc
      .array(fc.constantFrom(-max, 0, max), { minLength: length, maxLength: length })
      .map((list) => Int8Array.from(list)),
    fc.constantFrom(-max, max).map((value) => new Int8Array(length).fill(value)),
  )

function plainProduct(a: Int8Array, w: Int8Array, m: number, k: number, n: number): Int32Array {
  return Int32Array.from({ length: m * n }, (_, t) => {
    const i = Math.floor(t / n)
    const j = t % n
    let sum = 0
    for (let c = 0; c < k; c++) sum += a[i * k + c]! * w[j * k + c]!
    return sum
  })
}

describe('fold', () => {
  test('by hand: one accumulator that counts to 17, folded after each step', () => {
    // Words 0..15 get 1..16; step 17 rotates word 0, which is 1, to 2^13 and adds 17.
    const state = foldTile(new Int8Array(17).fill(1), new Int8Array(17).fill(1), { h: 1, w: 1, k: 17, r: 1 })
    expect([...state]).toEqual([(2 ** 13) ^ 17, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])
  })

  test('by hand: the XOR runs over all accumulators of a tile, negative ones as two’s complement', () => {
    const state = foldTile(Int8Array.of(1, -1), Int8Array.of(3, 5), { h: 2, w: 2, k: 1, r: 1 })
    expect(state[0]).toBe((3 ^ 5 ^ -3 ^ -5) >>> 0)
    expect([...state.subarray(1)]).toEqual(Array(15).fill(0))
    const high = foldTile(Int8Array.of(-1), Int8Array.of(1), { h: 1, w: 1, k: 1, r: 1 })
    expect(high[0]).toBe(0xffffffff)
  })

  test('rotation brings the top bits round', () => {
    const state = new Uint32Array(16)
    state[0] = 0x80000001
    foldStep(state, 17, Int32Array.of(0))
    expect(state[0]).toBe(0x00003000)
  })

  test('one changed accumulator changes the state at any step', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer(), { minLength: 1, maxLength: 40 }),
        fc.nat(),
        fc.integer().filter((x) => x !== 0),
        fc.integer({ min: 1, max: 40 }),
        (list, at, difference, step) => {
          const fold = (values: number[]): Uint32Array => {
            const state = Uint32Array.from({ length: 16 }, (_, i) => i * 0x01234567)
            foldStep(state, step, Int32Array.from(values))
            return state
          }
          const changed = [...list]
          changed[at % list.length]! ^= difference
          expect(fold(changed)).not.toEqual(fold(list))
        },
      ),
    )
  })

  test('a changed operand or weight changes product and state', () => {
    const shape = { h: 4, w: 8, k: 32, r: 8 }
    const a = Int8Array.from({ length: 4 * 32 }, (_, t) => ((t * 31) % 253) - 126)
    const w = Int8Array.from({ length: 8 * 32 }, (_, t) => ((t * 57) % 253) - 126)
    const base = foldTileProduct(a, w, shape)
    for (const [left, right] of [
      [a.with(77, a[77]! + 1), w],
      [a, w.with(200, w[200]! - 1)],
    ] as const) {
      const other = foldTileProduct(left, right, shape)
      expect(other.state).not.toEqual(base.state)
      expect(other.accumulators).not.toEqual(base.accumulators)
    }
  })

  test('a tile folds alike wherever it lies, and only full tiles draw', () => {
    const dims = fc.record({
      m: fc.integer({ min: 1, max: 11 }),
      n: fc.integer({ min: 1, max: 13 }),
      h: fc.integer({ min: 1, max: 4 }),
      w: fc.integer({ min: 1, max: 5 }),
      groups: fc.integer({ min: 1, max: 5 }),
    })
    const cases = dims.chain(({ m, n, h, w, groups }) =>
      fc.record({
        shape: fc.constant({ m, n, h, w, k: groups * 4, r: 4 }),
        a: int8(m * groups * 4, 126),
        b: int8(n * groups * 4, 126),
      }),
    )
    fc.assert(
      fc.property(cases, ({ shape, a, b }) => {
        const { m, n, h, w, k } = shape
        const { product, states } = foldProduct(a, b, shape)
        expect(product).toEqual(plainProduct(a, b, m, k, n))
        const columns = Math.floor(n / w)
        expect(states).toHaveLength(Math.floor(m / h) * columns)
        states.forEach((state, t) => {
          const row = Math.floor(t / columns) * h
          const column = (t % columns) * w
          const rows = a.subarray(row * k, (row + h) * k)
          expect(foldTile(rows, b.subarray(column * k, (column + w) * k), shape)).toEqual(state)
        })
      }),
      { numRuns: 60 },
    )
    const same = foldProduct(new Int8Array(4 * 8).fill(5), new Int8Array(6 * 8).fill(-7), {
      m: 4,
      n: 6,
      h: 2,
      w: 3,
      k: 8,
      r: 4,
    })
    expect(same.states).toHaveLength(4)
    for (const state of same.states) expect(state).toEqual(same.states[0])
  })

  test('accumulators of the widest layer fit int32', () => {
    expect(126 * 126 * 2 ** 17).toBeLessThan(2 ** 31)
  })
})

describe('denoise', () => {
  const cases = fc
    .record({
      m: fc.integer({ min: 1, max: 7 }),
      n: fc.integer({ min: 1, max: 9 }),
      log: fc.integer({ min: 1, max: 5 }),
      groups: fc.integer({ min: 1, max: 4 }),
    })
    .chain(({ m, n, log, groups }) => {
      const r = 2 ** log
      const k = groups * r
      return fc.record({
        shape: fc.constant({ m, n, k, r }),
        operand: int8(m * k, 63),
        weights: int8(n * k, 63),
        seeds: fc.tuple(fc.nat(255), fc.nat(255)),
      })
    })

  test('gives A W exactly on random and extreme operands', () => {
    fc.assert(
      fc.property(cases, ({ shape, operand, weights, seeds }) => {
        const { m, n, k, r } = shape
        const e = operandNoise(bytes(seeds[0]), k, r, 0, m)
        const f = weightNoise(bytes(seeds[1]), k, r, 0, n)
        const matrix = { rows: n, columns: k, q: weights, scale: new Float32Array(n) }
        const noisedWeights = noisedWeightColumns(matrix, f)
        const { product } = foldProduct(noisedOperandRows(operand, e), noisedWeights, { ...shape, h: 2, w: 4 })
        const useful = denoise({ m, k, n, operand, operandNoise: e, noisedWeights, weightNoise: f, product })
        expect(useful).toEqual(plainProduct(operand, weights, m, k, n))
      }),
      { numRuns: 60 },
    )
  })

  test('gives A W exactly where the operand leans on the noise of the weights and the weights on that of the operand', () => {
    const [m, n, k, r] = [3, 4, 1024, 32]
    const e = operandNoise(bytes(1), k, r, 0, m)
    const f = weightNoise(bytes(2), k, r, 0, n)
    const operand = noiseMatrix({ ...f, uniform: f.uniform.subarray(0, m * r) }).map((value) => 63 * Math.sign(value))
    const weights = new Int8Array(n * k).map((_, t) => 63 * Math.sign(noiseElement(e, 0, t % k)))
    const noisedWeights = noisedWeightColumns({ rows: n, columns: k, q: weights, scale: new Float32Array(n) }, f)
    const { product } = foldProduct(noisedOperandRows(operand, e), noisedWeights, { m, n, k, r, h: 1, w: 1 })
    const useful = denoise({ m, k, n, operand, operandNoise: e, noisedWeights, weightNoise: f, product })
    expect(useful).toEqual(plainProduct(operand, weights, m, k, n))
    expect(product[0]! - useful[0]!).toBeGreaterThan(2_000_000)
  })
})
