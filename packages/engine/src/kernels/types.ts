/**
 * The kernels: exact integer products on one flat memory, addressed by byte offset. Both implementations read and write
 * the same layouts, so that everything above them is written once.
 *
 * - operand A (m x k): int16, row-major, `lda` bytes a row, k padded with zeros to a multiple of {@link K_STEP}.
 * - weights W (k x n) as panels of {@link PANEL} output columns, n padded with zero columns: for each panel, for each pair
 *   of neighbours along k, for each column, the two values. int8 (16 bytes a pair) or int16 (32 bytes a pair).
 * - result C (m x n): int32, row-major, `ldc` bytes a row.
 */

/** Output columns of a panel of packed weights. */
export const PANEL = 8
/** k is padded to a multiple of this: one turn of the kernels' inner loop. */
export const K_STEP = 8

export const padK = (k: number): number => Math.ceil(k / K_STEP) * K_STEP
export const padN = (n: number): number => Math.ceil(n / PANEL) * PANEL

/** A product C = A W, or C += A W. */
export interface GemmCall {
  readonly a: number
  /** Bytes between rows of A. */
  readonly lda: number
  readonly w: number
  readonly c: number
  /** Bytes between rows of C. */
  readonly ldc: number
  readonly m: number
  /** Columns padded to whole panels. */
  readonly n: number
  /** Padded. */
  readonly k: number
  /** Add to C instead of overwriting it. */
  readonly add: boolean
}

/** A noised product in whole lottery tiles, with the fold state of each (WRK-3). */
export interface FoldCall {
  readonly a: number
  readonly lda: number
  readonly w: number
  readonly c: number
  readonly ldc: number
  readonly k: number
  /** Noise rank and fold step: a multiple of {@link K_STEP} that divides k. */
  readonly r: number
  /** Rows of a tile. */
  readonly tileRows: number
  /** Columns of a tile: a multiple of {@link PANEL}. */
  readonly tileColumns: number
  /** Whole tiles below each other and side by side. */
  readonly rowTiles: number
  readonly columnTiles: number
  /** 16 words for each tile, row of tiles by row of tiles. */
  readonly states: number
  /** Scratch of 16 bytes for each of k / r steps. */
  readonly scratch: number
}

/**
 * E_R W' by additions (WRK-5), panel by panel: int8 panels of W' (k x n) into sums of r rows of PANEL int16 for each panel.
 * The sums must be zero before, and r padded.
 */
export interface ScatterCall {
  readonly dst: number
  readonly src: number
  /** k int32 each: {@link scatterOffset} of the row. */
  readonly plus: number
  readonly minus: number
  /** Even, and padded: a multiple of {@link K_STEP}. */
  readonly k: number
  /** Padded. */
  readonly n: number
  /** Padded. */
  readonly r: number
}

/** Byte offset of row t of a panel's int16 sums. */
export const scatterOffset = (t: number): number => 2 * PANEL * t

/** One query head over the first `count` rows of keys and values (MOD-4). */
export interface AttendCall {
  /** int16, padded with zeros. */
  readonly q: number
  readonly qScale: number
  /** int8 rows of one KV head, padded with zeros, `rowBytes` apart. */
  readonly k: number
  readonly v: number
  /** binary32, `scaleBytes` apart. */
  readonly kScale: number
  readonly vScale: number
  readonly rowBytes: number
  readonly scaleBytes: number
  readonly count: number
  readonly headDim: number
  /** f(1 / f(sqrt(headDim))). */
  readonly invSqrt: number
  /** Scratch: binary32, `count` rounded up to a multiple of 4. */
  readonly weights: number
  /** binary32, headDim values; padding gets arbitrary ones. */
  readonly out: number
}

/** The arithmetic between the products. Rows of n binary32 values have room for padK(n). */
export interface GlueKernels {
  /** RMSNorm (MOD-4). The padding of `row` and `gain` is zero, that of `out` becomes zero. */
  norm(row: number, gain: number, n: number, eps: number, out: number): void
  /** Quantises to int16 with zeros in the padding, and returns the scale (MOD-2). The padding of `row` is zero. */
  quantise(row: number, n: number, q: number): number
  /** f(f(f32(acc) * rowScale) * columns) (MOD-3). The padding of `out` gets arbitrary values. */
  scale(acc: number, n: number, rowScale: number, columns: number, out: number): void
  /** f(silu(gate) * up) of n scaled gates and the n ups behind them. The padding of `out` becomes zero. */
  gate(acc: number, n: number, rowScale: number, columns: number, out: number): void
  attend(call: AttendCall): void
}

export type KernelName = 'wasm-simd' | 'scalar'

export interface Kernels extends GlueKernels {
  readonly name: KernelName
  /** The memory all calls work on; it never moves. Bytes 0..63 are reserved. */
  readonly buffer: ArrayBuffer
  /** int8 weights. */
  gemm8(call: GemmCall): void
  /** int16 weights. */
  gemm16(call: GemmCall): void
  fold(call: FoldCall): void
  scatter(call: ScatterCall): void
  /** Turns `panels` panels of r rows of PANEL int16, as {@link Kernels.scatter} leaves them, into int16 weights, in place. */
  pairUp(at: number, n: number, r: number): void
}

/** Makes kernels over a memory of a given size. */
export interface KernelFactory {
  readonly name: KernelName
  /** Why a faster implementation is not used; undefined if the fastest is. */
  readonly fallbackReason: string | undefined
  instantiate(bytes: number): Kernels
}
