/** The forward pass over a run of positions at once: the fast twin of the reference's position by position one (MOD-6). */
import {
  chooseToken,
  type Decoding,
  type Model,
  OP_GATE_UP,
  OP_QKV,
  storeFinite,
  type TicketOp,
  type Trace,
} from '@nacre/protocol'
import type { KernelFactory } from '../kernels/types.ts'
import { addGroupedRow, addScaledRow, rotate } from './glue.ts'
import { createModelMemory, type ModelMemory, type PackedLinear } from './model-memory.ts'

const f = Math.fround

/** int32 accumulators of a product: `stride` values a row from `start`, in the memory of the kernels or elsewhere. */
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
  readonly #int8: Int8Array
  readonly #int16: Int16Array
  readonly #int32: Int32Array
  readonly #f32: Float32Array
  readonly #invSqrt: number
  /** One scale for each operand row, and for each head of each row of queries. */
  readonly #rowScale: Float32Array
  readonly #queryScale: Float32Array

  constructor(model: Model, factory: KernelFactory) {
    const { nHeads, headDim, maxSeqLen } = model.config
    this.model = model
    this.#memory = createModelMemory(model, factory)
    const { buffer } = this.#memory.kernels
    this.#int8 = new Int8Array(buffer)
    this.#int16 = new Int16Array(buffer)
    this.#int32 = new Int32Array(buffer)
    this.#f32 = new Float32Array(buffer)
    this.#invSqrt = f(1 / f(Math.sqrt(headDim)))
    this.#rowScale = new Float32Array(maxSeqLen)
    this.#queryScale = new Float32Array(maxSeqLen * nHeads)
  }

  /**
   * Runs all layers at positions from .. to - 1, whose tokens are in the trace, and writes every row. The call before ended at
   * `from` on the same trace, or `from` is 0. With `ticketProduct`, `from` is 0 and the positions are the prompt.
   */
  run(trace: Trace, from: number, to: number, ticketProduct?: TicketProduct): void {
    const rows = to - from
    this.#embed(trace, from, to)
    this.#memory.layers.forEach(({ attnNorm, ffnNorm, qkv, gateUp }, layer) => {
      this.#normOperand(trace.h[layer]!, attnNorm, from, to)
      const fused = this.#product(trace, layer, OP_QKV, qkv, rows, ticketProduct)
      for (let i = 0; i < rows; i++) this.#keysAndValues(trace, layer, from + i, i, this.#inMemory(fused, i, qkv.n))
      for (let i = 0; i < rows; i++) this.#attend(trace, layer, from + i, i)
      this.#project(trace, layer, from, to)
      this.#normOperand(trace.x[layer]!, ffnNorm, from, to)
      const gates = this.#product(trace, layer, OP_GATE_UP, gateUp, rows, ticketProduct)
      for (let i = 0; i < rows; i++) this.#gate(gateUp, i, this.#inMemory(gates, i, gateUp.n))
      this.#down(trace, layer, from, to)
    })
  }

  /** The token that follows `position`, whose rows are in the trace (MOD-5). */
  nextToken(trace: Trace, decoding: Decoding, position: number): number {
    const { nLayers, vocabSize } = this.model.config
    const { kernels, head, finalNorm, accumulators, wide } = this.#memory
    const rowScale = this.#normRow(trace.h[nLayers]!, finalNorm, position, 0)
    this.#gemm(head, 1)
    kernels.scale(accumulators, vocabSize, rowScale, head.scale, wide)
    const logits = storeFinite(this.#f32.subarray(wide >> 2, (wide >> 2) + vocabSize))
    return chooseToken(logits, decoding, position)
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

  /** Norms and quantises one residual row into operand row i; returns the scale. */
  #normRow(rows: Float32Array, gain: number, position: number, i: number): number {
    const { dModel, normEps } = this.model.config
    const { kernels, residual, narrow, operand, operandStride } = this.#memory
    this.#f32.set(rows.subarray(position * dModel, (position + 1) * dModel), residual >> 2)
    kernels.norm(residual, gain, dModel, normEps, narrow)
    return kernels.quantise(narrow, dModel, operand + 2 * i * operandStride)
  }

  #normOperand(rows: Float32Array, gain: number, from: number, to: number): void {
    for (let position = from; position < to; position++) {
      this.#rowScale[position - from] = this.#normRow(rows, gain, position, position - from)
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

  /** Offset of row i of a product, which is copied here if it lies in another memory. */
  #inMemory(product: Accumulators, i: number, n: number): number {
    const start = product.start + i * product.stride
    if (product.values === this.#int32) return 4 * start
    const { accumulators } = this.#memory
    this.#int32.set(product.values.subarray(start, start + Math.min(n, product.stride)), accumulators >> 2)
    return accumulators
  }

  /** Splits one row of the fused product into queries (kept here), keys and values (also in the trace). */
  #keysAndValues(trace: Trace, layer: number, position: number, i: number, acc: number): void {
    const { nHeads, nKvHeads, headDim } = this.model.config
    const { kernels, layers, queries, headStride, kvStride, wide, attention } = this.#memory
    const { qkv, k, v, kScale, vScale } = layers[layer]!
    const { ropeCos, ropeSin } = this.model
    kernels.scale(acc, (nHeads + 2 * nKvHeads) * headDim, this.#rowScale[i]!, qkv.scale, wide)
    for (let head = 0; head < nHeads + nKvHeads; head++) {
      rotate(this.#f32, (wide >> 2) + head * headDim, ropeCos, ropeSin, position, headDim / 2)
    }
    for (let head = 0; head < nHeads; head++) {
      const index = i * nHeads + head
      this.#queryScale[index] = this.#quantiseHead(head, queries + 2 * index * headStride)
    }
    for (let g = 0; g < nKvHeads; g++) {
      const row = position * nKvHeads + g
      const cached = position * kvStride + g * headStride
      // The attention operand is not in use yet and serves as scratch.
      const kq = this.#quantiseHead(nHeads + g, attention)
      this.#storeInt8(attention, trace.k[layer]!, row * headDim, k + cached)
      const vq = this.#quantiseHead(nHeads + nKvHeads + g, attention)
      this.#storeInt8(attention, trace.v[layer]!, row * headDim, v + cached)
      this.#f32[(kScale >> 2) + row] = trace.kScale[layer]![row] = kq
      this.#f32[(vScale >> 2) + row] = trace.vScale[layer]![row] = vq
    }
  }

  /** Quantises head `index` of the wide row to int16 at offset q; returns the scale. */
  #quantiseHead(index: number, q: number): number {
    const { headDim } = this.model.config
    const { kernels, wide, oneHead, headStride } = this.#memory
    const from = wide + 4 * index * headDim
    if (headDim === headStride) return kernels.quantise(from, headDim, q)
    this.#f32.copyWithin(oneHead >> 2, from >> 2, (from >> 2) + headDim)
    return kernels.quantise(oneHead, headDim, q)
  }

  /** Stores one quantised head in the trace and among the cached rows. */
  #storeInt8(from: number, target: Int8Array, start: number, cached: number): void {
    const { headDim } = this.model.config
    for (let d = 0; d < headDim; d++) {
      const value = this.#int16[(from >> 1) + d]!
      target[start + d] = value
      this.#int8[cached + d] = value
    }
  }

  #attend(trace: Trace, layer: number, position: number, i: number): void {
    const { nHeads, nKvHeads, headDim } = this.model.config
    const memory = this.#memory
    const { kernels, queries, headStride, kvStride, attended, attention, attentionStride, groupStride } = memory
    const { k, v, kScale, vScale } = memory.layers[layer]!
    const heads = nHeads / nKvHeads
    const length = heads * headDim
    const rows = { rowBytes: kvStride, scaleBytes: 4 * nKvHeads, count: position + 1 }
    const common = { ...rows, headDim, invSqrt: this.#invSqrt, weights: memory.weights }
    const o = trace.o[layer]!
    for (let g = 0; g < nKvHeads; g++) {
      const cached = { k: k + g * headStride, v: v + g * headStride, kScale: kScale + 4 * g, vScale: vScale + 4 * g }
      for (let part = 0; part < heads; part++) {
        const index = i * nHeads + g * heads + part
        const query = { q: queries + 2 * index * headStride, qScale: this.#queryScale[index]! }
        // Heads lie side by side, so the padding of one is overwritten by the next.
        kernels.attend({ ...query, ...cached, ...common, out: attended + 4 * part * headDim })
      }
      for (let c = length; c < groupStride; c++) this.#f32[(attended >> 2) + c] = 0
      const target = attention + 2 * (i * attentionStride + g * groupStride)
      trace.oScale[layer]![position * nKvHeads + g] = kernels.quantise(attended, length, target)
      const row = (position * nKvHeads + g) * length
      for (let d = 0; d < length; d++) o[row + d] = this.#int16[(target >> 1) + d]!
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
    const h = trace.h[layer]!
    const x = trace.x[layer]!
    for (let position = from; position < to; position++) {
      const acc = (accumulators >> 2) + (position - from) * row
      const first = position * nKvHeads
      addGroupedRow(this.#int32, acc, n, trace.oScale[layer]!, first, nKvHeads, scale, h, x, position * dModel)
    }
  }

  /** s = f(silu(gate) * up), quantised: row i of the operand of the down projection (MOD-4). */
  #gate(gateUp: PackedLinear, i: number, acc: number): void {
    const { ffnDim } = this.model.config
    const { kernels, narrow, operand, operandStride } = this.#memory
    kernels.gate(acc, ffnDim, this.#rowScale[i]!, gateUp.scale, narrow)
    this.#rowScale[i] = kernels.quantise(narrow, ffnDim, operand + 2 * i * operandStride)
  }

  #down(trace: Trace, layer: number, from: number, to: number): void {
    const { dModel } = this.model.config
    const { values, start, stride } = this.#gemm(this.#memory.layers[layer]!.down, to - from)
    const { scale } = this.model.layers[layer]!.down
    for (let position = from; position < to; position++) {
      const i = position - from
      const acc = start + i * stride
      addScaledRow(values, acc, this.#rowScale[i]!, scale, trace.x[layer]!, trace.h[layer + 1]!, position * dModel)
    }
  }
}
