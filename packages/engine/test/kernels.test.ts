/** Each kernel against the reference on random and extreme operands, both implementations (MOD-6). */
import { readFileSync } from 'node:fs'
import { expF32, foldProduct, linearElement, quantiseRow, rmsNorm, siluF32, sumF32 } from '@nacre/protocol'
import { describe, expect, test } from 'vitest'
import { assembleKernels, kernelModule } from '../scripts/assemble.ts'
import { createKernels, type KernelFactory, type Kernels, runFold, selfTest } from '../src/index.ts'
import { packPanels, panelBytes } from '../src/kernels/pack.ts'
import { padK, padN } from '../src/kernels/types.ts'
import { sameBits } from './support/compare.ts'
import { createRandom, type Random } from './support/random.ts'

const CASES = 1000
const f = Math.fround

test('the binary is what the text assembles to', async () => {
  const expected = kernelModule(await assembleKernels())
  expect(readFileSync(new URL('../src/kernels/binary.ts', import.meta.url), 'utf8')).toBe(expected)
})

test('kernels that give wrong sums fail the self-test, and are not used', async () => {
  const good = await createKernels()
  expect(good).toMatchObject({ name: 'wasm-simd', fallbackReason: undefined })
  const wrong: KernelFactory = {
    ...good,
    instantiate: (bytes) => {
      const kernels = good.instantiate(bytes)
      return { ...kernels, gemm8: (call) => kernels.gemm8({ ...call, add: true, k: call.k - 8 }) }
    },
  }
  expect(() => selfTest(good)).not.toThrow()
  expect(() => selfTest(wrong)).toThrow('gemm8')
})

describe.each(['wasm-simd', 'scalar'] as const)('%s', (name) => {
  /** One memory for all cases, so that each sees what the one before has left. */
  const withMemory = async (work: (kernels: Kernels, random: Random) => void): Promise<void> => {
    const kernels = (await createKernels(name)).instantiate(1 << 20)
    for (let seed = 0; seed < CASES; seed++) work(kernels, createRandom(seed))
  }
  const A = 64
  const B = 1 << 18
  const C = 2 << 18
  const D = 3 << 18

  test(`${CASES} products`, () =>
    withMemory((kernels, random) => {
      const m = 1 + random.below(9)
      const n = 1 + random.below(40)
      const k = 1 + random.below(70)
      const add = random.chance(0.5)
      const [a, w] = [random.int8(m * k, 127), random.int8(n * k, 127)]
      const before = Int32Array.from({ length: m * padN(n) }, () => random.below(2 ** 20))
      const wide = random.chance(0.5)
      const operand = new Int16Array(kernels.buffer, A, m * padK(k)).fill(0)
      for (let i = 0; i < m; i++) operand.set(a.subarray(i * k, (i + 1) * k), i * padK(k))
      const panels = new Int8Array(kernels.buffer, B, panelBytes(n, k)).fill(0)
      packPanels(panels, w, n, k)
      const product = new Int32Array(kernels.buffer, C, before.length)
      product.set(before)
      const sizes = { m, n: padN(n), k: padK(k), add, lda: 2 * padK(k), ldc: 4 * padN(n) }
      if (wide) new Int16Array(kernels.buffer, D, panels.length).set(panels)
      kernels[wide ? 'gemm16' : 'gemm8']({ ...sizes, a: A, w: wide ? D : B, c: C })
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let sum = add ? before[i * padN(n) + j]! : 0
          for (let c = 0; c < k; c++) sum += a[i * k + c]! * w[j * k + c]!
          expect(product[i * padN(n) + j]).toBe(sum)
        }
      }
    }))

  test(`${CASES} folded products`, async () => {
    const factory = await createKernels(name)
    // Memories are large for what they hold here: one for many cases.
    const kernels = factory.instantiate(1 << 20)
    const shared: KernelFactory = { ...factory, instantiate: () => kernels }
    for (let seed = 0; seed < CASES; seed++) {
      const random = createRandom(seed)
      const [h, w] = [1 + random.below(9), 8 * (1 + random.below(4))]
      const r = random.pick([8, 16, 32])
      const k = r * (1 + random.below(20))
      const m = h * (1 + random.below(2))
      const n = w * (1 + random.below(2))
      const shape = { m, n, k, h, w, r }
      const [a, b] = [random.int8(m * k, 126), random.int8(n * k, 126)]
      const actual = runFold(shared, a, b, shape)
      const expected = foldProduct(a, b, shape)
      expect(sameBits(actual.product, expected.product), `seed ${seed}`).toBe(true)
      expect(actual.states, `seed ${seed}`).toEqual(expected.states)
    }
  })

  const place = (kernels: Kernels, at: number, values: Float32Array): void => {
    new Float32Array(kernels.buffer, at, padK(values.length)).fill(0).set(values)
  }
  const read = (kernels: Kernels, at: number, n: number): Float32Array => new Float32Array(kernels.buffer, at, n)

  test(`${CASES} norms`, () =>
    withMemory((kernels, random) => {
      const n = 1 + random.below(70)
      const extreme = random.chance(0.5)
      const [row, gain] = [random.f32(n, extreme), random.f32(n, extreme)]
      const eps = f(random.pick([1e-5, 2 ** -126, 1]))
      place(kernels, A, row)
      place(kernels, B, gain)
      kernels.norm(A, B, n, eps, C)
      expect(sameBits(read(kernels, C, n), rmsNorm(row, gain, eps))).toBe(true)
      expect(
        read(kernels, C, padK(n))
          .subarray(n)
          .every((v) => v === 0),
      ).toBe(true)
    }))

  test(`${CASES} quantised rows`, () =>
    withMemory((kernels, random) => {
      const n = 1 + random.below(70)
      const row = random.chance(0.1) ? new Float32Array(n) : random.f32(n, random.chance(0.5))
      if (random.chance(0.3)) row[random.below(n)] = random.pick([Number.NaN, Infinity, -Infinity])
      // Ties between two integers.
      if (random.chance(0.3)) row.set(row.map((_, i) => (i === 0 ? 63 : random.below(125) / 2 - 31)))
      place(kernels, A, row)
      const scale = kernels.quantise(A, n, B)
      const expected = quantiseRow(row)
      expect(Object.is(scale, expected.scale)).toBe(true)
      expect(Int8Array.from(new Int16Array(kernels.buffer, B, n))).toEqual(expected.q)
      expect(new Int16Array(kernels.buffer, B, padK(n)).subarray(n).every((v) => v === 0)).toBe(true)
    }))

  test(`${CASES} scaled and gated rows`, () =>
    withMemory((kernels, random) => {
      const n = 1 + random.below(40)
      const k = 8
      const q = random.int8(k, 63)
      const columns = random.f32(2 * n, random.chance(0.5)).map(Math.abs)
      const rowScale = f(Math.abs(random.f32(1, true)[0]!))
      const matrix = { rows: 2 * n, columns: k, q: random.int8(2 * n * k, 63), scale: columns }
      const acc = new Int32Array(kernels.buffer, A, 2 * n)
      for (let j = 0; j < 2 * n; j++) acc[j] = q.reduce((sum, v, c) => sum + v * matrix.q[j * k + c]!, 0)
      place(kernels, B, columns)
      kernels.scale(A, 2 * n, rowScale, B, C)
      const expected = Float32Array.from({ length: 2 * n }, (_, j) => linearElement(q, rowScale, matrix, j))
      expect(normalise(read(kernels, C, 2 * n))).toEqual(normalise(expected))
      kernels.gate(A, n, rowScale, B, C)
      const gated = Float32Array.from({ length: n }, (_, j) => f(siluF32(expected[j]!) * expected[n + j]!))
      expect(normalise(read(kernels, C, n))).toEqual(normalise(gated))
      expect(
        read(kernels, C, padK(n))
          .subarray(n)
          .every((v) => v === 0),
      ).toBe(true)
    }))

  test(`${CASES} attention heads`, () =>
    withMemory((kernels, random) => {
      const headDim = random.pick([2, 6, 8, 16, 20, 32])
      const count = 1 + random.below(40)
      const extreme = random.chance(0.5)
      const stride = padK(headDim)
      const scaleOf = (): number => f(Math.abs(random.f32(1, extreme)[0]!))
      const q = random.int8(headDim, 63)
      const qScale = scaleOf()
      const rows = Array.from({ length: count }, () => ({
        k: random.int8(headDim, 63),
        v: random.int8(headDim, 63),
        kScale: scaleOf(),
        vScale: scaleOf(),
      }))
      new Int16Array(kernels.buffer, A, stride).fill(0).set(q)
      const keys = new Int8Array(kernels.buffer, B, stride * count).fill(0)
      const values = new Int8Array(kernels.buffer, C, stride * count).fill(0)
      rows.forEach(({ k, v }, j) => {
        keys.set(k, j * stride)
        values.set(v, j * stride)
      })
      const [weights, out, kScale, vScale] = [D, D + 1024, D + 2048, D + 4096]
      new Float32Array(kernels.buffer, kScale, count).set(rows.map((row) => row.kScale))
      new Float32Array(kernels.buffer, vScale, count).set(rows.map((row) => row.vScale))
      const invSqrt = f(1 / f(Math.sqrt(headDim)))
      const sizes = { rowBytes: stride, scaleBytes: 4, count, headDim, invSqrt }
      kernels.attend({ ...sizes, q: A, qScale, k: B, v: C, kScale, vScale, weights, out })

      const scores = Float32Array.from(rows, ({ k, kScale: s }) => {
        const dot = k.reduce((sum, value, d) => sum + value * q[d]!, 0)
        return f(f(f(f(dot) * qScale) * s) * invSqrt)
      })
      const max = scores.reduce((m, s, j) => (j > 0 && s > m ? s : m), scores[0]!)
      const exponentials = scores.map((s) => expF32(f(s - max)))
      const expected = new Float32Array(headDim)
      rows.forEach(({ v, vScale: s }, j) => {
        const w = f(exponentials[j]! * s)
        for (let d = 0; d < headDim; d++) expected[d] = f(expected[d]! + f(w * v[d]!))
      })
      const denominator = sumF32(exponentials)
      for (let d = 0; d < headDim; d++) expected[d] = f(expected[d]! / denominator)
      expect(normalise(read(kernels, out, headDim))).toEqual(normalise(expected))
    }))
})

/** Bits, with all NaNs alike: their payload is not defined, and none is ever stored (MOD-4). */
function normalise(row: Float32Array): Uint32Array {
  const bits = new Uint32Array(row.slice().buffer)
  return bits.map((word, i) => (Number.isNaN(row[i]!) ? 0x7fc00000 : word))
}
