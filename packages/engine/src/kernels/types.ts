/**
 * The kernels: exact integer products and the arithmetic around them, on one flat memory, addressed by byte offset. Every
 * implementation gives the same results; how packed weights look is its own affair.
 *
 * - operand A (m x k): int8, row-major, `lda` bytes a row. Rows can be read up to {@link padK}(k), and what lies there is zero.
 *   A buffer of m rows has room for {@link padRows}(m).
 * - weights W (k x n): packed by `pack` from one row per output column; n is padded to {@link padN}(n) with zero columns.
 * - result C (m x n): int32, row-major, `ldc` bytes a row, with room for {@link padN}(n) values.
 */

/** Rows and columns are transposed in blocks of sixteen bytes, so everything is padded to sixteen. */
export const BLOCK = 16
const padded = (n: number, step: number): number => Math.ceil(n / step) * step
export const padK = (k: number): number => padded(k, BLOCK)
export const padN = (n: number): number => padded(n, BLOCK)
export const padRows = (m: number): number => padded(m, BLOCK)
/** Noise rank as the kernels see it. */
export const padRank = (r: number): number => padded(r, BLOCK)
/** Values of k that one turn of the kernels' inner loop takes: fold steps are multiples of it. */
export const K_STEP = 8
/** Values of one head, padded: the glue takes eight at a time. */
export const padHead = (n: number): number => padded(n, 8)

/** Largest |value| of quantised operands and weights (MOD-1, MOD-2), and of noised ones (WRK-2). */
export const PLAIN_MAX = 63
export const NOISED_MAX = 126
/** With noise, indices of k are 16 bits wide. Sums fit int32 for every k that a model may have (126^2 k < 2^31 up to 2^17). */
export const MAX_NOISED_K = 65_536

/** A product C = A W with plain weights. */
export interface GemmCall {
  readonly a: number
  readonly lda: number
  /** Where `pack` put the weights. */
  readonly w: number
  readonly c: number
  readonly ldc: number
  readonly m: number
  readonly n: number
  readonly k: number
}

/** A sparse factor (WRK-2) of k indices below the noise rank. */
export interface SparseIndices {
  readonly plus: Uint16Array
  readonly minus: Uint16Array
}

/** Noise in factored form: `uniform` is rows x r in [-32, 31], one row per operand row or output column. */
export interface FactoredNoise {
  readonly uniform: Int8Array
  readonly sparse: SparseIndices
}

/** Sizes of a noised product. */
export interface NoisedShape {
  readonly m: number
  readonly k: number
  readonly n: number
  /** Noise rank and fold step. */
  readonly r: number
}

/**
 * Whole lottery tiles, h rows by w columns from column `firstColumn` (by default 0), and where their fold states go: 16 words each, row
 * of tiles by row of tiles.
 */
export interface TileGrid {
  readonly h: number
  readonly w: number
  readonly rowTiles: number
  readonly columnTiles: number
  readonly firstColumn?: number
  readonly states: number
}

/** A W out of A' W' (WRK-5), folding all whole tiles on the way (WRK-3). */
export interface NoisedCall {
  readonly shape: NoisedShape
  readonly a: number
  readonly lda: number
  /** E, all m rows. */
  readonly noise: FactoredNoise
  /** Where `noiseWeights` put W' and what removes its noise. */
  readonly w: number
  readonly c: number
  readonly ldc: number
  readonly tiles: TileGrid
  /** False leaves C undefined: only the fold states are wanted. Needed for tiles that do not start at column 0. */
  readonly denoise: boolean
}

/** The products. */
export interface ProductKernels {
  /** Packs n rows of k values in [-63, 63]: row j starts at j * stride + start. */
  pack(at: number, source: Int8Array, n: number, k: number, stride?: number, start?: number): void
  gemm(call: GemmCall): void
  /** W' = W + F for n rows of k values, packed (WRK-2). Without `denoises` it serves calls without it only, and costs less. */
  noiseWeights(
    at: number,
    source: Int8Array,
    noise: FactoredNoise,
    n: number,
    k: number,
    r: number,
    denoises?: boolean,
  ): void
  /** Rows first .. first + count - 1 of W', count x k, out of what `noiseWeights` made. */
  noisedRows(at: number, n: number, k: number, r: number, first: number, count: number): Int8Array
  /** Whether {@link noisedProduct} takes tiles of this width from this column, and this rank; the rules allow more. */
  canFold(w: number, r: number, firstColumn?: number): boolean
  /**
   * The whole noised product. False if a sum with a sparse factor is too large for these kernels (k / r far beyond any model's):
   * then the fold states are right and C is not.
   */
  noisedProduct(call: NoisedCall): boolean
}

/** Rows of queries, keys and values out of the fused product (MOD-4). */
export interface HeadCall {
  readonly rows: number
  readonly acc: number
  readonly ldacc: number
  /** One scale per row. */
  readonly scales: number
  readonly columns: number
  /** For each position 2 x headDim values: cosines, each twice, then sines, each twice with signs - and +. */
  readonly rope: number
  readonly heads: number
  readonly groups: number
  /** Padded ({@link padHead}), as every head's place in a row. */
  readonly headDim: number
  /** Scratch: one row of the fused product as binary32. */
  readonly wide: number
  readonly q: number
  readonly qScale: number
  /** The cache at the first row's position: rows of `groups` heads, one scale for each. */
  readonly k: number
  readonly v: number
  readonly kScale: number
  readonly vScale: number
}

/** Attention of rows at consecutive positions over the cache, each KV group's outputs quantised together (MOD-4). */
export interface AttendCall {
  readonly rows: number
  /** Rows of the cache that the first row sees. */
  readonly count: number
  readonly q: number
  readonly qScale: number
  readonly k: number
  readonly v: number
  readonly kScale: number
  readonly vScale: number
  readonly groups: number
  readonly groupHeads: number
  readonly headDim: number
  /** f(1 / f(sqrt(true headDim))). */
  readonly invSqrt: number
  /** Scratch: binary32, the largest count rounded up to a multiple of 4. */
  readonly weights: number
  /** Scratch: binary32, one group. */
  readonly tmp: number
  /** int8 rows of all groups, one scale for each. */
  readonly out: number
  readonly outScale: number
}

/** The arithmetic between the products, for many rows. Rows are padded like columns ({@link padN}) with zeros, which stay zeros. */
export interface GlueKernels {
  /** RMSNorm, then quantisation (MOD-2, MOD-4). `trueN` values count in the mean. `tmp`: one row. */
  normRows(call: {
    readonly rows: number
    readonly row: number
    readonly gain: number
    readonly n: number
    readonly trueN: number
    readonly eps: number
    readonly tmp: number
    readonly q: number
    readonly lda: number
    readonly scales: number
  }): void
  /** f(f(f32(acc) * rowScale) * columns) of one row (MOD-3). */
  scale(acc: number, n: number, rowScale: number, columns: number, out: number): void
  headRows(call: HeadCall): void
  attendRows(call: AttendCall): void
  /** f(silu(gate) * up) of n gates and the n ups behind them, quantised; the new scales replace the old. `tmp`: one row. */
  gateRows(call: {
    readonly rows: number
    readonly acc: number
    readonly ldacc: number
    readonly n: number
    readonly scales: number
    readonly columns: number
    readonly tmp: number
    readonly q: number
    readonly lda: number
  }): void
  /** out = base + scaled accumulators, stored finite. */
  residualRows(call: ResidualCall & { readonly ldacc: number }): void
  /** The same where each of `groups` accumulators of a value has a scale of its own, added in group order. */
  groupRows(call: ResidualCall & { readonly groups: number }): void
}

export interface ResidualCall {
  readonly rows: number
  readonly acc: number
  readonly n: number
  readonly scales: number
  readonly columns: number
  readonly base: number
  readonly out: number
}

/**
 * `scalar` is plain TypeScript. `wasm-simd` needs SIMD128. `wasm-relaxed` needs relaxed SIMD whose dot product is exact for
 * eight-bit values. `wasm-relaxed-wide` is the same for V8's `--experimental-wasm-revectorize`, and slower without it.
 */
export const KERNEL_NAMES = ['scalar', 'wasm-simd', 'wasm-relaxed', 'wasm-relaxed-wide'] as const
export type KernelName = (typeof KERNEL_NAMES)[number]

export interface Kernels extends ProductKernels, GlueKernels {
  readonly name: KernelName
  /** The memory all calls work on; it never moves. Bytes 0..63 are reserved. */
  readonly buffer: ArrayBufferLike
}

/** The largest sizes that kernels will be called with: they bound the scratch. */
export interface KernelLimits {
  readonly rows: number
  readonly k: number
  /** Of products with noise; 0 where there are none. */
  readonly noisedK: number
  readonly noisedN: number
  readonly rank: number
}

/** A memory for kernels. */
export interface KernelMemory {
  readonly buffer: ArrayBufferLike
}

/** Makes kernels. */
export interface KernelFactory {
  readonly name: KernelName
  /** Why a faster implementation is not used; undefined if the fastest is. */
  readonly fallbackReason: string | undefined
  /** Bytes of packed weights. */
  packedBytes(n: number, k: number): number
  /** Bytes of W' with all that its product and its denoising need. */
  noisedBytes(n: number, k: number, r: number): number
  /** Bytes of scratch that kernels with these limits need. */
  scratchBytes(limits: KernelLimits): number
  /** A memory of at least `bytes`, zeroed; `shared` between threads. Throws RangeError if there is none of this size. */
  memory(bytes: number, shared?: boolean): KernelMemory
  /** Kernels on a memory made by {@link memory}, here or, if it is shared, in another thread. */
  attach(memory: KernelMemory, scratch: number, limits: KernelLimits): Kernels
}
