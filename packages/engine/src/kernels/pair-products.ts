import { Arena } from './arena.ts'
import {
  BLOCK_K,
  BLOCK_ROWS,
  type CommonScratch,
  commonScratch,
  noisedLayout,
  operandStride,
  type PanelLayout,
  placedAt,
} from './product-layout.ts'
import {
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
import { type Correction, type PreparedOperand, WasmProducts } from './wasm-products.ts'

const INT16_MAX = 32_767

interface Scratch extends CommonScratch {
  /** Operand rows as int16. */
  readonly wide: number
  /** E_R W' as pairs of int16. */
  readonly pairs: number
  readonly bytes: number
}

/** Nothing to correct: these products need no offset. */
const noCorrection = (at: number): Correction => ({ at, stride: 0 })

/** Products by `i32x4.dot_i16x8_s`: the operand is widened to int16 before it is multiplied. Only SIMD128 is needed. */
export class PairProducts extends WasmProducts {
  protected readonly at: Scratch

  static scratch(limits: KernelLimits, layout: PanelLayout): Scratch {
    const arena = new Arena(0)
    const scratch = {
      ...commonScratch(arena, limits, layout.vectors),
      wide: arena.reserve(2 * padRows(limits.rows) * padK(Math.max(limits.k, limits.noisedK))),
      pairs: arena.reserve(2 * padN(limits.noisedN) * padRank(limits.rank)),
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
    this.at = placedAt(scratch, PairProducts.scratch(limits, layout))
  }

  pack(at: number, source: Int8Array, n: number, k: number, stride: number = k, start = 0): void {
    this.packWith(0, at, source, n, k, stride, start)
  }

  gemm({ a, lda, w, c, ldc, m, n, k }: GemmCall): void {
    const { wide, corr } = this.at
    const width = padK(k)
    this.exports.widen(a, lda, m, width / K_STEP, wide)
    this.multiply({
      ...{
        a: wide,
        lda: 2 * width,
        bytesPerK: 2,
        weights: w,
        width,
        c,
        ldc,
        m,
        panels: padN(n) / this.panel,
        k: width,
      },
      ...{ blockK: BLOCK_K, add: false, corr: noCorrection(corr) },
    })
  }

  noiseWeights(...args: Parameters<ProductKernels['noiseWeights']>): void {
    this.noise({ noised: 0, uniform: 0 }, ...args)
  }

  protected fits(operandCount: number, weightCount: number): boolean {
    return Math.max(PLAIN_MAX * operandCount, NOISED_MAX * weightCount) <= INT16_MAX
  }

  protected denoiseRows(first: number, r: number): void {
    const { sums, uniform, denoiseRows } = this.at
    const rank = padRank(r)
    this.exports.operandPairs(sums, uniform, rank, denoiseRows + first * 4 * rank, 4 * rank)
  }

  protected prepare({ shape }: NoisedCall): PreparedOperand {
    const { m, k } = shape
    const { operand, wide: a, corr } = this.at
    this.exports.widen(operand, operandStride(k), m, k / K_STEP, a)
    const none = noCorrection(corr)
    return { a, lda: 2 * k, bytesPerK: 2, corrSteps: none, corrBlocks: none }
  }

  protected weightSums(call: NoisedCall): boolean {
    const { pairs } = this.at
    const rank = padRank(call.shape.r)
    this.eachWeightSums(call, (first, sums) => {
      this.exports.pairSums(sums, pairs + 2 * first * rank, rank, 2 * rank * this.panel)
    })
    return true
  }

  protected denoise({ shape, c, ldc, w }: NoisedCall): void {
    const { m, k, n, r } = shape
    const { denoiseRows, pairs, corr } = this.at
    const rank = padRank(r)
    const lda = 4 * rank
    const panels = padN(n) / this.panel
    const uniform = w + noisedLayout(n, k, r).uniform
    this.multiply({
      ...{ a: denoiseRows, lda, bytesPerK: 2, weights: uniform, width: rank, c, ldc, m, panels, k: rank },
      ...{ blockK: rank, add: true, corr: noCorrection(corr) },
    })
    for (let row = 0; row < m; row += BLOCK_ROWS) {
      this.exports.gemm16(
        ...[denoiseRows + row * lda + 2 * rank, lda, pairs, 2 * rank * this.panel, c + row * ldc, ldc],
        ...[Math.min(BLOCK_ROWS, m - row), panels, 1, rank / K_STEP, corr],
      )
    }
  }
}
