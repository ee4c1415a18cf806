import { KERNEL_BASE64 } from './binary.ts'
import { K_STEP, type KernelFactory, type Kernels, PANEL, padK } from './types.ts'

const PAGE_BYTES = 65_536

/** The part of the JavaScript interface that is used; the compiler's library has it only with the DOM. */
interface WasmModule {
  readonly wasmModule: never
}
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<WasmModule>
  Memory: new (limits: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
  Instance: new (module: WasmModule, imports: object) => { readonly exports: unknown }
}

/** What the binary exports; arguments as in `scripts/wat.ts`. */
interface KernelExports {
  gemm8(...args: number[]): void
  gemm16(...args: number[]): void
  fold(...args: number[]): void
  scatter(...args: number[]): void
  pairUp(...args: number[]): void
  norm(...args: number[]): void
  quantise(...args: number[]): number
  scale(...args: number[]): void
  gate(...args: number[]): void
  attend(...args: number[]): void
}

/** Compiles the SIMD kernels. Rejects where WebAssembly SIMD is missing. */
export async function compileWasmKernels(): Promise<KernelFactory> {
  const binary = Uint8Array.from(atob(KERNEL_BASE64), (char) => char.charCodeAt(0))
  const module = await WebAssembly.compile(binary)
  return {
    name: 'wasm-simd',
    fallbackReason: undefined,
    instantiate: (bytes) => instantiateWasm(module, bytes),
  }
}

function instantiateWasm(module: WasmModule, bytes: number): Kernels {
  const pages = Math.ceil(bytes / PAGE_BYTES)
  // A fixed size: views on the memory stay valid for good.
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as KernelExports
  const f32 = new Float32Array(memory.buffer)
  /** Where a plain product leaves the fold nobody asked for. */
  const unusedFold = 0
  return {
    name: 'wasm-simd',
    buffer: memory.buffer,
    gemm8: ({ a, lda, w, c, ldc, m, n, k, add }) =>
      kernels.gemm8(a, lda, w, k * PANEL, c, ldc, m, n / PANEL, add ? 1 : 0, k / K_STEP, unusedFold),
    gemm16: ({ a, lda, w, c, ldc, m, n, k, add }) =>
      kernels.gemm16(a, lda, w, 2 * k * PANEL, c, ldc, m, n / PANEL, add ? 1 : 0, k / K_STEP, unusedFold),
    fold: ({ a, lda, w, c, ldc, k, r, tileRows, tileColumns, rowTiles, columnTiles, states, scratch }) =>
      kernels.fold(
        ...[a, lda, w, k * PANEL, c, ldc, tileRows, rowTiles, tileColumns / PANEL, columnTiles],
        ...[r / K_STEP, k / r, scratch, states],
      ),
    scatter: ({ dst, src, plus, minus, k, n, r }) =>
      kernels.scatter(dst, src, plus, minus, k, n / PANEL, 2 * PANEL * r, PANEL * k),
    norm: (row, gain, n, eps, out) => kernels.norm(row, gain, padK(n), n, eps, out),
    quantise: (row, n, q) => kernels.quantise(row, padK(n), q),
    scale: (acc, n, rowScale, columns, out) => kernels.scale(acc, n, rowScale, columns, out),
    gate: (acc, n, rowScale, columns, out) => {
      kernels.gate(acc, n, rowScale, columns, out)
      for (let j = n; j % K_STEP !== 0; j++) f32[(out >> 2) + j] = 0
    },
    attend: ({ q, qScale, k, v, kScale, vScale, rowBytes, scaleBytes, count, headDim, invSqrt, weights, out }) => {
      const blocks = padK(headDim) / K_STEP
      kernels.attend(q, qScale, k, v, kScale, vScale, rowBytes, scaleBytes, count, blocks, invSqrt, weights, out)
    },
    pairUp: (at, n, r) => kernels.pairUp(at, ((n / PANEL) * r) / 2),
  }
}
