import { check } from '@nacre/protocol'
import type { FloatLayer, FloatModel } from './float-model.ts'

/** One sequence through a float model, token by token: weights and rows are binary32, sums are in binary64. */
export class FloatSession {
  readonly #model: FloatModel
  /** By layer: positions x nKvHeads x headDim. */
  readonly #keys: readonly Float32Array[]
  readonly #values: readonly Float32Array[]
  readonly #logits: Float32Array
  #position = 0

  /** @param positions room for so many, at most the model's. */
  constructor(model: FloatModel, positions: number = model.config.maxSeqLen) {
    const { nLayers, nKvHeads, headDim, vocabSize } = model.config
    const cache = (): Float32Array[] =>
      Array.from({ length: nLayers }, () => new Float32Array(positions * nKvHeads * headDim))
    this.#model = model
    this.#keys = cache()
    this.#values = cache()
    this.#logits = new Float32Array(vocabSize)
  }

  /** Positions that have been fed. */
  get position(): number {
    return this.#position
  }

  /**
   * Feeds one token and returns the logits of the next, in an array that the next call writes to.
   * Throws UNIT_PROMPT for a token outside the vocabulary, UNIT_SHAPE behind the last position.
   */
  feed(token: number): Float32Array {
    const { config, embed, layers, finalNorm, head } = this.#model
    const { dModel, normEps, vocabSize, maxSeqLen } = config
    check(Number.isInteger(token) && token >= 0 && token < vocabSize, 'UNIT_PROMPT', `token ${token} of ${vocabSize}`)
    check(this.#position < maxSeqLen, 'UNIT_SHAPE', `the model has ${maxSeqLen} positions`)
    const h = embed.slice(token * dModel, (token + 1) * dModel)
    const normed = new Float32Array(dModel)
    layers.forEach((layer, l) => {
      norm(h, layer.attnNorm, normEps, normed)
      add(h, this.#attention(layer, l, normed))
      norm(h, layer.ffnNorm, normEps, normed)
      add(h, this.#feedForward(layer, normed))
    })
    norm(h, finalNorm, normEps, normed)
    this.#position++
    return product(head, normed, this.#logits)
  }

  #attention(layer: FloatLayer, l: number, row: Float32Array): Float32Array {
    const { nHeads, nKvHeads, headDim, dModel } = this.#model.config
    const fused = product(layer.qkv, row, new Float32Array((nHeads + 2 * nKvHeads) * headDim))
    for (let head = 0; head < nHeads + nKvHeads; head++) this.#rotate(fused, head * headDim)
    const width = nKvHeads * headDim
    const start = nHeads * headDim
    const keys = this.#keys[l]!
    const values = this.#values[l]!
    keys.set(fused.subarray(start, start + width), this.#position * width)
    values.set(fused.subarray(start + width), this.#position * width)
    const out = new Float32Array(nHeads * headDim)
    for (let head = 0; head < nHeads; head++) {
      const group = Math.floor(head / (nHeads / nKvHeads)) * headDim
      this.#attend(fused, head * headDim, keys, values, group, width, out)
    }
    return product(layer.o, out, new Float32Array(dModel))
  }

  #attend(
    queries: Float32Array,
    query: number,
    keys: Float32Array,
    values: Float32Array,
    group: number,
    width: number,
    out: Float32Array,
  ): void {
    const { headDim } = this.#model.config
    const weights = new Float64Array(this.#position + 1)
    let max = Number.NEGATIVE_INFINITY
    for (let j = 0; j < weights.length; j++) {
      let dot = 0
      for (let d = 0; d < headDim; d++) dot += queries[query + d]! * keys[j * width + group + d]!
      weights[j] = dot / Math.sqrt(headDim)
      max = Math.max(max, weights[j]!)
    }
    let total = 0
    for (let j = 0; j < weights.length; j++) {
      weights[j] = Math.exp(weights[j]! - max)
      total += weights[j]!
    }
    for (let d = 0; d < headDim; d++) {
      let sum = 0
      for (let j = 0; j < weights.length; j++) sum += weights[j]! * values[j * width + group + d]!
      out[query + d] = sum / total
    }
  }

  /** Rotates one head by its interleaved pairs. */
  #rotate(row: Float32Array, start: number): void {
    const { config, ropeCos, ropeSin } = this.#model
    const pairs = config.headDim / 2
    for (let j = 0; j < pairs; j++) {
      const c = ropeCos[this.#position * pairs + j]!
      const s = ropeSin[this.#position * pairs + j]!
      const a = row[start + 2 * j]!
      const b = row[start + 2 * j + 1]!
      row[start + 2 * j] = a * c - b * s
      row[start + 2 * j + 1] = a * s + b * c
    }
  }

  #feedForward({ gateUp, down }: FloatLayer, row: Float32Array): Float32Array {
    const { ffnDim, dModel } = this.#model.config
    const both = product(gateUp, row, new Float32Array(2 * ffnDim))
    const gated = new Float32Array(ffnDim)
    for (let j = 0; j < ffnDim; j++) gated[j] = (both[j]! / (1 + Math.exp(-both[j]!))) * both[ffnDim + j]!
    return product(down, gated, new Float32Array(dModel))
  }
}

function norm(row: Float32Array, gain: Float32Array, eps: number, out: Float32Array): void {
  let squares = 0
  for (let i = 0; i < row.length; i++) squares += row[i]! * row[i]!
  const inv = 1 / Math.sqrt(squares / row.length + eps)
  for (let i = 0; i < row.length; i++) out[i] = row[i]! * inv * gain[i]!
}

function add(row: Float32Array, other: Float32Array): void {
  for (let i = 0; i < row.length; i++) row[i]! += other[i]!
}

/** out[n] = row n of the matrix times `row`. Four sums, so that additions need not wait for one another. */
function product(matrix: Float32Array, row: Float32Array, out: Float32Array): Float32Array {
  const k = row.length
  const whole = k - (k % 4)
  for (let n = 0; n < out.length; n++) {
    const base = n * k
    let s0 = 0
    let s1 = 0
    let s2 = 0
    let s3 = 0
    for (let i = 0; i < whole; i += 4) {
      s0 += matrix[base + i]! * row[i]!
      s1 += matrix[base + i + 1]! * row[i + 1]!
      s2 += matrix[base + i + 2]! * row[i + 2]!
      s3 += matrix[base + i + 3]! * row[i + 3]!
    }
    for (let i = whole; i < k; i++) s0 += matrix[base + i]! * row[i]!
    out[n] = s0 + s1 + s2 + s3
  }
  return out
}
