import { Arena } from './arena.ts'
import {
  BLOCK_K,
  BLOCK_ROWS,
  type CommonScratch,
  commonScratch,
  foldBlock,
  noisedLayout,
  operandStride,
  type PanelLayout,
  placedAt,
} from './product-layout.ts'
import {
  BLOCK,
  type GemmCall,
  K_STEP,
  type KernelLimits,
  NOISED_MAX,
  type NoisedCall,
  PLAIN_MAX,
  type ProductKernels,
  padK,
  padN,
  padRank,
  padRows,
} from './types.ts'
import type { KernelExports } from './wasm-exports.ts'
import { type PreparedOperand, WasmProducts } from './wasm-products.ts'

/** Makes plain weights positive and at most 127, which every implementation of the relaxed dot product takes exactly. */
const PLAIN_OFFSET = 64
/** Makes F_R positive: [0, 63]. */
const UNIFORM_OFFSET = 32
/** Digits are base 128: sums of A F_L below this, and of E_R W' below 8192 (`splitSums` tells). */
const MAX_OPERAND_SUM = 127 * 128 + 63
const SUM_OVERFLOW = 0xc000c000
const INT16_MAX = 32_767

interface Scratch extends CommonScratch {
  readonly corrBlocks: number
  readonly corrDenoise: number
  readonly digits: number
  readonly hi: number
  readonly lo: number
  readonly bytes: number
}

/**
 * Products by the relaxed dot product of int8 operands and weights that carry an offset. What the offset adds to a row, offset
 * times the sum of the row's values, is subtracted step by step, so that partial sums are exact wherever they are folded.
 *
 * Denoising: A F_L and E_R W' have up to 14 bits, so each is split into two digits base 128 and the product runs over 4 r values
 * instead of 2 r, at the full speed of int8.
 */
export class QuadProducts extends WasmProducts {
  protected readonly at: Scratch
  readonly #noisedOffset: number
  readonly #corrStride: number

  static scratch(limits: KernelLimits, layout: PanelLayout): Scratch {
    const arena = new Arena(0)
    const m = padRows(limits.rows)
    const r = padRank(limits.rank)
    const blocks = Math.ceil(limits.noisedK / BLOCK_K) + 1
    const scratch = {
      ...commonScratch(arena, limits, layout.vectors),
      corrBlocks: arena.reserve(limits.noisedK === 0 ? 0 : 4 * m * blocks),
      corrDenoise: arena.reserve(4 * m),
      digits: arena.reserve(3 * BLOCK * r),
      hi: arena.reserve(padN(limits.noisedN) * r),
      lo: arena.reserve(padN(limits.noisedN) * r),
    }
    return { ...scratch, bytes: arena.bytes }
  }

  constructor(
    exports: KernelExports,
    buffer: ArrayBufferLike,
    scratch: number,
    limits: KernelLimits,
    layout: PanelLayout,
  ) {
    super(exports, buffer, layout.vectors)
    this.at = placedAt(scratch, QuadProducts.scratch(limits, layout))
    this.#noisedOffset = layout.noisedOffset
    this.#corrStride = 4 * padRows(limits.rows)
  }

  pack(at: number, source: Int8Array, n: number, k: number, stride: number = k, start = 0): void {
    this.packWith(PLAIN_OFFSET, at, source, n, k, stride, start)
  }

  gemm({ a, lda, w, c, ldc, m, n, k }: GemmCall): void {
    const { corr } = this.at
    const width = padK(k)
    this.#rowSums(a, lda, m, width, BLOCK_K, -PLAIN_OFFSET, corr)
    this.multiply({
      ...{
        a,
        lda,
        bytesPerK: 1,
        weights: w,
        width,
        c,
        ldc,
        m,
        panels: padN(n) / this.panel,
        k: width,
        blockK: BLOCK_K,
      },
      ...{ add: false, corr: { at: corr, stride: this.#corrStride } },
    })
  }

  noiseWeights(...args: Parameters<ProductKernels['noiseWeights']>): void {
    this.noise({ noised: this.#noisedOffset, uniform: UNIFORM_OFFSET }, ...args)
  }

  protected fits(operandCount: number, weightCount: number): boolean {
    return PLAIN_MAX * operandCount <= MAX_OPERAND_SUM && NOISED_MAX * weightCount <= INT16_MAX
  }

  /** corr[block][row] = factor * sum of the row over one block of k. */
  #rowSums(a: number, lda: number, m: number, k: number, block: number, factor: number, to: number): void {
    const stride = this.#corrStride
    if (m === 0) return
    const whole = Math.floor(k / block)
    const rest = (k % block) / K_STEP
    if (whole > 0) this.exports.rowSums(a, lda, m, block / K_STEP, whole, to, stride, factor)
    if (rest > 0) this.exports.rowSums(a + whole * block, lda, m, rest, 1, to + whole * stride, stride, factor)
  }

  protected prepare({ shape, tiles, denoise }: NoisedCall): PreparedOperand {
    const { m, k, r } = shape
    const { operand: a, corr, corrBlocks } = this.at
    const lda = operandStride(k)
    const stride = this.#corrStride
    this.#rowSums(a, lda, tiles.rowTiles * tiles.h, k, r, -this.#noisedOffset, corr)
    if (denoise) this.#rowSums(a, lda, m, k, foldBlock(r), -this.#noisedOffset, corrBlocks)
    return { a, lda, bytesPerK: 1, corrSteps: { at: corr, stride }, corrBlocks: { at: corrBlocks, stride } }
  }

  /** The operand of denoising for sixteen rows: digits of -A F_L, and -E_L. */
  protected denoiseRows(first: number, r: number): void {
    const { sums, uniform, digits, denoiseRows, corrDenoise } = this.at
    const rank = padRank(r)
    const [hi, e, lo] = [digits, digits + BLOCK * rank, digits + 2 * BLOCK * rank]
    this.exports.operandDigits(sums, uniform, rank, hi, e, lo, corrDenoise + 4 * first)
    const to = denoiseRows + first * 4 * rank
    for (const [i, part] of [hi, e, lo, e].entries()) this.exports.toRows(part, to + i * rank, 4 * rank, rank)
  }

  /** Digits of E_R W', packed. False if a sum does not fit. */
  protected weightSums(call: NoisedCall): boolean {
    const { hi, lo } = this.at
    const rank = padRank(call.shape.r)
    let seen = 0
    this.eachWeightSums(call, (first, sums) => {
      seen |= this.exports.splitSums(sums, hi + first * rank, lo + first * rank, rank, rank * this.panel)
    })
    return (seen & SUM_OVERFLOW) === 0
  }

  protected denoise({ shape, c, ldc, w }: NoisedCall): void {
    const { m, k, n, r } = shape
    const { denoiseRows, hi, lo, corrDenoise } = this.at
    const rank = padRank(r)
    const uniform = w + noisedLayout(n, k, r).uniform
    for (let row = 0; row < m; row += BLOCK_ROWS) {
      this.exports.denoise(
        ...[denoiseRows + row * 4 * rank, 4 * rank, uniform, hi, lo, rank * this.panel, c + row * ldc, ldc],
        ...[Math.min(BLOCK_ROWS, m - row), padN(n) / this.panel, rank / K_STEP, corrDenoise + 4 * row],
      )
    }
  }
}
