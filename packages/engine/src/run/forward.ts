/** The forward pass over a run of positions at once: the fast twin of the reference's position by position one (MOD-6). */
import { type Decoding, chooseToken, type Model, OP_GATE_UP, OP_QKV, siluF32, type TicketOp, type Trace } from '@nacre/protocol'
import type { KernelFactory } from '../kernels/types.ts'
import { attendHead, type HeadShape } from './attend.ts'
import { addGroupedRow, addScaledRow, normRow, quantise, rotate, scaleRow } from './glue.ts'
import { createModelMemory, type ModelMemory, type PackedLinear } from './model-memory.ts'

const f = Math.fround

/** int32 accumulators of a product, `stride` values a row. */
export interface Accumulators {
  readonly values: Int32Array
  readonly start: number
  readonly stride: number
}

/** An operand in kernel memory: int16 rows of k values, `stride` values apart. */
export interface Operand {
  readonly values: Int16Array
  readonly start: number
  readonly stride: number
  readonly rows: number
}

/** Computes a ticket operation's product by another way than the plain one, exactly (WRK-5). */
export type TicketProduct = (trace: Trace, layer: number, op: TicketOp, operand: Operand) => Accumulators

export class Forward {
  readonly model: Model
  readonly #memory: ModelMemory
  readonly #int16: Int16Array
  readonly #int32: Int32Array
  readonly #headShape: HeadShape
  /** One scale for each operand row. */
  readonly #rowScale: Float32Array
  /** One linear layer's outputs at one position, then the layer's next operand before it is quantised. */
  readonly #wide: Float32Array
  readonly #narrow: Float32Array
  readonly #queries: Int16Array
  readonly #queryScale: Float32Array
  readonly #attended: Float32Array
  readonly #weights: Float32Array
  readonly #logits: Float32Array

  constructor(model: Model, factory: KernelFactory) {
    const { dModel, nHeads, nKvHeads, headDim, ffnDim, vocabSize, maxSeqLen } = model.config
    this.model = model
    this.#memory = createModelMemory(model, factory)
    this.#int16 = new Int16Array(this.#memory.kernels.buffer)
    this.#int32 = new Int32Array(this.#memory.kernels.buffer)
    this.#headShape = { headDim, nKvHeads, invSqrt: f(1 / f(Math.sqrt(headDim))) }
    this.#rowScale = new Float32Array(maxSeqLen)
    this.#wide = new Float32Array(Math.max(2 * ffnDim, (nHeads + 2 * nKvHeads) * headDim))
    this.#narrow = new Float32Array(Math.max(dModel, ffnDim))
    this.#queries = new Int16Array(maxSeqLen * nHeads * headDim)
    this.#queryScale = new Float32Array(maxSeqLen * nHeads)
    this.#attended = new Float32Array((nHeads / nKvHeads) * headDim)
    this.#weights = new Float32Array(maxSeqLen)
    this.#logits = new Float32Array(vocabSize)
  }

  /**
   * Runs all layers at positions from .. to - 1, whose tokens are in the trace, and writes every row; needs all earlier
   * positions. With `ticketProduct`, `from` is 0 and the positions are the prompt.
   */
  run(trace: Trace, from: number, to: number, ticketProduct?: TicketProduct): void {
    const { nLayers } = this.model.config
    this.#embed(trace, from, to)
    for (let layer = 0; layer < nLayers; layer++) {
      const { qkv, gateUp } = this.#memory.layers[layer]!
      const weights = this.model.layers[layer]!
      this.#normOperand(trace.h[layer]!, weights.attnNorm, from, to)
      this.#keysAndValues(trace, layer, from, to, this.#product(trace, layer, OP_QKV, qkv, to - from, ticketProduct))
      this.#attend(trace, layer, from, to)
      this.#project(trace, layer, from, to)
      this.#normOperand(trace.x[layer]!, weights.ffnNorm, from, to)
      this.#gate(layer, to - from, this.#product(trace, layer, OP_GATE_UP, gateUp, to - from, ticketProduct))
      this.#down(trace, layer, from, to)
    }
  }

  /** The token that follows `position`, whose rows are in the trace (MOD-5). */
  nextToken(trace: Trace, decoding: Decoding, position: number): number {
    const { dModel, nLayers, normEps, vocabSize } = this.model.config
    const { head, operand, accumulators } = this.#memory
    normRow(trace.h[nLayers]!, position * dModel, this.model.finalNorm, normEps, this.#narrow)
    const scale = quantise(this.#narrow, 0, dModel, this.#int16, operand >> 1)
    this.#clearPadding(0, dModel)
    this.#gemm(head, 1)
    scaleRow(this.#int32, accumulators >> 2, vocabSize, scale, this.model.head.scale, this.#logits)
    for (let i = 0; i < vocabSize; i++) if (!Number.isFinite(this.#logits[i]!)) this.#logits[i] = 0
    return chooseToken(this.#logits, decoding, position)
  }

  #embed(trace: Trace, from: number, to: number): void {
    const { q, scale, columns } = this.model.embed
    const h = trace.h[0]!
    for (let position = from; position < to; position++) {
      const token = trace.tokens[position]!
      const s = scale[token]!
      for (let d = 0; d < columns; d++) h[position * columns + d] = f(q[token * columns + d]! * s)
    }
  }

  /** Operand rows are padded to whole kernel steps; a wider layer may have left something there. */
  #clearPadding(row: number, k: number): void {
    const start = (this.#memory.operand >> 1) + row * this.#memory.operandStride
    for (let c = k; c & 7; c++) this.#int16[start + c] = 0
  }

  #normOperand(rows: Float32Array, gain: Float32Array, from: number, to: number): void {
    const { dModel, normEps } = this.model.config
    const { operand, operandStride } = this.#memory
    for (let position = from; position < to; position++) {
      const i = position - from
      normRow(rows, position * dModel, gain, normEps, this.#narrow)
      this.#rowScale[i] = quantise(this.#narrow, 0, dModel, this.#int16, (operand >> 1) + i * operandStride)
      this.#clearPadding(i, dModel)
    }
  }

  /** Operand rows times one linear layer, into the accumulators. */
  #gemm(linear: PackedLinear, m: number): Accumulators {
    const { kernels, operand, operandStride, accumulators } = this.#memory
    const { w, n, k } = linear
    kernels.gemm8({ a: operand, lda: 2 * operandStride, w, c: accumulators, ldc: 4 * n, m, n, k, add: false })
    return { values: this.#int32, start: accumulators >> 2, stride: n }
  }

  #product(
    trace: Trace,
    layer: number,
    op: TicketOp,
    linear: PackedLinear,
    rows: number,
    ticketProduct: TicketProduct | undefined,
  ): Accumulators {
    if (ticketProduct === undefined) return this.#gemm(linear, rows)
    const { operand, operandStride } = this.#memory
    return ticketProduct(trace, layer, op, { values: this.#int16, start: operand >> 1, stride: operandStride, rows })
  }

  /** Splits the fused product into rotated, quantised queries (kept here), keys and values (in the trace). */
  #keysAndValues(trace: Trace, layer: number, from: number, to: number, product: Accumulators): void {
    const { nHeads, nKvHeads, headDim } = this.model.config
    const { ropeCos, ropeSin } = this.model
    const { scale } = this.model.layers[layer]!.qkv
    const width = nHeads * headDim
    const kvWidth = nKvHeads * headDim
    for (let position = from; position < to; position++) {
      const i = position - from
      scaleRow(product.values, product.start + i * product.stride, scale.length, this.#rowScale[i]!, scale, this.#wide)
      for (let head = 0; head < nHeads; head++) {
        const at = head * headDim
        rotate(this.#wide, at, ropeCos, ropeSin, position, headDim / 2)
        this.#queryScale[i * nHeads + head] = quantise(this.#wide, at, headDim, this.#queries, i * width + at)
      }
      for (let g = 0; g < nKvHeads; g++) {
        const at = width + g * headDim
        const row = position * kvWidth + g * headDim
        rotate(this.#wide, at, ropeCos, ropeSin, position, headDim / 2)
        trace.kScale[layer]![position * nKvHeads + g] = this.#quantiseTo(trace.k[layer]!, row, at, headDim)
        trace.vScale[layer]![position * nKvHeads + g] = this.#quantiseTo(trace.v[layer]!, row, at + kvWidth, headDim)
      }
    }
  }

  /** Quantises part of the wide row into an int8 array of the trace; the operand's first values serve as scratch. */
  #quantiseTo(target: Int8Array, start: number, from: number, length: number): number {
    const scratch = this.#memory.attention >> 1
    const scale = quantise(this.#wide, from, length, this.#int16, scratch)
    for (let d = 0; d < length; d++) target[start + d] = this.#int16[scratch + d]!
    return scale
  }

  #attend(trace: Trace, layer: number, from: number, to: number): void {
    const { nHeads, nKvHeads, headDim } = this.model.config
    const { attention, attentionStride, groupStride } = this.#memory
    const cache = { k: trace.k[layer]!, v: trace.v[layer]!, kScale: trace.kScale[layer]!, vScale: trace.vScale[layer]! }
    const o = trace.o[layer]!
    const heads = nHeads / nKvHeads
    const length = heads * headDim
    for (let position = from; position < to; position++) {
      const i = position - from
      for (let g = 0; g < nKvHeads; g++) {
        for (let part = 0; part < heads; part++) {
          const head = g * heads + part
          const start = (i * nHeads + head) * headDim
          const scale = this.#queryScale[i * nHeads + head]!
          const at = part * headDim
          attendHead(this.#headShape, cache, g, position, this.#queries, start, scale, this.#weights, this.#attended, at)
        }
        const target = (attention >> 1) + i * attentionStride + g * groupStride
        const scale = quantise(this.#attended, 0, length, this.#int16, target)
        for (let c = length; c < groupStride; c++) this.#int16[target + c] = 0
        trace.oScale[layer]![position * nKvHeads + g] = scale
        const row = position * nHeads * headDim + g * length
        for (let d = 0; d < length; d++) o[row + d] = this.#int16[target + d]!
      }
    }
  }

  #project(trace: Trace, layer: number, from: number, to: number): void {
    const { dModel, nKvHeads } = this.model.config
    const { kernels, layers, attention, attentionStride, groupStride, accumulators } = this.#memory
    const groups = layers[layer]!.o
    const { n } = groups[0]!
    const row = nKvHeads * n
    groups.forEach(({ w, k }, g) => {
      const a = attention + 2 * g * groupStride
      const c = accumulators + 4 * g * n
      kernels.gemm8({ a, lda: 2 * attentionStride, w, c, ldc: 4 * row, m: to - from, n, k, add: false })
    })
    const { scale } = this.model.layers[layer]!.o
    const oScale = trace.oScale[layer]!
    for (let position = from; position < to; position++) {
      const acc = (accumulators >> 2) + (position - from) * row
      const at = position * dModel
      const scales = position * nKvHeads
      addGroupedRow(this.#int32, acc, n, oScale, scales, nKvHeads, scale, trace.h[layer]!, trace.x[layer]!, at)
    }
  }

  /** s = f(silu(gate) * up), quantised: the operand of the down projection (MOD-4). */
  #gate(layer: number, rows: number, product: Accumulators): void {
    const { ffnDim } = this.model.config
    const { operand, operandStride } = this.#memory
    const { scale } = this.model.layers[layer]!.gateUp
    for (let i = 0; i < rows; i++) {
      scaleRow(product.values, product.start + i * product.stride, 2 * ffnDim, this.#rowScale[i]!, scale, this.#wide)
      for (let j = 0; j < ffnDim; j++) this.#narrow[j] = f(siluF32(this.#wide[j]!) * this.#wide[ffnDim + j]!)
      this.#rowScale[i] = quantise(this.#narrow, 0, ffnDim, this.#int16, (operand >> 1) + i * operandStride)
      this.#clearPadding(i, ffnDim)
    }
  }

  #down(trace: Trace, layer: number, from: number, to: number): void {
    const { dModel } = this.model.config
    const { values, start, stride } = this.#gemm(this.#memory.layers[layer]!.down, to - from)
    const { scale } = this.model.layers[layer]!.down
    const h = trace.h[layer + 1]!
    for (let position = from; position < to; position++) {
      const i = position - from
      addScaledRow(values, start + i * stride, this.#rowScale[i]!, scale, trace.x[layer]!, h, position * dModel)
    }
  }
}
