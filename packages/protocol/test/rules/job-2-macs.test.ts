/**
 * JOB-2: work is counted in multiply-accumulates of linear layers, a function of the model and of two lengths, so it is known before anything
 * is executed. Prompt (input) and generated tokens (output) are counted apart.
 *
 *   P = 3, G = 2        token      a   b   c   d   e
 *                       layers     *   *   * | *   .       P in the prompt, G - 1 in the decode: e is never fed
 *                       head       .   .   * | *   .       G times, all of them output
 */
import { expect, test } from 'vitest'
import { decodeMacs, headMacs, macsPerPosition, promptMacs, unitMacs, unitModel } from '../../src/index.ts'
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
