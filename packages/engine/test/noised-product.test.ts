/** Ticket operations through noise, fold and denoising: the exact product, and the reference's fold states (WRK-2 to WRK-5). */
import {
  emptyTrace,
  FOLD_WORDS,
  foldProduct,
  type KeyedHash,
  type LotteryParams,
  type Model,
  noisedOperandRows,
  noiseWeights,
  operandNoise,
  operandNoiseSeed,
  preRootOf,
  TICKET_OPS,
  ticketMatrix,
  ticketShape,
} from '@nacre/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { createFastHash, createKernels, type KernelFactory } from '../src/index.ts'
import { NoisedProducts } from '../src/run/noised-product.ts'
import { createRandom, type Random, randomLottery, randomModel } from './support/random.ts'

const MODELS = 100
const OPERANDS = 5

let hash: KeyedHash
beforeAll(async () => {
  hash = await createFastHash()
})

function checkProducts(
  random: Random,
  model: Model,
  modelParams: LotteryParams,
  factory: KernelFactory,
  where: string,
): void {
  const products = new NoisedProducts(model, modelParams, factory, hash)
  const { dModel: k, maxSeqLen } = model.config
  for (let round = 0; round < OPERANDS; round++) {
    const m = 1 + random.below(maxSeqLen)
    const keys = {
      parentBeacon: new Uint8Array(32).fill(random.below(3)),
      unitId: random.bytes(32),
      minerKey: random.bytes(32),
    }
    const trace = emptyTrace({ promptTokens: m, newTokens: 1, dims: model.config })
    trace.h[0]!.set(random.f32(m * k, false))
    trace.x[0]!.set(random.f32(m * k, false))
    products.begin()
    const states: number[] = []
    for (const op of TICKET_OPS) {
      const operand = random.int8(m * k, 63)
      const stride = k + random.below(9)
      const values = new Int16Array(m * stride)
      for (let i = 0; i < m; i++) values.set(operand.subarray(i * k, (i + 1) * k), i * stride)
      const actual = products.product(keys, trace, 0, op, { values, start: 0, stride, rows: m })

      const shape = ticketShape(model.config, modelParams, op, m)
      const { q } = ticketMatrix(model, 0, op)
      const plain = foldProduct(operand, q, { ...shape, r: k }).product
      for (let i = 0; i < m; i++) {
        const row = actual.values.subarray(actual.start + i * actual.stride).subarray(0, shape.n)
        expect(row, where).toEqual(plain.subarray(i * shape.n, (i + 1) * shape.n))
      }
      const side = { modelParams, model, parentBeacon: keys.parentBeacon, layer: 0, op }
      const weights = noiseWeights(side, undefined, undefined, hash)
      expect(products.cache.kept(keys.parentBeacon, 0, op), where).toEqual(weights)
      const preRoot = preRootOf(trace, 0, op, hash)
      const seed = operandNoiseSeed({ ...keys, weightSeed: weights.seed, preRoot, m, k })
      const noised = noisedOperandRows(operand, operandNoise(seed, k, shape.r, 0, m, hash))
      states.push(...foldProduct(noised, weights.noised, shape).states.flatMap((state) => [...state]))
    }
    expect(states.length % FOLD_WORDS).toBe(0)
    expect([...products.states], where).toEqual(states)
  }
}

describe.each(['wasm-simd', 'scalar'] as const)('%s', (name) => {
  test(`${MODELS * OPERANDS * 2} products of ${MODELS} models`, async () => {
    const factory = await createKernels(name)
    for (let seed = 0; seed < MODELS; seed++) {
      const random = createRandom(seed)
      const rank = random.pick([4, 8, 16, 32])
      const model = randomModel(random, { extreme: random.chance(0.5), rank, maxSeqLen: 24, layers: 1 })
      checkProducts(random, model, randomLottery(random, rank), factory, `seed ${seed}`)
    }
  })

  test('sums that might not fit int16 take the exact way round', async () => {
    const random = createRandom(7)
    const rank = 8
    // About k / r = 300 values meet in each sum.
    const model = randomModel(random, { extreme: false, rank, maxSeqLen: 4, layers: 1, dModel: 2400 })
    checkProducts(random, model, { noiseRank: rank, tileRows: 2, tileColumns: 8 }, await createKernels(name), 'wide')
  })
})
