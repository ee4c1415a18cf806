import { type FoldShape, foldTile, timesSparse } from '@nacre/protocol'
import { noisedBytes, noisedLayout, packedBytes } from './product-layout.ts'
import { scalarGlue } from './scalar-glue.ts'
import { type KernelFactory, type Kernels, type NoisedCall, padK, padN } from './types.ts'

/** The kernels in plain TypeScript: for machines without WebAssembly SIMD, and a second opinion in tests. */
export function scalarKernels(fallbackReason: string | undefined): KernelFactory {
  return {
    name: 'scalar',
    fallbackReason,
    packedBytes,
    noisedBytes,
    scratchBytes: () => 0,
    memory: (bytes, shared = false) => {
      const size = Math.ceil(bytes / 8) * 8
      return { buffer: shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size) }
    },
    attach: ({ buffer }) => attachScalar(buffer),
  }
}

/** Packed weights are just rows of padK(k) values. */
function attachScalar(buffer: ArrayBufferLike): Kernels {
  const i8 = new Int8Array(buffer)
  const i32 = new Int32Array(buffer)
  const u16 = new Uint16Array(buffer)

  /** One value of a product: a and w are offsets of rows of k values. */
  const dot = (a: number, w: number, k: number): number => {
    let sum = 0
    for (let c = 0; c < k; c++) sum += i8[a + c]! * i8[w + c]!
    return sum
  }

  const multiply = (
    call: { readonly a: number; readonly lda: number; readonly c: number; readonly ldc: number },
    w: number,
    m: number,
    n: number,
    k: number,
  ): void => {
    for (let i = 0; i < m; i++) {
      const row = (call.c + i * call.ldc) >> 2
      for (let j = 0; j < padN(n); j++) i32[row + j] = j < n ? dot(call.a + i * call.lda, w + j * padK(k), k) : 0
    }
  }

  const rowsOf = (at: number, rows: number, k: number, stride: number): Int8Array => {
    const out = new Int8Array(rows * k)
    for (let i = 0; i < rows; i++) out.set(i8.subarray(at + i * stride, at + i * stride + k), i * k)
    return out
  }

  /** Adds factored noise to rows: A' = A + E, W' = W + F (WRK-2). */
  const addNoise = (rows: Int8Array, noise: NoisedCall['noise'], count: number, k: number, r: number): Int8Array => {
    const { uniform, sparse } = noise
    return Int8Array.from({ length: count * k }, (_, at) => {
      const c = at % k
      const u = ((at - c) / k) * r
      return rows[at]! + uniform[u + sparse.plus[c]!]! - uniform[u + sparse.minus[c]!]!
    })
  }

  const foldStates = (call: NoisedCall, noisedOperand: Int8Array, noisedWeights: Int8Array): void => {
    const { k, r } = call.shape
    const { h, w, rowTiles, columnTiles, firstColumn = 0, states } = call.tiles
    const shape: FoldShape = { h, w, k, r }
    for (let tr = 0; tr < rowTiles; tr++) {
      const rows = noisedOperand.subarray(tr * h * k, (tr + 1) * h * k)
      for (let tc = 0; tc < columnTiles; tc++) {
        const first = firstColumn + tc * w
        const columns = noisedWeights.subarray(first * k, (first + w) * k)
        i32.set(foldTile(rows, columns, shape), (states >> 2) + 16 * (tr * columnTiles + tc))
      }
    }
  }

  return {
    name: 'scalar',
    buffer,
    ...scalarGlue(buffer),
    pack: (at, source, n, k, stride = k, start = 0) => {
      for (let j = 0; j < n; j++) {
        i8.set(source.subarray(j * stride + start, j * stride + start + k), at + j * padK(k))
      }
    },
    gemm: (call) => multiply(call, call.w, call.m, call.n, call.k),
    noiseWeights: (at, source, noise, n, k, r) => {
      const layout = noisedLayout(n, k, r)
      const rows = addNoise(source, noise, n, k, r)
      for (let j = 0; j < n; j++) i8.set(rows.subarray(j * k, (j + 1) * k), at + layout.packed + j * padK(k))
      i8.set(noise.uniform, at + layout.uniform)
      u16.set(noise.sparse.plus, (at + layout.lists) >> 1)
      u16.set(noise.sparse.minus, ((at + layout.lists) >> 1) + k)
    },
    noisedRows: (at, n, k, r, first, count) =>
      rowsOf(at + noisedLayout(n, k, r).packed + first * padK(k), count, k, padK(k)),
    canFold: () => true,
    noisedProduct: (call) => {
      const { shape, a, lda, noise, w, c, ldc } = call
      const { m, k, n, r } = shape
      const layout = noisedLayout(n, k, r)
      const operand = rowsOf(a, m, k, lda)
      const weights = rowsOf(w + layout.packed, n, k, padK(k))
      foldStates(call, addNoise(operand, noise, m, k, r), weights)
      if (!call.denoise) return true
      // A W = A W' - A F, and A F = (A F_L) F_R: the fold does not hand its sums on, so the first product is done again.
      multiply(call, w + layout.packed, m, n, k)
      const lists = (w + layout.lists) >> 1
      const sparse = { plus: u16.subarray(lists, lists + k), minus: u16.subarray(lists + k, lists + 2 * k) }
      const sums = timesSparse(operand, m, k, sparse, r)
      const uniform = w + layout.uniform
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let noised = 0
          for (let t = 0; t < r; t++) noised += sums[i * r + t]! * i8[uniform + j * r + t]!
          i32[((c + i * ldc) >> 2) + j]! -= noised
        }
      }
      return true
    },
  }
}
