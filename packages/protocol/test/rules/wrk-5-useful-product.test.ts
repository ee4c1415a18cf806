/**
 * WRK-5: the product that the model needs comes back exactly out of the noised one, through the rank-r factors: mining computes what was
 * asked for and nothing is lost.
 *
 *   A W = A'W' - A F - E W'        A' = A + E,  W' = W + F
 *
 * On random and extreme operands: lottery-fold.test.ts. Whole units with the engine: packages/engine/test/kernels.test.ts.
 */
import { expect, test } from 'vitest'
import {
  denoise,
  foldProduct,
  noisedOperandRows,
  noisedWeightColumns,
  noiseMatrix,
  operandNoise,
  weightNoise,
} from '../../src/index.ts'
import { filled } from './verbs.ts'

const [m, k, n, r] = [2, 8, 3, 4]
const operand = Int8Array.from({ length: m * k }, (_, t) => ((t * 29) % 127) - 63)
const q = Int8Array.from({ length: n * k }, (_, t) => ((t * 41) % 127) - 63)
const weights = { rows: n, columns: k, q, scale: new Float32Array(n) }

/** Row by row, weights being stored one output column per row. */
function product(a: Int8Array, w: Int8Array): Int32Array {
  return Int32Array.from({ length: m * n }, (_, t) => {
    const [i, j] = [Math.floor(t / n), t % n]
    let sum = 0
    for (let c = 0; c < k; c++) sum += a[i * k + c]! * w[j * k + c]!
    return sum
  })
}

const e = operandNoise(filled(1), k, r, 0, m)
const f = weightNoise(filled(2), k, r, 0, n)
const noisedWeights = noisedWeightColumns(weights, f)
const noised = foldProduct(noisedOperandRows(operand, e), noisedWeights, { m, k, n, r, h: 1, w: 1 }).product
const input = { m, k, n, operand, operandNoise: e, noisedWeights, weightNoise: f, product: noised }

test('the noised product is not the useful one, and denoises to it', () => {
  expect(noised).not.toEqual(product(operand, q))
  expect(denoise(input)).toEqual(product(operand, q))
})

test('it is A W = A W noised - A F - E W noised, with whole matrices', () => {
  const aF = product(operand, noiseMatrix(f))
  const eW = product(noiseMatrix(e), noisedWeights)
  expect(noised.map((value, t) => value - aF[t]! - eW[t]!)).toEqual(denoise(input))
})

test('with the noise of another seed nothing comes back', () => {
  const otherE = { ...input, operandNoise: operandNoise(filled(3), k, r, 0, m) }
  const otherF = { ...input, weightNoise: weightNoise(filled(3), k, r, 0, n) }
  for (const other of [otherE, otherF]) expect(denoise(other)).not.toEqual(product(operand, q))
})
