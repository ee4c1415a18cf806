import { foldProduct } from '@nacre/protocol'
import { Arena } from './arena.ts'
import { operandStride } from './product-layout.ts'
import {
  type FactoredNoise,
  type KernelFactory,
  type Kernels,
  type NoisedShape,
  PLAIN_MAX,
  padN,
  padRows,
} from './types.ts'

/** A noised product with everything that goes in, as plain arrays: for the self-test, tests and benchmarks. */
export interface ProductCase {
  readonly shape: NoisedShape & { readonly h: number; readonly w: number }
  /** m x k in [-63, 63]. */
  readonly operand: Int8Array
  /** n x k in [-63, 63]. */
  readonly weights: Int8Array
  readonly operandNoise: FactoredNoise
  readonly weightNoise: FactoredNoise
}

export interface ProductResult {
  /** m x n. */
  readonly product: Int32Array
  /** 16 words for each whole tile. */
  readonly states: Uint32Array
}

/** A case on a kernel memory of its own; `run` may be called again and again. */
export interface PlacedProduct {
  readonly kernels: Kernels
  /** A W by plain weights. */
  runPlain(): void
  /** A W through the noise; false as {@link Kernels.noisedProduct}. */
  runNoised(denoise?: boolean): boolean
  /** Packs W' again. */
  noiseWeights(): void
  result(): ProductResult
}

/** Puts a case into a fresh memory. */
export function placeProduct(factory: KernelFactory, given: ProductCase): PlacedProduct {
  const { shape, operand, weights, operandNoise, weightNoise } = given
  const { m, k, n, r, h, w } = shape
  const lda = operandStride(k)
  const ldc = 4 * padN(n)
  const [rowTiles, columnTiles] = [Math.floor(m / h), Math.floor(n / w)]
  const arena = new Arena()
  const limits = { rows: m, k, noisedK: k, noisedN: n, rank: r }
  const a = arena.reserve(padRows(m) * lda)
  const c = arena.reserve(padRows(m) * ldc)
  const states = arena.reserve(64 * rowTiles * columnTiles)
  const plain = arena.reserve(factory.packedBytes(n, k))
  const noised = arena.reserve(factory.noisedBytes(n, k, r))
  const scratch = arena.reserve(factory.scratchBytes(limits))
  const memory = factory.memory(arena.bytes)
  const kernels = factory.attach(memory, scratch, limits)
  const int8 = new Int8Array(kernels.buffer)
  for (let i = 0; i < m; i++) int8.set(operand.subarray(i * k, (i + 1) * k), a + i * lda)
  kernels.pack(plain, weights, n, k)
  const noiseWeights = (): void => kernels.noiseWeights(noised, weights, weightNoise, n, k, r)
  noiseWeights()
  const tiles = { h, w, rowTiles, columnTiles, states }
  return {
    kernels,
    noiseWeights,
    runPlain: () => kernels.gemm({ a, lda, w: plain, c, ldc, m, n, k }),
    runNoised: (denoise = true) =>
      kernels.noisedProduct({ shape: { m, k, n, r }, a, lda, noise: operandNoise, w: noised, c, ldc, tiles, denoise }),
    result: () => {
      const product = new Int32Array(m * n)
      const all = new Int32Array(kernels.buffer)
      for (let i = 0; i < m; i++) product.set(all.subarray((c + i * ldc) >> 2, ((c + i * ldc) >> 2) + n), i * n)
      const words = new Uint32Array(kernels.buffer, states, 16 * rowTiles * columnTiles)
      return { product, states: Uint32Array.from(words) }
    },
  }
}

/** What a case must give, by the reference. */
export function expectedProduct(given: ProductCase): ProductResult {
  const { shape, operand, weights, operandNoise, weightNoise } = given
  const { m, k, n, r } = shape
  const product = new Int32Array(m * n)
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let c = 0; c < k; c++) sum += operand[i * k + c]! * weights[j * k + c]!
      product[i * n + j] = sum
    }
  }
  const noised = (rows: Int8Array, { uniform, sparse }: FactoredNoise): Int8Array =>
    rows.map((value, at) => {
      const c = at % k
      const u = ((at - c) / k) * r
      return value + uniform[u + sparse.plus[c]!]! - uniform[u + sparse.minus[c]!]!
    })
  const { states } = foldProduct(noised(operand, operandNoise), noised(weights, weightNoise), shape)
  return { product, states: Uint32Array.from(states.flatMap((state) => [...state])) }
}

/** A deterministic case whose values reach both ends of their ranges in neighbouring places. */
export function extremeCase(shape: ProductCase['shape'], seed: number): ProductCase {
  const { m, k, n, r } = shape
  let state = seed >>> 0
  const next = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  // Runs of the largest values: whatever saturates or wraps does so here.
  const values = (length: number, max: number): Int8Array => {
    const out = new Int8Array(length)
    for (let i = 0; i < length; ) {
      const run = 1 + next(12)
      const fixed = next(3) === 0 ? undefined : next(2) === 0 ? max : -max
      for (const end = Math.min(length, i + run); i < end; i++) out[i] = fixed ?? next(2 * max + 1) - max
    }
    return out
  }
  const noise = (rows: number): FactoredNoise => {
    const plus = new Uint16Array(k)
    for (let start = 0; start < k; start += r) {
      for (let j = 0; j < r; j++) {
        const other = next(j + 1)
        plus[start + j] = plus[start + other]!
        plus[start + other] = j
      }
    }
    return {
      uniform: Int8Array.from({ length: rows * r }, () => (next(2) === 0 ? next(64) - 32 : next(2) === 0 ? 31 : -32)),
      sparse: { plus, minus: plus.map((p) => p ^ (1 + next(r - 1))) },
    }
  }
  return {
    shape,
    operand: values(m * k, PLAIN_MAX),
    weights: values(n * k, PLAIN_MAX),
    operandNoise: noise(m),
    weightNoise: noise(n),
  }
}

/** Whole and ragged tiles, every height of a register tile, one and several blocks of k. */
const SHAPES: readonly ProductCase['shape'][] = [
  { m: 17, n: 40, k: 64, h: 5, w: 16, r: 16 },
  { m: 6, n: 24, k: 96, h: 2, w: 8, r: 8 },
  { m: 4, n: 16, k: 1088, h: 4, w: 16, r: 64 },
]

/** Throws unless the kernels fold, multiply and denoise as the reference does, at the ends of the ranges of values too. */
export function selfTest(factory: KernelFactory): void {
  selfTestOf(factory)()
}

/** {@link selfTest} with everything that it needs made once, to be run again and again. */
export function selfTestOf(factory: KernelFactory): () => void {
  const cases = SHAPES.map((shape, i) => {
    const given = extremeCase(shape, i + 1)
    return { shape, expected: expectedProduct(given), placed: placeProduct(factory, given) }
  })
  return () => {
    for (const { shape, expected, placed } of cases) {
      const fail = (what: string): never => {
        throw new Error(`${factory.name}: ${what} fails its self-test at ${shape.m} x ${shape.k} x ${shape.n}`)
      }
      placed.runPlain()
      if (!same(placed.result().product, expected.product)) fail('the product')
      if (!placed.runNoised()) fail('the noised product')
      const { product, states } = placed.result()
      if (!same(states, expected.states)) fail('the fold')
      if (!same(product, expected.product)) fail('the denoised product')
    }
  }
}

function same(a: Int32Array | Uint32Array, b: Int32Array | Uint32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}
