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
import { type Kernels, padN } from '../kernels/types.ts'
import {
  HEAD_ROWS,
  isPadded,
  type LinearPlace,
  type PaddedDims,
  paddedDims,
  type SharedPlaces,
  type ThreadPlaces,
  ticketColumns,
} from './layout.ts'

const f = Math.fround

/** Where a ticket operation finds its operand and leaves A W: n unpadded columns, `ldc` bytes a row. */
export interface TicketProductCall {
  readonly trace: Trace
  readonly layer: number
  readonly op: TicketOp
  readonly rows: number
  readonly a: number
  readonly lda: number
  readonly c: number
  readonly ldc: number
}

/**
 * Computes a ticket operation's product by another way than the plain one, exactly (WRK-5). False if it cannot: then the plain
 * product is computed.
 */
export type TicketProduct = (call: TicketProductCall) => boolean

export class Forward {
  readonly #model: Model
  readonly #kernels: Kernels
  readonly #shared: SharedPlaces
  readonly #at: ThreadPlaces
  readonly #dims: PaddedDims
  readonly #int8: Int8Array
  readonly #int32: Int32Array
  readonly #f32: Float32Array
  readonly #invSqrt: number
  readonly #isPadded: boolean
  /** Position of the first row in memory. */
  #from = 0

  constructor(model: Model, kernels: Kernels, shared: SharedPlaces, places: ThreadPlaces) {
    this.#model = model
    this.#kernels = kernels
    this.#shared = shared
    this.#at = places
    this.#dims = paddedDims(model.config)
    this.#isPadded = isPadded(model.config)
    this.#int8 = new Int8Array(kernels.buffer)
    this.#int32 = new Int32Array(kernels.buffer)
    this.#f32 = new Float32Array(kernels.buffer)
    this.#invSqrt = f(1 / f(Math.sqrt(model.config.headDim)))
  }

  /**
   * Runs all layers at positions from .. to - 1, whose tokens are in the trace, and writes every row. The call before ended at
   * `from` on the same trace, or `from` is 0. With `ticketProduct`, `from` is 0 and the positions are the prompt.
   */
  run(trace: Trace, from: number, to: number, ticketProduct?: TicketProduct): void {
    const rows = to - from
    this.#from = from
    this.#embed(trace, from, to)
    for (let layer = 0; layer < this.#model.config.nLayers; layer++) {
      const { attnNorm, ffnNorm, qkv, gateUp } = this.#shared.layers[layer]!
      this.#normOperand(this.#at.h, attnNorm, rows)
      this.#product(trace, layer, OP_QKV, qkv, rows, ticketProduct)
      this.#heads(trace, layer, from, rows)
      this.#attend(trace, layer, from, rows)
      this.#project(trace, layer, from, rows)
      this.#normOperand(this.#at.x, ffnNorm, rows)
      this.#product(trace, layer, OP_GATE_UP, gateUp, rows, ticketProduct)
      this.#feedForward(trace, layer, from, rows)
    }
  }

  /** The operand of the first ticket operation over the first `rows` positions. No layer is run. */
  firstOperand(trace: Trace, rows: number): Pick<TicketProductCall, 'rows' | 'a' | 'lda'> {
    this.#embed(trace, 0, rows)
    this.#normOperand(this.#at.h, this.#shared.layers[0]!.attnNorm, rows)
    return { rows, a: this.#at.operand, lda: this.#dims.operand }
  }

  /**
   * The tokens that follow positions from .. to - 1, which the last run has computed (MOD-5); `use` gets each with its
   * position.
   */
  nextTokens(decoding: Decoding, from: number, to: number, use: (token: number, position: number) => void): void {
    const { vocabSize } = this.#model.config
    const { head, finalNorm } = this.#shared
    const { accumulators, wide, scales } = this.#at
    const ldc = 4 * padN(vocabSize)
    for (let first = from; first < to; first += HEAD_ROWS) {
      const rows = Math.min(HEAD_ROWS, to - first)
      this.#normOperand(this.#at.h + 4 * (first - this.#from) * this.#dims.model, finalNorm, rows)
      this.#gemm(head, rows)
      for (let i = 0; i < rows; i++) {
        const scale = this.#f32[(scales >> 2) + i]!
        this.#kernels.scale(accumulators + i * ldc, padN(vocabSize), scale, head.scale, wide)
        const logits = storeFinite(this.#f32.subarray(wide >> 2, (wide >> 2) + vocabSize))
        use(chooseToken(logits, decoding, first + i), first + i)
      }
    }
  }

  #embed(trace: Trace, from: number, to: number): void {
    const { q, scale, columns } = this.#model.embed
    const rows = this.#at.h >> 2
    for (let position = from; position < to; position++) {
      const token = trace.tokens[position]!
      const s = scale[token]!
      const at = rows + (position - from) * this.#dims.model
      for (let d = 0; d < columns; d++) this.#f32[at + d] = f(q[token * columns + d]! * s)
    }
    this.#copyRows(this.#at.h, trace.h[0]!, from, to - from)
  }

  /** Copies residual rows to the trace. */
  #copyRows(at: number, target: Float32Array, from: number, rows: number): void {
    const { dModel } = this.#model.config
    const { model } = this.#dims
    this.#copyParts(this.#f32, at >> 2, target, from * dModel, rows, dModel, model)
  }

  /** Copies `count` parts of `length` values, which lie `padded` apart, side by side. */
  #copyParts<T extends Float32Array | Int8Array>(
    source: T,
    at: number,
    target: T,
    to: number,
    count: number,
    length: number,
    padded: number,
  ): void {
    if (length === padded) target.set(source.subarray(at, at + count * length), to)
    else {
      for (let i = 0; i < count; i++) {
        target.set(source.subarray(at + i * padded, at + i * padded + length), to + i * length)
      }
    }
  }

  /** Norms and quantises residual rows into the operand. */
  #normOperand(row: number, gain: number, rows: number): void {
    const { dModel, normEps } = this.#model.config
    const { operand, scales, wide } = this.#at
    this.#kernels.normRows({
      ...{ rows, row, gain, n: this.#dims.model, trueN: dModel, eps: normEps, tmp: wide, q: operand },
      ...{ lda: this.#dims.operand, scales },
    })
  }

  /** Operand rows times one linear layer, into the accumulators. */
  #gemm({ w, n, k }: LinearPlace, m: number): void {
    const { operand, accumulators } = this.#at
    const ldc = 4 * padN(n)
    this.#kernels.gemm({ a: operand, lda: this.#dims.operand, w, c: accumulators, ldc, m, n, k })
  }

  #product(
    trace: Trace,
    layer: number,
    op: TicketOp,
    linear: LinearPlace,
    rows: number,
    ticketProduct: TicketProduct | undefined,
  ): void {
    const { operand, accumulators, unpadded } = this.#at
    if (ticketProduct !== undefined) {
      const c = this.#isPadded ? unpadded : accumulators
      const ldc = 4 * padN(ticketColumns(this.#model.config, op))
      const done = ticketProduct({ trace, layer, op, rows, a: operand, lda: this.#dims.operand, c, ldc })
      if (done && this.#isPadded) this.#spread(op, rows, ldc, 4 * padN(linear.n))
      if (done) return
    }
    this.#gemm(linear, rows)
  }

  /** From the lottery's columns to those with padding behind each head or half. */
  #spread(op: TicketOp, rows: number, from: number, to: number): void {
    const { nHeads, nKvHeads, headDim, ffnDim } = this.#model.config
    const { unpadded, accumulators } = this.#at
    const [count, length, padded] =
      op === OP_QKV ? [nHeads + 2 * nKvHeads, headDim, this.#dims.head] : [2, ffnDim, this.#dims.ffn]
    for (let row = 0; row < rows; row++) {
      const target = (accumulators + row * to) >> 2
      this.#int32.fill(0, target, target + (to >> 2))
      for (let i = 0; i < count; i++) {
        const source = ((unpadded + row * from) >> 2) + i * length
        this.#int32.copyWithin(target + i * padded, source, source + length)
      }
    }
  }

  /** Splits the fused product into queries (kept here), keys and values (also in the trace). */
  #heads(trace: Trace, layer: number, from: number, rows: number): void {
    const { nHeads, nKvHeads, headDim } = this.#model.config
    const { accumulators, scales, wide, queries, queryScale } = this.#at
    const { head } = this.#dims
    const { qkv } = this.#shared.layers[layer]!
    const place = (base: readonly number[], bytes: number): number => base[layer]! + from * nKvHeads * bytes
    const [k, v] = [place(this.#at.k, head), place(this.#at.v, head)]
    const [kScale, vScale] = [place(this.#at.kScale, 4), place(this.#at.vScale, 4)]
    this.#kernels.headRows({
      ...{ rows, acc: accumulators, ldacc: 4 * padN(qkv.n), scales, columns: qkv.scale },
      ...{ rope: this.#shared.rope + 8 * from * head, heads: nHeads, groups: nKvHeads, headDim: head, wide },
      ...{ q: queries, qScale: queryScale, k, v, kScale, vScale },
    })
    const first = from * nKvHeads
    const count = rows * nKvHeads
    this.#copyParts(this.#int8, k, trace.k[layer]!, first * headDim, count, headDim, head)
    this.#copyParts(this.#int8, v, trace.v[layer]!, first * headDim, count, headDim, head)
    trace.kScale[layer]!.set(this.#f32.subarray(kScale >> 2, (kScale >> 2) + count), first)
    trace.vScale[layer]!.set(this.#f32.subarray(vScale >> 2, (vScale >> 2) + count), first)
  }

  #attend(trace: Trace, layer: number, from: number, rows: number): void {
    const { nHeads, nKvHeads, headDim } = this.#model.config
    const { queries, queryScale, k, v, kScale, vScale, weights, group, attention, attentionScale } = this.#at
    const { head } = this.#dims
    this.#kernels.attendRows({
      ...{ rows, count: from + 1, q: queries, qScale: queryScale, k: k[layer]!, v: v[layer]! },
      ...{ kScale: kScale[layer]!, vScale: vScale[layer]!, groups: nKvHeads, groupHeads: nHeads / nKvHeads },
      ...{ headDim: head, invSqrt: this.#invSqrt, weights, tmp: group, out: attention, outScale: attentionScale },
    })
    const scale = attentionScale >> 2
    trace.oScale[layer]!.set(this.#f32.subarray(scale, scale + rows * nKvHeads), from * nKvHeads)
    const start = from * nHeads * headDim
    this.#copyParts(this.#int8, attention, trace.o[layer]!, start, rows * nHeads, headDim, head)
  }

  #project(trace: Trace, layer: number, from: number, rows: number): void {
    const { nKvHeads } = this.#model.config
    const { attention, attentionScale, accumulators, h, x } = this.#at
    const { model, group } = this.#dims
    const groups = this.#shared.layers[layer]!.o
    groups.forEach(({ w, n, k }, g) => {
      const c = accumulators + 4 * g * model
      const a = attention + g * group
      this.#kernels.gemm({ a, lda: nKvHeads * group, w, c, ldc: 4 * nKvHeads * model, m: rows, n, k })
    })
    const columns = groups[0]!.scale
    const call = { rows, acc: accumulators, groups: nKvHeads, n: model, scales: attentionScale, columns }
    this.#kernels.groupRows({ ...call, base: h, out: x })
    this.#copyRows(x, trace.x[layer]!, from, rows)
  }

  #feedForward(trace: Trace, layer: number, from: number, rows: number): void {
    const { accumulators, scales, wide, operand, x, h } = this.#at
    const { model, ffn } = this.#dims
    const { gateUp, down } = this.#shared.layers[layer]!
    this.#kernels.gateRows({
      ...{ rows, acc: accumulators, ldacc: 4 * padN(gateUp.n), n: ffn, scales, columns: gateUp.scale, tmp: wide },
      ...{ q: operand, lda: this.#dims.operand },
    })
    this.#gemm(down, rows)
    const call = { rows, acc: accumulators, ldacc: 4 * padN(down.n), n: model, scales, columns: down.scale }
    this.#kernels.residualRows({ ...call, base: x, out: h })
    this.#copyRows(h, trace.h[layer + 1]!, from, rows)
  }
}
