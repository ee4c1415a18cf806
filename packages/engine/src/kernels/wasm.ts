/** The WebAssembly kernels: compiled binaries behind the calls of `types.ts`. */
import { type KernelBinary, RELAXED_KERNELS, RELAXED_WIDE_KERNELS, SIMD_KERNELS } from './binary.ts'
import { PairProducts } from './pair-products.ts'
import { noisedBytes, packedBytes } from './product-layout.ts'
import { QuadProducts } from './quad-products.ts'
import type { KernelFactory, KernelMemory, KernelName, Kernels } from './types.ts'
import type { KernelExports } from './wasm-exports.ts'
import { wasmGlue } from './wasm-glue.ts'

const PAGE_BYTES = 65_536
/** A 32-bit memory. */
const MAX_PAGES = 65_536
const SHARED_FLAG = 3

interface WasmModule {
  readonly wasmModule: never
}
interface WasmMemory extends KernelMemory {
  readonly wasmMemory: never
}
/** The part of the JavaScript interface that is used; the compiler's library has it only with the DOM. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<WasmModule>
  Memory: new (limits: { initial: number; maximum: number; shared: boolean }) => WasmMemory
  Instance: new (module: WasmModule, imports: object) => { readonly exports: unknown }
}

interface Variant {
  readonly binary: KernelBinary
  readonly family: 'pairs' | 'quads'
  readonly vectors: 2 | 4
}

const VARIANTS: Readonly<Record<Exclude<KernelName, 'scalar'>, Variant>> = {
  'wasm-simd': { binary: SIMD_KERNELS, family: 'pairs', vectors: 2 },
  'wasm-relaxed': { binary: RELAXED_KERNELS, family: 'quads', vectors: 2 },
  'wasm-relaxed-wide': { binary: RELAXED_WIDE_KERNELS, family: 'quads', vectors: 4 },
}

export type WasmKernelName = keyof typeof VARIANTS

/**
 * Compiles one variant. Rejects where the engine lacks the instructions.
 * @param noisedOffset what noised weights get added so that the relaxed dot product takes them: 128 where its second operand is
 * unsigned (x86), 0 where it is signed (ARM). Which of the two is right here only a test can tell.
 */
export async function compileWasmKernels(name: WasmKernelName, noisedOffset: 0 | 128): Promise<KernelFactory> {
  const { binary, family, vectors } = VARIANTS[name]
  const bytes = Uint8Array.from(atob(binary.base64), (char) => char.charCodeAt(0))
  const module = await WebAssembly.compile(bytes)
  const forShared = bytes.slice()
  forShared[binary.memoryFlagAt] = SHARED_FLAG
  // Where threads cannot share memory the module does not compile, and nobody can ask for it.
  const sharedModule = await WebAssembly.compile(forShared).catch(() => undefined)
  const products = family === 'quads' ? QuadProducts : PairProducts
  const layout = { vectors, noisedOffset }
  return {
    name,
    fallbackReason: undefined,
    packedBytes,
    noisedBytes,
    scratchBytes: (limits) => products.scratch(limits, layout).bytes,
    memory: (size, shared = false) => {
      const pages = Math.ceil(size / PAGE_BYTES)
      if (pages > MAX_PAGES) throw new RangeError(`${size} bytes do not fit the 4 GiB of a WebAssembly memory`)
      // A fixed size: views on the memory stay valid for good.
      return new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
    },
    attach: (memory, scratch, limits) => {
      const isShared = !(memory.buffer instanceof ArrayBuffer)
      const chosen = isShared ? sharedModule : module
      if (chosen === undefined) throw new RangeError('no shared memory here')
      const exports = new WebAssembly.Instance(chosen, { env: { memory } }).exports as KernelExports
      return kernelsOf(name, new products(exports, memory.buffer, scratch, limits, layout), exports, memory)
    },
  }
}

function kernelsOf(
  name: KernelName,
  products: QuadProducts | PairProducts,
  exports: KernelExports,
  memory: KernelMemory,
): Kernels {
  return {
    name,
    buffer: memory.buffer,
    ...wasmGlue(exports),
    pack: (...args) => products.pack(...args),
    gemm: (call) => products.gemm(call),
    noiseWeights: (...args) => products.noiseWeights(...args),
    noisedRows: (...args) => products.noisedRows(...args),
    canFold: (...args) => products.canFold(...args),
    noisedProduct: (call) => products.noisedProduct(call),
  }
}
