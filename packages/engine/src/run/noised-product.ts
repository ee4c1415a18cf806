/** The ticket operations' products through noise, fold and exact denoising (WRK-2, WRK-3, WRK-5). */
import {
  denoise,
  FOLD_WORDS,
  foldProduct,
  type KeyedHash,
  type LotteryParams,
  type Model,
  OPERAND_NOISE_LABEL,
  operandNoiseSeed,
  QUANT_MAX,
  TICKET_OPS,
  type TicketOp,
  type TicketShape,
  type Trace,
  ticketShape,
  unitTickets,
} from '@nacre/protocol'
import { Arena } from '../kernels/arena.ts'
import { K_STEP, type KernelFactory, type Kernels, PANEL, padK, padN, scatterOffset } from '../kernels/types.ts'
import { PreRoots } from './commit.ts'
import type { Accumulators, Operand } from './forward.ts'
import { type NoiseFactors, noiseFactors } from './noise.ts'
import { type FilledSlot, WeightCache } from './noised-weights.ts'

/** What a unit's draw commits to, apart from its rows. */
export interface DrawKeys {
  readonly parentBeacon: Uint8Array
  readonly unitId: Uint8Array
  readonly minerKey: Uint8Array
}

const INT16_MAX = 32_767

/** Offsets of the scratch in kernel memory. */
interface Scratch {
  readonly operand: number
  readonly operandSums: number
  readonly operandUniform: number
  readonly weightSums: number
  readonly plus: number
  readonly minus: number
  readonly product: number
  readonly states: number
  readonly steps: number
}

/** Noised products of one model with one lottery shape, in a kernel memory of its own. */
export class NoisedProducts {
  readonly params: LotteryParams
  readonly cache: WeightCache
  readonly #model: Model
  readonly #hash: KeyedHash
  readonly #kernels: Kernels
  readonly #int16: Int16Array
  readonly #int32: Int32Array
  readonly #at: Scratch
  /** Fold states of the current unit: 16 words a ticket, in drawing order. */
  readonly #states: Uint32Array
  #tickets = 0
  #preRoots: PreRoots

  constructor(model: Model, params: LotteryParams, factory: KernelFactory, hash: KeyedHash) {
    this.params = params
    this.#model = model
    this.#hash = hash
    this.#preRoots = new PreRoots(hash)
    const { maxSeqLen, dModel } = model.config
    const rank = padK(params.noiseRank)
    const shapes = TICKET_OPS.map((op) => ticketShape(model.config, params, op, maxSeqLen))
    const widest = Math.max(...shapes.map(({ n }) => padN(n)))
    const mostTiles = Math.max(...shapes.map(({ rowTiles, columnTiles }) => rowTiles * columnTiles))
    const arena = new Arena()
    this.cache = new WeightCache(model, params, hash, arena)
    this.#at = {
      operand: arena.reserve(2 * maxSeqLen * padK(dModel)),
      operandSums: arena.reserve(2 * maxSeqLen * rank),
      operandUniform: arena.reserve(2 * maxSeqLen * rank),
      weightSums: arena.reserve(2 * widest * rank),
      plus: arena.reserve(4 * padK(dModel)),
      minus: arena.reserve(4 * padK(dModel)),
      product: arena.reserve(4 * maxSeqLen * widest),
      states: arena.reserve(4 * FOLD_WORDS * mostTiles),
      steps: arena.reserve(16 * (dModel / params.noiseRank)),
    }
    this.#kernels = factory.instantiate(arena.bytes)
    this.cache.attach(new Int8Array(this.#kernels.buffer))
    this.#int16 = new Int16Array(this.#kernels.buffer)
    this.#int32 = new Int32Array(this.#kernels.buffer)
    this.#states = new Uint32Array(FOLD_WORDS * unitTickets(model.config, params, maxSeqLen))
  }

  /** Forgets the fold states and the pre-roots of the unit before. */
  begin(): void {
    this.#tickets = 0
    this.#preRoots = new PreRoots(this.#hash)
  }

  /** Fold states since {@link begin}: 16 words for each ticket, in drawing order. A view. */
  get states(): Uint32Array {
    return this.#states.subarray(0, FOLD_WORDS * this.#tickets)
  }

  /** Of the unit since {@link begin}. */
  get preRoots(): PreRoots {
    return this.#preRoots
  }

  /** A W of a ticket operation, exactly, out of the noised product that draws. */
  product(keys: DrawKeys, trace: Trace, layer: number, op: TicketOp, operand: Operand): Accumulators {
    const m = operand.rows
    const shape = ticketShape(this.#model.config, this.params, op, m)
    const { k, r } = shape
    const weights = this.cache.get(keys.parentBeacon, layer, op)
    const preRoot = this.#preRoots.root(trace, layer, op)
    const { unitId, minerKey } = keys
    const seed = operandNoiseSeed({ weightSeed: weights.seed, unitId, minerKey, preRoot, m, k })
    const noise = noiseFactors(OPERAND_NOISE_LABEL, seed, m, k, r, this.#hash)
    this.#noiseOperand(operand, shape, noise)
    this.#fold(shape, weights)
    const bound = Math.max(QUANT_MAX * weights.factors.maxCount, 2 * QUANT_MAX * noise.maxCount)
    return bound <= INT16_MAX
      ? this.#denoise(operand, shape, noise, weights)
      : this.#denoiseByReference(operand, shape, noise, weights)
  }

  /** A' = A + E, as an operand of the kernels. */
  #noiseOperand(operand: Operand, shape: TicketShape, noise: NoiseFactors): void {
    const { m, k, r } = shape
    const { plus, minus } = noise.sparse
    for (let i = 0; i < m; i++) {
      const from = operand.start + i * operand.stride
      const to = (this.#at.operand >> 1) + i * padK(k)
      const u = i * r
      for (let c = 0; c < k; c++) {
        this.#int16[to + c] = operand.values[from + c]! + noise.uniform[u + plus[c]!]! - noise.uniform[u + minus[c]!]!
      }
      for (let c = k; c < padK(k); c++) this.#int16[to + c] = 0
    }
  }

  /** A'W' of all rows and columns; the states of the full tiles are kept. */
  #fold(shape: TicketShape, weights: FilledSlot): void {
    const { m, n, k, r, h, w, rowTiles, columnTiles } = shape
    const { operand, product, states, steps } = this.#at
    const full = rowTiles > 0 && columnTiles > 0
    if (full && (r % K_STEP !== 0 || w % PANEL !== 0)) {
      this.#foldByReference(shape, weights)
      return
    }
    const paddedN = padN(n)
    const paddedK = padK(k)
    const call = { a: operand, lda: 2 * paddedK, w: weights.noised, c: product, ldc: 4 * paddedN, k: paddedK }
    const plain = { ...call, add: false }
    if (!full) {
      this.#kernels.gemm8({ ...plain, m, n: paddedN })
      return
    }
    const tiles = { tileRows: h, tileColumns: w, rowTiles, columnTiles }
    this.#kernels.fold({ ...call, r, ...tiles, states, scratch: steps })
    const tileStates = new Uint32Array(this.#kernels.buffer, states, FOLD_WORDS * rowTiles * columnTiles)
    this.#states.set(tileStates, FOLD_WORDS * this.#tickets)
    this.#tickets += rowTiles * columnTiles

    const rows = rowTiles * h
    const columns = columnTiles * w
    const right = { w: weights.noised + columns * paddedK, c: product + 4 * columns }
    if (columns < paddedN) this.#kernels.gemm8({ ...plain, ...right, m: rows, n: paddedN - columns })
    const below = { a: operand + 2 * rows * paddedK, c: product + 4 * rows * paddedN }
    if (rows < m) this.#kernels.gemm8({ ...plain, ...below, m: m - rows, n: paddedN })
  }

  /** For tiles that do not consist of whole panels or steps: no registered model should have them, but the rules allow it. */
  #foldByReference(shape: TicketShape, weights: FilledSlot): void {
    const { m, n } = shape
    const operand = this.#rows8(this.#int16, this.#at.operand >> 1, padK(shape.k), shape)
    const { product, states } = foldProduct(operand, weights.rows, shape)
    for (let i = 0; i < m; i++) {
      this.#int32.set(product.subarray(i * n, (i + 1) * n), (this.#at.product >> 2) + i * padN(n))
    }
    for (const state of states) this.#states.set(state, FOLD_WORDS * this.#tickets++)
  }

  /** A W = A'W' + (-A F_L) F_R + (-E_L) (E_R W'), the products with the sparse factors by additions. */
  #denoise(operand: Operand, shape: TicketShape, noise: NoiseFactors, weights: FilledSlot): Accumulators {
    const { m, n, k, r } = shape
    const { operandSums, operandUniform, weightSums, plus, minus, product } = this.#at
    const rank = padK(r)
    const paddedN = padN(n)
    this.#operandFactors(operand, shape, noise, weights)
    const paddedK = padK(k)
    for (let c = 0; c < paddedK; c++) {
      this.#int32[(plus >> 2) + c] = c < k ? scatterOffset(noise.sparse.plus[c]!) : 0
      this.#int32[(minus >> 2) + c] = c < k ? scatterOffset(noise.sparse.minus[c]!) : 0
    }
    this.#int16.fill(0, weightSums >> 1, (weightSums >> 1) + paddedN * rank)
    this.#kernels.scatter({ dst: weightSums, src: weights.noised, plus, minus, k: paddedK, n: paddedN, r: rank })
    this.#kernels.pairUp(weightSums, paddedN, rank)
    const call = { lda: 2 * rank, c: product, ldc: 4 * paddedN, m, n: paddedN, k: rank, add: true }
    this.#kernels.gemm8({ ...call, a: operandSums, w: weights.uniform })
    this.#kernels.gemm16({ ...call, a: operandUniform, w: weightSums })
    return { values: this.#int32, start: product >> 2, stride: paddedN }
  }

  /** -A F_L and -E_L. Both fit int16: the caller has checked the first, the second lies in [-31, 32]. */
  #operandFactors(operand: Operand, shape: TicketShape, noise: NoiseFactors, weights: FilledSlot): void {
    const { m, k, r } = shape
    const rank = padK(r)
    const { plus, minus } = weights.factors.sparse
    for (let i = 0; i < m; i++) {
      const from = operand.start + i * operand.stride
      const sums = (this.#at.operandSums >> 1) + i * rank
      const uniform = (this.#at.operandUniform >> 1) + i * rank
      for (let t = 0; t < rank; t++) {
        this.#int16[sums + t] = 0
        this.#int16[uniform + t] = t < r ? -noise.uniform[i * r + t]! : 0
      }
      for (let c = 0; c < k; c++) {
        const value = operand.values[from + c]!
        this.#int16[sums + plus[c]!]! -= value
        this.#int16[sums + minus[c]!]! += value
      }
    }
  }

  /** Where a sum of the sparse products might leave int16: k / r far beyond what any model uses. */
  #denoiseByReference(operand: Operand, shape: TicketShape, noise: NoiseFactors, weights: FilledSlot): Accumulators {
    const { m, k, n, r } = shape
    const product = new Int32Array(m * n)
    for (let i = 0; i < m; i++) {
      const row = (this.#at.product >> 2) + i * padN(n)
      product.set(this.#int32.subarray(row, row + n), i * n)
    }
    const values = denoise({
      m,
      k,
      n,
      product,
      operand: this.#rows8(operand.values, operand.start, operand.stride, shape),
      operandNoise: { rank: r, firstRow: 0, uniform: noise.uniform, sparse: noise.sparse },
      noisedWeights: weights.rows,
      weightNoise: { rank: r, firstRow: 0, uniform: weights.factors.uniform, sparse: weights.factors.sparse },
    })
    return { values, start: 0, stride: n }
  }

  #rows8(values: Int16Array, start: number, stride: number, shape: TicketShape): Int8Array {
    const out = new Int8Array(shape.m * shape.k)
    for (let i = 0; i < shape.m; i++) {
      out.set(values.subarray(start + i * stride, start + i * stride + shape.k), i * shape.k)
    }
    return out
  }
}
