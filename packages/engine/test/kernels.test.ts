/** Each kernel against the reference on random and extreme operands, every implementation (MOD-6). */
import { readFileSync } from 'node:fs'
import { expF32, linearElement, quantiseRow, rmsNorm, siluF32, sumF32 } from '@nacre/protocol'
import { describe, expect, test } from 'vitest'
import { assembleKernels, kernelModule } from '../scripts/assemble.ts'
import {
  createKernels,
  expectedProduct,
  extremeCase,
  KERNEL_NAMES,
  type KernelFactory,
  type Kernels,
  placeProduct,
  selfTest,
} from '../src/index.ts'
import { operandStride } from '../src/kernels/product-layout.ts'
import { sparseLists } from '../src/kernels/sparse-lists.ts'
import { padHead, padN, padRows } from '../src/kernels/types.ts'
import { sameBits } from './support/compare.ts'
import { isSupported, supportedKernels } from './support/kernels.ts'
import { createRandom, type Random } from './support/random.ts'

const CASES = 1000
const f = Math.fround
const factories = new Map<string, KernelFactory>()
for (const factory of await supportedKernels()) factories.set(factory.name, factory)

test('the binaries are what the text assembles to', async () => {
  const expected = kernelModule(await assembleKernels())
  expect(readFileSync(new URL('../src/kernels/binary.ts', import.meta.url), 'utf8')).toBe(expected)
})

describe('the choice of kernels', () => {
  test.skipIf(!isSupported('wasm-relaxed'))('takes the fastest that passes its self-test', async () => {
    expect(await createKernels()).toMatchObject({ name: 'wasm-relaxed', fallbackReason: undefined })
    expect(await createKernels(undefined, true)).toMatchObject({ name: 'wasm-relaxed-wide', fallbackReason: undefined })
  })

  test.skipIf(isSupported('wasm-relaxed'))('refuses kernels that need another processor, and says so', async () => {
    const fallbackReason = expect.stringContaining('wasm-relaxed: the fold fails its self-test')
    expect(await createKernels()).toMatchObject({ name: 'wasm-simd', fallbackReason })
    await expect(createKernels('wasm-relaxed')).rejects.toThrow('self-test')
  })

  test.each(KERNEL_NAMES.filter(isSupported))('%s that give a wrong value fail the self-test', (name) => {
    const good = factories.get(name)!
    /** Kernels whose result differs in one value. */
    const spoilt = (spoil: (kernels: Kernels) => Partial<Kernels>): KernelFactory => ({
      ...good,
      attach: (...args) => {
        const kernels = good.attach(...args)
        return { ...kernels, ...spoil(kernels) }
      },
    })
    const increment = (kernels: Kernels, at: number): void => {
      new Int32Array(kernels.buffer)[at >> 2]! += 1
    }
    expect(() => selfTest(good)).not.toThrow()
    const product = spoilt((kernels) => ({
      gemm: (call) => {
        kernels.gemm(call)
        increment(kernels, call.c)
      },
    }))
    expect(() => selfTest(product)).toThrow('the product')
    const states = spoilt((kernels) => ({
      noisedProduct: (call) => {
        const done = kernels.noisedProduct(call)
        increment(kernels, call.tiles.states)
        return done
      },
    }))
    expect(() => selfTest(states)).toThrow('the fold')
    const denoised = spoilt((kernels) => ({
      noisedProduct: (call) => {
        const done = kernels.noisedProduct(call)
        increment(kernels, call.c)
        return done
      },
    }))
    expect(() => selfTest(denoised)).toThrow('the denoised product')
  })

  test('falls back with the reason where WebAssembly is missing', async () => {
    const { WebAssembly: there } = globalThis as { WebAssembly?: unknown }
    Object.assign(globalThis, { WebAssembly: undefined })
    try {
      const kernels = await createKernels()
      expect(kernels.name).toBe('scalar')
      expect(kernels.fallbackReason).toBeDefined()
      await expect(createKernels('wasm-simd')).rejects.toThrow()
    } finally {
      Object.assign(globalThis, { WebAssembly: there })
    }
  })
})

test('lists of a sparse factor name every index twice, in blocks', () => {
  const random = createRandom(1)
  for (const [k, r] of [
    [64, 16],
    [1024, 32],
    [2080, 8],
    [4096, 128],
  ] as const) {
    const { weightNoise } = extremeCase({ m: 1, n: 1, k, r, h: 1, w: 1 }, random.below(1000))
    const { plus, minus } = weightNoise.sparse
    const { list, ends, maxCount } = sparseLists(weightNoise.sparse, r)
    const counts = new Array<number>(r).fill(0)
    const rank = ends.length / 2 / Math.ceil(k / 1024)
    for (let block = 0; block * 1024 < k; block++) {
      let from = 0
      for (let t = 0; t < rank; t++) {
        const [plusEnd, minusEnd] = [ends[2 * (block * rank + t)]!, ends[2 * (block * rank + t) + 1]!]
        const indices = (start: number, end: number): number[] =>
          [...list.subarray(2048 * block + start, 2048 * block + end)].map((c) => c + 1024 * block)
        expect(indices(from, plusEnd).every((c) => plus[c] === t)).toBe(true)
        expect(indices(plusEnd, minusEnd).every((c) => minus[c] === t)).toBe(true)
        if (t < r) counts[t]! += minusEnd - from
        from = minusEnd
      }
      expect(from).toBe(2 * Math.min(1024, k - 1024 * block))
    }
    expect(maxCount).toBe(Math.max(...counts))
  }
})

describe.each(KERNEL_NAMES.filter(isSupported))('%s', (name) => {
  const factory = factories.get(name)!
  const LIMITS = { rows: 64, k: 4096, noisedK: 0, noisedN: 0, rank: 0 }
  const SIZE = 1 << 18
  const [A, B, C, D, E, F] = [64, SIZE, 2 * SIZE, 3 * SIZE, 4 * SIZE, 5 * SIZE] as const
  const SCRATCH = 6 * SIZE
  /** One memory for all cases, so that each sees what the one before has left. */
  const withMemory = (work: (kernels: Kernels, random: Random) => void): void => {
    const kernels = factory.attach(factory.memory(SCRATCH + factory.scratchBytes(LIMITS)), SCRATCH, LIMITS)
    for (let seed = 0; seed < CASES; seed++) work(kernels, createRandom(seed))
  }

  test(`${CASES} products`, () =>
    withMemory((kernels, random) => {
      const m = 1 + random.below(20)
      const n = 1 + random.below(40)
      const k = random.chance(0.02) ? 1000 + random.below(2000) : 1 + random.below(70)
      const [a, w] = [random.int8(m * k, 63), random.int8(n * k, 63)]
      const stride = operandStride(k) + 8 * random.below(3)
      const operand = new Int8Array(kernels.buffer, A, padRows(m) * stride)
      // What lies behind a row's k values must not matter.
      operand.forEach((_, i) => {
        operand[i] = random.below(127) - 63
      })
      for (let i = 0; i < m; i++) operand.set(a.subarray(i * k, (i + 1) * k), i * stride)
      kernels.pack(B, w, n, k)
      const ldc = 4 * padN(n)
      kernels.gemm({ a: A, lda: stride, w: B, c: C, ldc, m, n, k })
      const product = new Int32Array(kernels.buffer, C, m * padN(n))
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < padN(n); j++) {
          let sum = 0
          for (let c = 0; c < k && j < n; c++) sum += a[i * k + c]! * w[j * k + c]!
          expect(product[i * padN(n) + j]).toBe(sum)
        }
      }
    }))

  test('600 noised products with extreme values, ragged and whole tiles', () => {
    for (let seed = 0; seed < 600; seed++) {
      const random = createRandom(seed)
      const r = random.pick([8, 8, 16, 32, 64])
      const k = r * (1 + random.below(r === 64 ? 20 : 50))
      const [h, w] = [1 + random.below(9), random.pick([4, 8, 16, 24, 32])]
      const shape = { m: 1 + random.below(24), n: 1 + random.below(70), k, r, h, w }
      const given = extremeCase(shape, seed)
      const expected = expectedProduct(given)
      const placed = placeProduct(factory, given)
      const where = `seed ${seed}: ${JSON.stringify(shape)}`
      if (!placed.kernels.canFold(w, r)) continue
      for (let round = 0; round < 2; round++) {
        const done = placed.runNoised()
        const { product, states } = placed.result()
        expect(sameBits(states, expected.states), where).toBe(true)
        expect(done, where).toBe(true)
        expect(sameBits(product, expected.product), where).toBe(true)
      }
    }
  })

  test('sums that may not fit the digits are refused, and the states are still right', () => {
    // Some 300 values of k meet in each sum.
    const given = extremeCase({ m: 3, n: 20, k: 2400, r: 8, h: 3, w: 16 }, 5)
    given.operand.fill(63)
    given.weights.fill(63)
    for (const noise of [given.operandNoise, given.weightNoise]) {
      noise.sparse.plus.fill(0)
      noise.sparse.minus.forEach((_, c) => {
        noise.sparse.minus[c] = 1 + (c % 7)
      })
    }
    const placed = placeProduct(factory, given)
    expect(placed.runNoised()).toBe(name === 'scalar')
    const { product, states } = placed.result()
    const expected = expectedProduct(given)
    expect(sameBits(states, expected.states)).toBe(true)
    if (name === 'scalar') expect(sameBits(product, expected.product)).toBe(true)
  })

  const place = (kernels: Kernels, at: number, values: Float32Array): void => {
    new Float32Array(kernels.buffer, at, padN(values.length)).fill(0).set(values)
  }
  const read = (kernels: Kernels, at: number, n: number): Float32Array => new Float32Array(kernels.buffer, at, n)

  test(`${CASES} normed and quantised rows`, () =>
    withMemory((kernels, random) => {
      const n = 1 + random.below(70)
      const rows = 1 + random.below(3)
      const width = padN(n)
      const extreme = random.chance(0.5)
      const gain = random.f32(n, extreme)
      const all = Array.from({ length: rows }, () =>
        random.chance(0.1) ? new Float32Array(n) : random.f32(n, extreme),
      )
      const eps = f(random.pick([1e-5, 2 ** -126, 1]))
      for (const [i, row] of all.entries()) place(kernels, A + 4 * i * width, row)
      place(kernels, B, gain)
      const call = { rows, row: A, gain: B, n: width, trueN: n, eps, tmp: C, q: D, lda: width + 16, scales: E }
      kernels.normRows(call)
      all.forEach((row, i) => {
        const expected = quantiseRow(rmsNorm(row, gain, eps))
        expect(Object.is(read(kernels, E, rows)[i], expected.scale)).toBe(true)
        const q = new Int8Array(kernels.buffer, D + i * (width + 16), width)
        expect(q.subarray(0, n)).toEqual(expected.q)
        expect(q.subarray(n).every((v) => v === 0)).toBe(true)
      })
    }))

  test(`${CASES} scaled, gated and residual rows`, () =>
    withMemory((kernels, random) => {
      const n = 1 + random.below(40)
      const width = padN(n)
      const k = 8
      const q = random.int8(k, 63)
      const columns = random.f32(2 * n, random.chance(0.5)).map(Math.abs)
      const rowScale = f(Math.abs(random.f32(1, true)[0]!))
      const matrix = { rows: 2 * n, columns: k, q: random.int8(2 * n * k, 63), scale: columns }
      // Gates, then ups, each with its padding.
      const at = (j: number): number => (j < n ? j : width + j - n)
      const acc = new Int32Array(kernels.buffer, A, 2 * width).fill(0)
      const scales = new Float32Array(kernels.buffer, B, 2 * width).fill(0)
      for (let j = 0; j < 2 * n; j++) {
        acc[at(j)] = q.reduce((sum, v, c) => sum + v * matrix.q[j * k + c]!, 0)
        scales[at(j)] = columns[j]!
      }
      kernels.scale(A, 2 * width, rowScale, B, C)
      const expected = Float32Array.from({ length: 2 * n }, (_, j) => linearElement(q, rowScale, matrix, j))
      const actual = Float32Array.from({ length: 2 * n }, (_, j) => read(kernels, C, 2 * width)[at(j)]!)
      expect(normalise(actual)).toEqual(normalise(expected))

      new Float32Array(kernels.buffer, E, 1)[0] = rowScale
      kernels.gateRows({ rows: 1, acc: A, ldacc: 8 * width, n: width, scales: E, columns: B, tmp: C, q: D, lda: width })
      const gated = Float32Array.from({ length: n }, (_, j) => f(siluF32(expected[j]!) * expected[n + j]!))
      const quantised = quantiseRow(gated)
      expect(Object.is(read(kernels, E, 1)[0], quantised.scale)).toBe(true)
      expect(new Int8Array(kernels.buffer, D, n)).toEqual(quantised.q)

      const base = random.f32(n, random.chance(0.5))
      place(kernels, C, base)
      new Float32Array(kernels.buffer, E, 1)[0] = rowScale
      kernels.residualRows({ rows: 1, acc: A, ldacc: 4 * width, n: width, scales: E, columns: B, base: C, out: F })
      const finite = (v: number): number => (Number.isFinite(v) ? v : 0)
      expect(
        sameBits(
          read(kernels, F, n),
          base.map((v, j) => finite(f(v + expected[j]!))),
        ),
      ).toBe(true)
    }))

  test(`${CASES} rows of grouped sums`, () =>
    withMemory((kernels, random) => {
      const [rows, groups, n] = [1 + random.below(3), 1 + random.below(4), 1 + random.below(40)]
      const width = padN(n)
      const extreme = random.chance(0.5)
      const acc = new Int32Array(kernels.buffer, A, rows * groups * width)
      acc.forEach((_, i) => {
        acc[i] = random.below(2 ** 21) - 2 ** 20
      })
      const scales = random.f32(rows * groups, extreme).map(Math.abs)
      const columns = random.f32(n, extreme).map(Math.abs)
      const base = Array.from({ length: rows }, () => random.f32(n, extreme))
      new Float32Array(kernels.buffer, B, scales.length).set(scales)
      place(kernels, C, columns)
      for (const [i, row] of base.entries()) place(kernels, D + 4 * i * width, row)
      kernels.groupRows({ rows, acc: A, groups, n: width, scales: B, columns: C, base: D, out: E })
      for (let i = 0; i < rows; i++) {
        const expected = Float32Array.from({ length: n }, (_, d) => {
          let sum = 0
          for (let g = 0; g < groups; g++) {
            sum = f(sum + f(f(acc[(i * groups + g) * width + d]!) * scales[i * groups + g]!))
          }
          const v = f(base[i]![d]! + f(sum * columns[d]!))
          return Number.isFinite(v) ? v : 0
        })
        expect(sameBits(read(kernels, E + 4 * i * width, n), expected)).toBe(true)
      }
    }))

  test(`${CASES} attention heads`, () =>
    withMemory((kernels, random) => {
      const headDim = random.pick([2, 6, 8, 16, 20, 32, 40])
      const count = 1 + random.below(40)
      const extreme = random.chance(0.5)
      const stride = padHead(headDim)
      const scaleOf = (): number => f(Math.abs(random.f32(1, extreme)[0]!))
      const q = random.int8(headDim, 63)
      const qScale = scaleOf()
      const rows = Array.from({ length: count }, () => ({
        k: random.int8(headDim, 63),
        v: random.int8(headDim, 63),
        kScale: scaleOf(),
        vScale: scaleOf(),
      }))
      new Int8Array(kernels.buffer, A, stride).fill(0).set(q)
      const keys = new Int8Array(kernels.buffer, B, stride * count).fill(0)
      const values = new Int8Array(kernels.buffer, C, stride * count).fill(0)
      rows.forEach(({ k, v }, j) => {
        keys.set(k, j * stride)
        values.set(v, j * stride)
      })
      const [weights, tmp, kScale, vScale, query, outScale] = [D, D + 1024, D + 2048, D + 4096, D + 8192, D + 8256]
      new Float32Array(kernels.buffer, kScale, count).set(rows.map((row) => row.kScale))
      new Float32Array(kernels.buffer, vScale, count).set(rows.map((row) => row.vScale))
      new Float32Array(kernels.buffer, query, 1)[0] = qScale
      const invSqrt = f(1 / f(Math.sqrt(headDim)))
      kernels.attendRows({
        ...{ rows: 1, count, q: A, qScale: query, k: B, v: C, kScale, vScale, groups: 1, groupHeads: 1 },
        ...{ headDim: stride, invSqrt, weights, tmp, out: E, outScale },
      })

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
      expect(normalise(read(kernels, tmp, headDim))).toEqual(normalise(expected))
      const quantised = quantiseRow(expected)
      expect(Object.is(read(kernels, outScale, 1)[0], quantised.scale)).toBe(true)
      expect(new Int8Array(kernels.buffer, E, headDim)).toEqual(quantised.q)
    }))
})

/** Bits, with all NaNs alike: their payload is not defined, and none is ever stored (MOD-4). */
function normalise(row: Float32Array): Uint32Array {
  const bits = new Uint32Array(row.slice().buffer)
  return bits.map((word, i) => (Number.isNaN(row[i]!) ? 0x7fc00000 : word))
}
