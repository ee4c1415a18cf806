/**
 * JOB-2: work is counted in multiply-accumulates of linear layers, a function of the model and of two lengths, so it is known before anything
 * is executed. Prompt (input) and generated tokens (output) are counted apart.
 *
 *   P = 3, G = 2        token      a   b   c   d   e
 *                       layers     *   *   * | *   .       P in the prompt, G - 1 in the decode: e is never fed
 *                       head       .   .   * | *   .       G times, all of them output
 *
 * They are priced apart too: one price per output GMAC, of which an input GMAC costs the part `jobs.inputPricePpm`. What a job may
 * cost at most is known when it is posted; what is charged depends on the tokens really generated.
 */
import { expect, test } from 'vitest'
import {
  decodeFee,
  decodeMacs,
  headMacs,
  jobFee,
  macsPerPosition,
  presets,
  promptFee,
  promptMacs,
  unitMacs,
  unitModel,
} from '../../src/index.ts'
import { accepted, rejected } from './verbs.ts'

const dims = unitModel().config
const { dModel, nLayers, nHeads, nKvHeads, headDim, ffnDim, vocabSize } = dims

test('one position: q,k,v and o, gate, up and down of every layer', () => {
  const qkv = (nHeads + 2 * nKvHeads) * headDim * dModel
  const o = nHeads * headDim * dModel
  expect(macsPerPosition(dims)).toBe(nLayers * (qkv + o + 3 * ffnDim * dModel))
  expect(headMacs(dims)).toBe(vocabSize * dModel)
})

test('three prompt tokens and two generated ones', () => {
  expect(promptMacs(dims, 3)).toBe(3 * macsPerPosition(dims))
  expect(decodeMacs(dims, 2)).toBe(1 * macsPerPosition(dims) + 2 * headMacs(dims))
  expect(unitMacs(dims, 3, 2)).toBe(4 * macsPerPosition(dims) + 2 * headMacs(dims))
})

test('a count that is no longer exact is refused', () => {
  const huge = { ...dims, dModel: 2 ** 17, ffnDim: 2 ** 16, nLayers: 256 }
  accepted(() => promptMacs(huge, 2 ** 10))
  rejected('UNIT_SHAPE', () => promptMacs(huge, 2 ** 16))
})

test('an output GMAC costs the price, an input GMAC a quarter of it, both rounded down', () => {
  const { unit } = presets
  expect(unit.jobs.inputPricePpm).toBe(250_000)
  const price = 1_000_000_007n
  expect(decodeFee(dims, 4, price)).toBe((price * BigInt(decodeMacs(dims, 4))) / 10n ** 9n)
  expect(promptFee(unit, dims, 24, price)).toBe((price * BigInt(promptMacs(dims, 24))) / (4n * 10n ** 9n))
  const free = { ...unit, jobs: { ...unit.jobs, inputPricePpm: 0 } }
  expect(promptFee(free, dims, 24, price)).toBe(0n)
})

test('the bound is the fee of every token that may be generated, and grows with the price', () => {
  const { unit } = presets
  const shape = { promptTokens: 24, maxNewTokens: 8 }
  const most = jobFee(unit, dims, shape, 10n ** 9n)
  expect(most).toBe(promptFee(unit, dims, 24, 10n ** 9n) + decodeFee(dims, 8, 10n ** 9n))
  for (let newTokens = 1; newTokens <= 8; newTokens++)
    expect(promptFee(unit, dims, 24, 10n ** 9n) + decodeFee(dims, newTokens, 10n ** 9n) <= most).toBe(true)
  expect(jobFee(unit, dims, shape, 10n ** 9n - 1n) <= most).toBe(true)
})
