import { FOLD_WORDS } from '@nacre/protocol'
import { scalarGlue } from './scalar-glue.ts'
import { type FoldCall, type GemmCall, type KernelFactory, type Kernels, PANEL } from './types.ts'

/** The kernels in plain TypeScript: for machines without WebAssembly SIMD, and a second opinion in tests. */
export function scalarKernels(fallbackReason: string | undefined): KernelFactory {
  return { name: 'scalar', fallbackReason, instantiate: (bytes) => instantiateScalar(bytes) }
}

function instantiateScalar(bytes: number): Kernels {
  const buffer = new ArrayBuffer(Math.ceil(bytes / 8) * 8)
  const i8 = new Int8Array(buffer)
  const i16 = new Int16Array(buffer)
  const i32 = new Int32Array(buffer)
  const pair = new Int32Array(PANEL)

  /** Adds columns kFrom .. kTo - 1 of row `row` times one panel to PANEL accumulators. */
  const addRow = (weights: Int8Array | Int16Array, w: number, a: number, c: number, k: number): void => {
    for (let j = 0; j < PANEL; j++) pair[j] = i32[c + j]!
    for (let t = 0; t < k; t += 2) {
      const a0 = i16[a + t]!
      const a1 = i16[a + t + 1]!
      const at = w + t * PANEL
      for (let j = 0; j < PANEL; j++) pair[j]! += a0 * weights[at + 2 * j]! + a1 * weights[at + 2 * j + 1]!
    }
    for (let j = 0; j < PANEL; j++) i32[c + j] = pair[j]!
  }

  const gemm = (weights: Int8Array | Int16Array, wStart: number, call: GemmCall): void => {
    const { a, lda, c, ldc, m, n, k, add } = call
    for (let i = 0; i < m; i++) {
      const row = (c + i * ldc) >> 2
      if (!add) i32.fill(0, row, row + n)
      for (let j = 0; j < n; j += PANEL) addRow(weights, wStart + j * k, (a + i * lda) >> 1, row + j, k)
    }
  }

  const foldTile = (call: FoldCall, tr: number, tc: number): void => {
    const { a, lda, w, c, ldc, k, r, tileRows, tileColumns, columnTiles, states } = call
    const state = (states >> 2) + FOLD_WORDS * (tr * columnTiles + tc)
    const firstRow = tr * tileRows
    const firstColumn = tc * tileColumns
    const row = (i: number): number => ((c + (firstRow + i) * ldc) >> 2) + firstColumn
    i32.fill(0, state, state + FOLD_WORDS)
    for (let i = 0; i < tileRows; i++) i32.fill(0, row(i), row(i) + tileColumns)
    for (let step = 0; step * r < k; step++) {
      let x = 0
      for (let i = 0; i < tileRows; i++) {
        const operand = ((a + (firstRow + i) * lda) >> 1) + step * r
        for (let j = 0; j < tileColumns; j += PANEL) {
          const panel = w + (firstColumn + j) * k + step * r * PANEL
          addRow(i8, panel, operand, row(i) + j, r)
        }
        for (let j = 0; j < tileColumns; j++) x ^= i32[row(i) + j]!
      }
      const at = state + (step % FOLD_WORDS)
      i32[at] = ((i32[at]! << 13) | (i32[at]! >>> 19)) ^ x
    }
  }

  return {
    name: 'scalar',
    buffer,
    ...scalarGlue(buffer),
    gemm8: (call) => gemm(i8, call.w, call),
    gemm16: (call) => gemm(i16, call.w >> 1, call),
    fold: (call) => {
      for (let tr = 0; tr < call.rowTiles; tr++) for (let tc = 0; tc < call.columnTiles; tc++) foldTile(call, tr, tc)
    },
    scatter: ({ dst, src, plus, minus, k, n, r }) => {
      for (let panel = 0; panel < n / PANEL; panel++) {
        const sums = (dst >> 1) + panel * r * PANEL
        const from = src + panel * k * PANEL
        for (let c = 0; c < k; c++) {
          const p = sums + (i32[(plus >> 2) + c]! >> 1)
          const q = sums + (i32[(minus >> 2) + c]! >> 1)
          const pair = from + (c >> 1) * 2 * PANEL + (c & 1)
          for (let j = 0; j < PANEL; j++) {
            i16[p + j]! += i8[pair + 2 * j]!
            i16[q + j]! -= i8[pair + 2 * j]!
          }
        }
      }
    },
    pairUp: (at, n, r) => {
      for (let t = 0; t < ((n / PANEL) * r) / 2; t++) {
        const from = (at >> 1) + 2 * PANEL * t
        const rows = i16.slice(from, from + 2 * PANEL)
        for (let j = 0; j < PANEL; j++) {
          i16[from + 2 * j] = rows[j]!
          i16[from + 2 * j + 1] = rows[PANEL + j]!
        }
      }
    },
  }
}
