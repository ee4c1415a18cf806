/** Noised products of the Pearl baseline on the kernels: fold states of all tiles of A'B' (chapter 12). */
import { FOLD_WORDS, type KeyedHash, pearl } from '@nacre/protocol'
import { Arena } from '../kernels/arena.ts'
import { operandStride } from '../kernels/product-layout.ts'
import { type KernelFactory, type Kernels, padN, padRows } from '../kernels/types.ts'
import { pearlNoise } from './noise.ts'

const STATE_BYTES: number = 4 * FOLD_WORDS

/** Sizes of a set of products that share A's shape. */
export interface OpenProductShape {
  /** Rows of A. */
  readonly m: number
  readonly k: number
  /** Noise rank and fold step: a divisor of k. */
  readonly rank: number
  /** Tiles are h x w, h rows and w columns that follow one another. */
  readonly h: number
  readonly w: number
  /** Columns of each B that is kept. */
  readonly columns: readonly number[]
}

/** A memory with the noised Bs of some products. Values of both operands lie in [-63, 63], as the kernels take them. */
export class OpenProduct {
  readonly shape: OpenProductShape
  readonly #kernels: Kernels
  readonly #hash: KeyedHash
  readonly #a: number
  readonly #b: readonly number[]
  readonly #c: number
  readonly #states: number

  /** Throws RangeError where the kernels do not fold such tiles. */
  constructor(factory: KernelFactory, shape: OpenProductShape, hash: KeyedHash) {
    const { m, k, rank, h, w, columns } = shape
    const widest = Math.max(...columns)
    const limits = { rows: padRows(m), k, noisedK: k, noisedN: padN(widest), rank }
    const arena = new Arena()
    this.shape = shape
    this.#hash = hash
    this.#a = arena.reserve(padRows(m) * operandStride(k))
    this.#b = columns.map((n) => arena.reserve(factory.noisedBytes(n, k, rank)))
    this.#c = arena.reserve(4 * padRows(m) * padN(widest))
    this.#states = arena.reserve(STATE_BYTES * Math.floor(m / h) * Math.floor(widest / w))
    const scratch = arena.reserve(factory.scratchBytes(limits))
    this.#kernels = factory.attach(factory.memory(arena.bytes), scratch, limits)
    if (!this.#kernels.canFold(w, rank)) throw new RangeError(`no kernel folds tiles of width ${w} at rank ${rank}`)
  }

  /** Keeps B' = B + F as the B number `slot`. @param b n x k values, B transposed. @param seedB 32 bytes. */
  noiseB(slot: number, b: Int8Array, seedB: Uint8Array): void {
    const { k, rank, columns } = this.shape
    const n = columns[slot]!
    const noise = pearlNoise(pearl.LABEL_B, seedB, n, k, rank, this.#hash)
    this.#kernels.noiseWeights(this.#b[slot]!, b, noise, n, k, rank, false)
  }

  /**
   * The fold states of all tiles of A'B' with the B number `slot`: 64 bytes each, row of tiles by row of tiles. A view that the next
   * call overwrites.
   * @param a m x k values. @param seedA 32 bytes.
   */
  states(slot: number, a: Int8Array, seedA: Uint8Array): Uint8Array {
    const { m, k, rank: r, h, w, columns } = this.shape
    const n = columns[slot]!
    const kernels = this.#kernels
    const memory = new Int8Array(kernels.buffer)
    const lda = operandStride(k)
    for (let i = 0; i < m; i++) memory.set(a.subarray(i * k, (i + 1) * k), this.#a + i * lda)
    const noise = pearlNoise(pearl.LABEL_A, seedA, m, k, r, this.#hash)
    const [rowTiles, columnTiles] = [Math.floor(m / h), Math.floor(n / w)]
    kernels.noisedProduct({
      ...{ shape: { m, k, n, r }, a: this.#a, lda, noise, w: this.#b[slot]!, c: this.#c, ldc: 4 * padN(n) },
      ...{ tiles: { h, w, rowTiles, columnTiles, states: this.#states }, denoise: false },
    })
    return new Uint8Array(kernels.buffer, this.#states, STATE_BYTES * rowTiles * columnTiles)
  }
}
