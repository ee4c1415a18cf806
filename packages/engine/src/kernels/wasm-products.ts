/** What both families of WebAssembly products share: transposed noise, folding block by block, packed weights. */
import { Arena } from './arena.ts'
import {
  BLOCK,
  type FactoredNoise,
  K_STEP,
  type KernelLimits,
  type NoisedCall,
  padK,
  padN,
  padRank,
  padRows,
  type SparseIndices,
} from './types.ts'
import type { KernelExports } from './wasm-exports.ts'

/** k values and rows of the blocks that a product is cut into, so that what is read again and again stays in the caches. */
export const BLOCK_K = 1024
export const BLOCK_ROWS = 240
/** k values of a block that is folded after each r. */
export const foldBlock = (r: number): number => r * Math.max(1, Math.floor(BLOCK_K / r))
/** Rows whose length is a multiple of this would all fall on the same few cache sets. */
const ALIASING_BYTES = 512
const CACHE_LINE = 64
/** Vectors of sixteen bytes that are read in any order while they stay in the first-level cache. */
const GATHER_K = 1024
const gatherBlocks = (k: number): number => Math.ceil(k / GATHER_K)

/** Bytes between operand rows of k values. */
export const operandStride = (k: number): number => padK(k) + (padK(k) % ALIASING_BYTES === 0 ? CACHE_LINE : 0)

/** Columns of a register tile in vectors of four, and what is added to noised weights. */
export interface PanelLayout {
  readonly vectors: 2 | 4
  readonly noisedOffset: 0 | 128
}

/** Offsets of the scratch that both families need; `bytes` is where it ends, relative to its start. */
export interface CommonScratch {
  readonly operand: number
  readonly columnsIn: number
  readonly columnsOut: number
  readonly rows: number
  readonly uniform: number
  readonly sums: number
  readonly denoiseRows: number
  readonly plus: number
  readonly minus: number
  readonly lists: number
  readonly ends: number
  readonly x: number
  readonly corr: number
}

export function commonScratch(arena: Arena, limits: KernelLimits, vectors: number): CommonScratch {
  const { rows, k, noisedK, rank } = limits
  const m = padRows(rows)
  const r = padRank(rank)
  const steps = rank === 0 ? 0 : Math.ceil(noisedK / rank)
  const blocks = Math.ceil(Math.max(padK(k), noisedK) / BLOCK_K) + 1
  return {
    operand: arena.reserve(noisedK === 0 ? 0 : m * operandStride(noisedK)),
    columnsIn: arena.reserve(BLOCK * padK(Math.max(k, noisedK))),
    columnsOut: arena.reserve(BLOCK * padK(Math.max(k, noisedK))),
    rows: arena.reserve(BLOCK * Math.max(padK(Math.max(k, noisedK)), r)),
    uniform: arena.reserve(BLOCK * r),
    sums: arena.reserve(2 * 2 * BLOCK * r),
    denoiseRows: arena.reserve(m * 4 * r),
    plus: arena.reserve(2 * padK(noisedK)),
    minus: arena.reserve(2 * padK(noisedK)),
    lists: arena.reserve(4 * noisedK),
    ends: arena.reserve(8 * r * gatherBlocks(noisedK)),
    x: arena.reserve(16 * vectors * Math.max(1, steps)),
    corr: arena.reserve(4 * m * Math.max(steps, blocks)),
  }
}

/** Where the parts of noised weights lie, relative to their start. */
export interface NoisedLayout {
  /** Packed W'. */
  readonly packed: number
  /** W' as padN(n) / 16 panels of k vectors of sixteen columns. */
  readonly columns: number
  /** Packed F_R. */
  readonly uniform: number
  /** The lists of F_L (see `sparseLists`), and how many indices meet in one of its sums at most. */
  readonly lists: number
  readonly ends: number
  readonly maxCount: number
  readonly bytes: number
}

export function noisedLayout(n: number, k: number, r: number): NoisedLayout {
  const arena = new Arena(0)
  return {
    packed: arena.reserve(padN(n) * padK(k)),
    columns: arena.reserve(padN(n) * padK(k)),
    uniform: arena.reserve(padN(n) * padRank(r)),
    lists: arena.reserve(4 * k),
    ends: arena.reserve(8 * padRank(r) * gatherBlocks(k)),
    maxCount: arena.reserve(4),
    bytes: arena.bytes,
  }
}

/** One byte for each padded weight. */
export const packedBytes = (n: number, k: number): number => padN(n) * padK(k)
export const noisedBytes = (n: number, k: number, r: number): number => noisedLayout(n, k, r).bytes

/** A sparse factor by its sums, in blocks of GATHER_K: for each t the indices c with +1 at t, then those with -1 at t. */
export interface SparseLists {
  /** Indices within a block; the lists of a block that starts at c start at 2 c. */
  readonly list: Uint16Array
  /** Where each of the 2 x padRank(r) lists of a block ends, counted from the block's start. */
  readonly ends: Uint32Array
  /** Most indices that meet in one sum: bounds a sum by this times the largest value. */
  readonly maxCount: number
}

export function sparseLists({ plus, minus }: SparseIndices, r: number): SparseLists {
  const k = plus.length
  const width = 2 * padRank(r)
  const list = new Uint16Array(2 * k)
  const ends = new Uint32Array(width * gatherBlocks(k))
  const counts = new Uint32Array(r)
  for (let start = 0, at = 0; start < k; start += GATHER_K, at += width) {
    const end = Math.min(k, start + GATHER_K)
    for (let c = start; c < end; c++) {
      ends[at + 2 * plus[c]!]!++
      ends[at + 2 * minus[c]! + 1]!++
      counts[plus[c]!]!++
      counts[minus[c]!]!++
    }
    // Starts first; filling the lists moves each to its end.
    let total = 0
    for (let i = at; i < at + width; i++) {
      const count = ends[i]!
      ends[i] = total
      total += count
    }
    for (let c = start; c < end; c++) {
      list[2 * start + ends[at + 2 * plus[c]!]!++] = c - start
      list[2 * start + ends[at + 2 * minus[c]! + 1]!++] = c - start
    }
  }
  return { list, ends, maxCount: counts.reduce((most, count) => Math.max(most, count), 0) }
}

export abstract class WasmProducts {
  protected readonly exports: KernelExports
  protected readonly int8: Int8Array
  protected readonly int32: Int32Array
  protected readonly uint16: Uint16Array
  protected readonly vectors: 2 | 4
  /** Columns of a panel. */
  protected readonly panel: number
  protected abstract readonly at: CommonScratch

  constructor(exports: KernelExports, buffer: ArrayBufferLike, vectors: 2 | 4) {
    this.exports = exports
    this.int8 = new Int8Array(buffer)
    this.int32 = new Int32Array(buffer)
    this.uint16 = new Uint16Array(buffer)
    this.vectors = vectors
    this.panel = 4 * vectors
  }

  canFold(w: number, r: number, firstColumn = 0): boolean {
    const fits = w % 4 === 0 && (w % this.panel === 0 || this.panel % w === 0)
    return fits && r % K_STEP === 0 && firstColumn % this.panel === 0
  }

  /** Turns rows first .. first + 15 of `source` (rows behind n are zero) into vectors at `to`, one for each of padK(k). */
  protected columnsOf(
    source: Int8Array,
    first: number,
    n: number,
    k: number,
    stride: number,
    start: number,
    to: number,
  ): void {
    const { rows } = this.at
    const width = padK(k)
    this.int8.fill(0, rows, rows + BLOCK * width)
    for (let i = 0; i < Math.min(BLOCK, n - first); i++) {
      const from = (first + i) * stride + start
      this.int8.set(source.subarray(from, from + k), rows + i * width)
    }
    this.exports.toColumns(rows, width, to, width)
  }

  protected packWith(
    offset: number,
    at: number,
    source: Int8Array,
    n: number,
    k: number,
    stride: number,
    start: number,
  ): void {
    const width = padK(k)
    for (let first = 0; first < n; first += BLOCK) {
      this.columnsOf(source, first, n, k, stride, start, this.at.columnsIn)
      this.exports.pack(this.at.columnsIn, at + first * width, width, width * this.panel, offset)
    }
  }

  /** W' = W + F, packed and as columns, with F's own parts. */
  protected noise(
    offsets: { readonly noised: number; readonly uniform: number },
    at: number,
    source: Int8Array,
    noise: FactoredNoise,
    n: number,
    k: number,
    r: number,
    denoises = true,
  ): void {
    const layout = noisedLayout(n, k, r)
    const { columnsIn, uniform } = this.at
    const width = padK(k)
    const rank = padRank(r)
    const { plus, minus } = this.at
    this.uint16.set(noise.sparse.plus, plus >> 1)
    this.uint16.set(noise.sparse.minus, minus >> 1)
    if (denoises) {
      this.int32[(at + layout.maxCount) >> 2] = this.storeLists(noise, r, at + layout.lists, at + layout.ends)
    }
    for (let first = 0; first < n; first += BLOCK) {
      const columns = at + layout.columns + first * width
      this.columnsOf(source, first, n, k, k, 0, columnsIn)
      this.columnsOf(noise.uniform, first, n, r, r, 0, uniform)
      this.exports.addNoise(columns, columnsIn, uniform, plus, minus, k)
      this.int8.fill(0, columns + BLOCK * k, columns + BLOCK * width)
      this.exports.pack(columns, at + layout.packed + first * width, width, width * this.panel, offsets.noised)
      if (denoises) {
        this.exports.pack(uniform, at + layout.uniform + first * rank, rank, rank * this.panel, offsets.uniform)
      }
    }
  }

  noisedRows(at: number, n: number, k: number, r: number, first: number, count: number): Int8Array {
    const { columns } = noisedLayout(n, k, r)
    const width = padK(k)
    const out = new Int8Array(count * k)
    for (let j = 0; j < count; j++) {
      const column = at + columns + Math.floor((first + j) / BLOCK) * BLOCK * width + ((first + j) % BLOCK)
      for (let c = 0; c < k; c++) out[j * k + c] = this.int8[column + BLOCK * c]!
    }
    return out
  }

  /**
   * Sixteen operand rows from `first`: A' into the operand scratch, A F_L into the sums, E_L as vectors into `uniform`. E's
   * indices are in the scratch already.
   */
  protected noiseOperand(call: NoisedCall, first: number): void {
    const { shape, a, lda, noise, w } = call
    const { m, k, n, r } = shape
    const { operand, columnsIn, columnsOut, uniform, sums, plus, minus } = this.at
    const layout = noisedLayout(n, k, r)
    const width = padK(k)
    const stride = operandStride(k)
    this.exports.toColumns(a + first * lda, lda, columnsIn, width)
    this.columnsOf(noise.uniform, first, m, r, r, 0, uniform)
    this.exports.addNoise(columnsOut, columnsIn, uniform, plus, minus, k)
    this.exports.toRows(columnsOut, operand + first * stride, stride, width)
    if (call.denoise) this.gather(sums, columnsIn, w + layout.lists, w + layout.ends, k, padRank(r))
  }

  /** Sixteen columns of `rank` sums, int16, out of k vectors and a sparse factor's lists. */
  protected gather(sums: number, vectors: number, lists: number, ends: number, k: number, rank: number): void {
    for (let block = 0, start = 0; start < k; block++, start += GATHER_K) {
      const [list, end] = [lists + 4 * start, ends + 8 * rank * block]
      this.exports.gather(sums, vectors + BLOCK * start, list, end, rank, block, Math.min(GATHER_K, k - start))
    }
  }

  /**
   * E_R W', sixteen columns after the other: `use` gets the first column and where its `rank` x 16 sums are. Two panels of W' are
   * read at a time, so that each index serves twice.
   */
  protected eachWeightSums(call: NoisedCall, use: (first: number, sums: number) => void): void {
    const { k, n, r } = call.shape
    const { sums, lists, ends } = this.at
    const rank = padRank(r)
    const columns = call.w + noisedLayout(n, k, r).columns
    const [srcBytes, sumsBytes] = [BLOCK * padK(k), 2 * BLOCK * rank]
    for (let first = 0; first < padN(n); first += 2 * BLOCK) {
      const src = columns + first * padK(k)
      const isLast = first + BLOCK >= padN(n)
      if (isLast) this.gather(sums, src, lists, ends, k, rank)
      else {
        for (let block = 0, start = 0; start < k; block++, start += GATHER_K) {
          const [list, end] = [lists + 4 * start, ends + 8 * rank * block]
          const count = Math.min(GATHER_K, k - start)
          this.exports.gatherTwo(sums, src + BLOCK * start, list, end, rank, block, count, srcBytes, sumsBytes)
        }
      }
      use(first, sums)
      if (!isLast) use(first + BLOCK, sums + sumsBytes)
    }
  }

  /** Puts E's sparse factor into the scratch; returns the most indices that meet in one of its sums. */
  protected loadSparse({ noise, shape, denoise }: NoisedCall): number {
    const { plus, minus, lists, ends } = this.at
    this.uint16.set(noise.sparse.plus, plus >> 1)
    this.uint16.set(noise.sparse.minus, minus >> 1)
    return denoise ? this.storeLists(noise, shape.r, lists, ends) : 0
  }

  private storeLists(noise: FactoredNoise, r: number, lists: number, ends: number): number {
    const sparse = sparseLists(noise.sparse, r)
    this.uint16.set(sparse.list, lists >> 1)
    this.int32.set(sparse.ends, ends >> 2)
    return sparse.maxCount
  }

  /**
   * The product over all of k in the columns of whole tiles, which are folded; the rows below them are multiplied only if C is wanted.
   * Returns the columns it has covered. `corrBlocks` has the corrections by blocks of {@link foldBlock}.
   */
  protected foldTiles(
    call: NoisedCall,
    a: number,
    lda: number,
    bytesPerK: number,
    weights: number,
    corr: { readonly at: number; readonly stride: number },
    corrBlocks: { readonly at: number; readonly stride: number },
  ): number {
    const { shape, c, ldc, tiles } = call
    const { m, k, r } = shape
    const { h, w, rowTiles, columnTiles, firstColumn = 0, states } = tiles
    const first = weights + firstColumn * padK(k)
    const isWide = w >= this.panel
    const groupPanels = isWide ? w / this.panel : 1
    const groupTiles = isWide ? 1 : this.panel / w
    const parts = isWide ? this.vectors : w / 4
    const groups = Math.ceil(columnTiles / groupTiles)
    const blockK = foldBlock(r)
    const below = call.denoise ? m - rowTiles * h : 0
    const blockTiles = Math.max(1, Math.floor(BLOCK_ROWS / h))
    this.int32.fill(0, states >> 2, (states >> 2) + 16 * rowTiles * columnTiles)
    for (let from = 0; from < k; from += blockK) {
      const length = Math.min(blockK, k - from)
      for (let tile = 0; tile < rowTiles; tile += blockTiles) {
        const row = tile * h
        const isLast = tile + blockTiles >= rowTiles
        this.exports.fold(
          ...[a + row * lda + from * bytesPerK, lda, first + from * this.panel, padK(k) * this.panel],
          ...[c + row * ldc, ldc, from > 0 ? 1 : 0, h, Math.min(blockTiles, rowTiles - tile)],
          ...[groups, groupPanels, groupTiles, parts, columnTiles, r / K_STEP, length / r, this.at.x],
          ...[corr.at + (from / r) * corr.stride + 4 * row, corr.stride, states + 64 * tile * columnTiles, from / r],
          ...[isLast ? below : 0, corrBlocks.at + (from / blockK) * corrBlocks.stride + 4 * rowTiles * h],
        )
      }
    }
    return groups * groupPanels * this.panel
  }

  /** C (+)= A W over all of k, block by block. `weights` are panels of `width` values of k. */
  protected multiply(call: {
    readonly a: number
    readonly lda: number
    readonly bytesPerK: number
    readonly weights: number
    readonly width: number
    readonly c: number
    readonly ldc: number
    readonly m: number
    readonly panels: number
    readonly k: number
    readonly blockK: number
    readonly add: boolean
    readonly corr: { readonly at: number; readonly stride: number }
  }): void {
    const { a, lda, bytesPerK, weights, width, c, ldc, m, panels, k, blockK, add, corr } = call
    if (panels === 0 || m === 0) return
    for (let from = 0; from < k; from += blockK) {
      const inner = Math.min(blockK, k - from) / K_STEP
      for (let row = 0; row < m; row += BLOCK_ROWS) {
        this.exports.gemm(
          ...[a + row * lda + from * bytesPerK, lda, weights + from * this.panel, width * this.panel],
          ...[c + row * ldc, ldc, Math.min(BLOCK_ROWS, m - row), panels, add || from > 0 ? 1 : 0, inner],
          corr.at + (from / blockK) * corr.stride + 4 * row,
        )
      }
    }
  }
}
