/** What both families of WebAssembly products share: transposed noise, folding block by block, packed weights. */
import { BLOCK_ROWS, type CommonScratch, foldBlock, noisedLayout, operandStride } from './product-layout.ts'
import { GATHER_K, sparseLists } from './sparse-lists.ts'
import { BLOCK, type FactoredNoise, K_STEP, type NoisedCall, padK, padN, padRank } from './types.ts'
import type { KernelExports } from './wasm-exports.ts'

/** What is added to the sums of each row, block after block of k: `stride` bytes apart, four for each row. */
export interface Correction {
  readonly at: number
  readonly stride: number
}

/** A' as the products take it. */
export interface PreparedOperand {
  readonly a: number
  readonly lda: number
  readonly bytesPerK: number
  /** Corrections for each fold step, and for each block of {@link foldBlock}. */
  readonly corrSteps: Correction
  readonly corrBlocks: Correction
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

  /** Sixteen rows of the denoising operand from `first`, out of the sums A F_L and E_L in the scratch. */
  protected abstract denoiseRows(first: number, r: number): void
  /** The noised operand as the products take it, with the corrections they need. */
  protected abstract prepare(call: NoisedCall): PreparedOperand
  /** Whether sums of that many indices can be denoised. */
  protected abstract fits(operandCount: number, weightCount: number): boolean
  /** Packs E_R W'. False if a sum does not fit. */
  protected abstract weightSums(call: NoisedCall): boolean
  /** C += -A F - E W'. */
  protected abstract denoise(call: NoisedCall): void

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

  noisedProduct(call: NoisedCall): boolean {
    const { shape, w } = call
    const { m, k, n, r } = shape
    const weightCount = this.loadSparse(call)
    for (let first = 0; first < m; first += BLOCK) {
      this.noiseOperand(call, first)
      if (call.denoise) this.denoiseRows(first, r)
    }
    this.product(call)
    if (!call.denoise) return true
    const operandCount = this.int32[(w + noisedLayout(n, k, r).maxCount) >> 2]!
    if (!this.fits(operandCount, weightCount) || !this.weightSums(call)) return false
    this.denoise(call)
    return true
  }

  /** A'W': whole tiles with their fold states, and if C is wanted everything else. */
  private product(call: NoisedCall): void {
    const { shape, c, ldc, tiles, w } = call
    const { m, k, n, r } = shape
    const operand = this.prepare(call)
    const weights = w + noisedLayout(n, k, r).packed
    const isFull = tiles.rowTiles > 0 && tiles.columnTiles > 0
    const columns = isFull ? this.foldTiles(call, operand, weights) : 0
    if (!call.denoise) return
    const { a, lda, bytesPerK, corrBlocks } = operand
    const width = padK(k)
    this.multiply({
      ...{ a, lda, bytesPerK, weights: weights + columns * width, width, c: c + 4 * columns, ldc, m, k },
      ...{ panels: (padN(n) - columns) / this.panel, blockK: foldBlock(r), add: false, corr: corrBlocks },
    })
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
  private noiseOperand(call: NoisedCall, first: number): void {
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
  private loadSparse({ noise, shape, denoise }: NoisedCall): number {
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
   * Returns the columns it has covered.
   */
  private foldTiles(call: NoisedCall, operand: PreparedOperand, weights: number): number {
    const { a, lda, bytesPerK, corrSteps: corr, corrBlocks } = operand
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
    readonly corr: Correction
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
