import { type FoldedProduct, foldProduct } from '@nacre/protocol'
import { packPanels, panelBytes } from './pack.ts'
import { scalarKernels } from './scalar.ts'
import { type KernelFactory, type KernelName, PANEL } from './types.ts'
import { compileWasmKernels } from './wasm.ts'

/**
 * The fastest kernels that work here (MOD-6): WebAssembly SIMD if it compiles and agrees with the reference on a small
 * product, plain TypeScript otherwise, with the reason. `only` asks for one implementation and rejects if it does not work.
 */
export async function createKernels(only?: KernelName): Promise<KernelFactory> {
  if (only !== 'scalar') {
    try {
      const factory = await compileWasmKernels()
      selfTest(factory)
      return factory
    } catch (error) {
      if (only !== undefined) throw error
      const factory = scalarKernels(error instanceof Error ? error.message : String(error))
      selfTest(factory)
      return factory
    }
  }
  const factory = scalarKernels(undefined)
  selfTest(factory)
  return factory
}

/** Throws unless the kernels fold and multiply as the reference does. Also warms them. */
export function selfTest(factory: KernelFactory): void {
  const shape = { m: 10, n: 16, k: 32, h: 5, w: 8, r: 8 } as const
  const { m, n, k } = shape
  const value = (i: number): number => ((Math.imul(i + 1, 0x9e3779b1) >>> 8) % 253) - 126
  const a = Int8Array.from({ length: m * k }, (_, i) => value(i))
  const w = Int8Array.from({ length: n * k }, (_, i) => value(i + 7919))
  const expected = foldProduct(a, w, shape)
  for (const [what, actual] of [
    ['fold', runFold(factory, a, w, shape)],
    ['gemm8', runGemm8(factory, a, w, shape)],
  ] as const) {
    if (!sameProduct(actual, expected, what === 'fold')) throw new Error(`${factory.name}: ${what} fails its self-test`)
  }
}

interface TestShape {
  readonly m: number
  readonly n: number
  readonly k: number
  readonly h: number
  readonly w: number
  readonly r: number
}

const FIRST = 64

/** One folded product on fresh memory; dimensions must suit the kernels without padding. For tests. */
export function runFold(factory: KernelFactory, a: Int8Array, w: Int8Array, shape: TestShape): FoldedProduct {
  const { m, n, k, h, w: width, r } = shape
  const [at, memory] = place(factory, a, w, shape)
  const tiles = Math.floor(m / h) * Math.floor(n / width)
  memory.fold({
    ...{ a: at.a, lda: 2 * k, w: at.w, c: at.c, ldc: 4 * n, k, r, tileRows: h, tileColumns: width },
    ...{ rowTiles: Math.floor(m / h), columnTiles: Math.floor(n / width), states: at.states, scratch: at.scratch },
  })
  const states = new Uint32Array(memory.buffer, at.states, 16 * tiles)
  return {
    product: new Int32Array(memory.buffer, at.c, m * n),
    states: Array.from({ length: tiles }, (_, t) => states.subarray(16 * t, 16 * t + 16)),
  }
}

function runGemm8(factory: KernelFactory, a: Int8Array, w: Int8Array, shape: TestShape): FoldedProduct {
  const { m, n, k } = shape
  const [at, memory] = place(factory, a, w, shape)
  memory.gemm8({ a: at.a, lda: 2 * k, w: at.w, c: at.c, ldc: 4 * n, m, n, k, add: false })
  return { product: new Int32Array(memory.buffer, at.c, m * n), states: [] }
}

interface Placed {
  readonly a: number
  readonly w: number
  readonly c: number
  readonly states: number
  readonly scratch: number
}

function place(
  factory: KernelFactory,
  a: Int8Array,
  w: Int8Array,
  shape: TestShape,
): [Placed, ReturnType<KernelFactory['instantiate']>] {
  const { m, n, k, r } = shape
  if (n % PANEL !== 0) throw new RangeError('whole panels only')
  const at = { a: FIRST, w: 0, c: 0, states: 0, scratch: 0 }
  const align = (bytes: number): number => Math.ceil(bytes / 64) * 64
  at.w = at.a + align(2 * m * k)
  at.c = at.w + align(panelBytes(n, k))
  at.states = at.c + align(4 * m * n)
  at.scratch = at.states + align(64 * m * n)
  const kernels = factory.instantiate(at.scratch + align((16 * k) / r))
  new Int16Array(kernels.buffer, at.a, m * k).set(a)
  packPanels(new Int8Array(kernels.buffer, at.w), w, n, k)
  return [at, kernels]
}

function sameProduct(actual: FoldedProduct, expected: FoldedProduct, states: boolean): boolean {
  if (!actual.product.every((value, i) => value === expected.product[i])) return false
  if (!states) return true
  return (
    actual.states.length === expected.states.length &&
    actual.states.every((state, t) => state.every((word, i) => word === expected.states[t]![i]))
  )
}
