/** Deterministic random values for differential tests: a failing case is named by its seed. */
import {
  BYTE_TOKENIZER_HASH,
  buildModel,
  type LotteryParams,
  type Model,
  type ModelConfig,
  type QuantMatrix,
  type UnitTask,
} from '@nacre/protocol'

export interface Random {
  /** Integer in 0 .. n - 1. */
  below(n: number): number
  pick<T>(values: readonly T[]): T
  chance(probability: number): boolean
  bytes(n: number): Uint8Array
  int8(n: number, max: number): Int8Array
  /** Finite binary32 values; `extreme` adds zeros, subnormals and the largest. */
  f32(n: number, extreme: boolean): Float32Array
}

/** mulberry32. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n: number): number => Math.floor(next() * n)
  const pick = <T>(values: readonly T[]): T => values[below(values.length)]!
  const value = (extreme: boolean): number => {
    if (!extreme || next() < 0.7) return (next() - 0.5) * 2 ** (below(8) - 3)
    return pick([0, -0, 2 ** -149, -(2 ** -130), 2 ** -126, 1e-20, -1e-20, 1e19, -1e30, 3.4028234663852886e38])
  }
  return {
    below,
    pick,
    chance: (probability) => next() < probability,
    bytes: (n) => Uint8Array.from({ length: n }, () => below(256)),
    int8: (n, max) => Int8Array.from({ length: n }, () => below(2 * max + 1) - max),
    f32: (n, extreme) => Float32Array.from({ length: n }, () => value(extreme)),
  }
}

/** Scales are +0 or positive normal binary32 (MOD-4). */
function scales(random: Random, n: number, extreme: boolean): Float32Array {
  return Float32Array.from({ length: n }, () => {
    if (!extreme || random.chance(0.7)) return (random.below(255) + 1) / 2 ** 13
    return random.pick([0, 2 ** -126, 1e-30, 1, 1e20, 3e38])
  })
}

function matrix(random: Random, rows: number, columns: number, extreme: boolean): QuantMatrix {
  const q = random.int8(rows * columns, 63)
  for (let row = 0; row < rows; row++) {
    if (!extreme || random.chance(0.8)) continue
    q.fill(random.pick([0, 63, -63]), row * columns, (row + 1) * columns)
  }
  return { rows, columns, q, scale: scales(random, rows, extreme) }
}

export interface RandomModelOptions {
  readonly extreme: boolean
  /** r of the lottery: the width is a multiple of it. */
  readonly rank: number
  readonly maxSeqLen: number
  readonly layers?: number
  readonly dModel?: number
}

/** A small model of random shape: grouped-query, multi-head and multi-query attention, odd widths, tied and untied heads. */
export function randomModel(random: Random, options: RandomModelOptions): Model {
  const { extreme, rank, maxSeqLen } = options
  const dModel = options.dModel ?? rank * (1 + random.below(3))
  const nKvHeads = 1 + random.below(3)
  const nHeads = nKvHeads * (1 + random.below(3))
  const headDim = random.pick([2, 4, 6, 8, 10, 16])
  const ffnDim = 1 + random.below(40)
  const vocabSize = 2 + random.below(60)
  const tiedHead = random.chance(0.5)
  const nLayers = options.layers ?? 1 + random.below(3)
  const config: ModelConfig = {
    ...{ name: 'random', dModel, nLayers, nHeads, nKvHeads, headDim, ffnDim, vocabSize, maxSeqLen, tiedHead },
    normEps: Math.fround(random.pick([1e-5, 1e-6, 2 ** -126, 1])),
    bosToken: 0,
    eosToken: random.below(vocabSize),
    tokenizerHash: BYTE_TOKENIZER_HASH,
  }
  // The embedding itself must not overflow.
  const embed = matrix(random, vocabSize, dModel, extreme)
  embed.scale.set(embed.scale.map((scale) => Math.min(scale, 1e36)))
  return buildModel(config, {
    embed,
    layers: Array.from({ length: nLayers }, () => ({
      attnNorm: random.f32(dModel, extreme),
      qkv: matrix(random, (nHeads + 2 * nKvHeads) * headDim, dModel, extreme),
      o: matrix(random, dModel, nHeads * headDim, extreme),
      ffnNorm: random.f32(dModel, extreme),
      gateUp: matrix(random, 2 * ffnDim, dModel, extreme),
      down: matrix(random, dModel, ffnDim, extreme),
    })),
    finalNorm: random.f32(dModel, extreme),
    head: tiedHead ? embed : matrix(random, vocabSize, dModel, extreme),
    ropeCos: random.f32((maxSeqLen * headDim) / 2, extreme),
    ropeSin: random.f32((maxSeqLen * headDim) / 2, extreme),
  })
}

/** A task that the model can execute: one to many prompt tokens, greedy or sampled. */
export function randomTask(random: Random, model: Model): UnitTask {
  const { vocabSize, maxSeqLen } = model.config
  const promptTokens = random.chance(0.15) ? 1 : 1 + random.below(Math.floor((2 * maxSeqLen) / 3))
  const maxNewTokens = 1 + random.below(Math.min(8, maxSeqLen - promptTokens + 1))
  return {
    promptTokens: Array.from({ length: promptTokens }, () => random.below(vocabSize)),
    maxNewTokens,
    decoding: {
      temperatureMilli: random.chance(0.5) ? 0 : 1 + random.below(3000),
      seed: random.bytes(32),
      stopAtEos: random.chance(0.5),
    },
  }
}

/** Tiles that the kernels can fold, and now and then some that they cannot. */
export function randomLottery(random: Random, rank: number): LotteryParams {
  return { noiseRank: rank, tileRows: 1 + random.below(9), tileColumns: random.pick([8, 8, 16, 24, 5]) }
}
