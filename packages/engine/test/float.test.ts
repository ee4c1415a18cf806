/** The float path, which int8 models are compared with: right by a second way to compute it, and perplexities by definition. */
import { executeUnit, logitsOf, type UnitTask, unitModel } from '@nacre/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  createFastHash,
  createKernels,
  createUnitEngine,
  dequantisedModel,
  engineScorer,
  type FloatModel,
  FloatSession,
  floatScorer,
  generateFloat,
  loadFloatModel,
  loadModel,
  openSourceModel,
  perplexity,
  sampleTexts,
} from '../src/index.ts'
import { Folder } from './support/import-folder.ts'
import { llama2cParts, llama2cTokenizer } from './support/import-llama2c.ts'
import { CONFIG, randomWeights, type Weights } from './support/import-weights.ts'

let folder: Folder
beforeEach(() => {
  folder = new Folder()
})
afterEach(() => folder.remove())

async function floatModel(weights: Weights, config = CONFIG): Promise<FloatModel> {
  folder.write('tokenizer.bin', llama2cTokenizer())
  const source = await openSourceModel(folder.write('x.bin', Buffer.concat(llama2cParts(weights, config))))
  const model = await loadFloatModel(source)
  await source.close()
  return model
}

/** Weights that keep rows at their size, so that nothing saturates. */
function gentleWeights(config = CONFIG): Map<string, Float32Array> {
  const weights = randomWeights(config)
  for (const [part, values] of weights)
    if (!part.endsWith('Norm'))
      weights.set(
        part,
        values.map((v) => v / 8),
      )
  return weights
}

const greedy = { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false }

/** Logits after the last token, in plain binary64 and from the original parts, everything anew. */
function slowLogits(weights: Weights, tokens: readonly number[], config = CONFIG): number[] {
  const { dModel, nLayers, nHeads, nKvHeads, headDim, normEps, ropeTheta, vocabSize } = config
  const times = (part: string, row: readonly number[]): number[] => {
    const m = weights.get(part)!
    return Array.from({ length: m.length / row.length }, (_, n) =>
      row.reduce((sum, v, i) => sum + m[n * row.length + i]! * v, 0),
    )
  }
  const norm = (part: string, row: readonly number[]): number[] => {
    const inv = 1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / dModel + normEps)
    return row.map((v, i) => v * inv * weights.get(part)![i]!)
  }
  const rotated = (row: readonly number[], position: number): number[] =>
    row.map((v, i) => {
      const angle = position / ropeTheta ** ((2 * Math.floor((i % headDim) / 2)) / headDim)
      const other = row[i % 2 === 0 ? i + 1 : i - 1]!
      return v * Math.cos(angle) + (i % 2 === 0 ? -other : other) * Math.sin(angle)
    })
  let rows = tokens.map((token) => [...weights.get('embed')!.subarray(token * dModel, (token + 1) * dModel)])
  for (let l = 0; l < nLayers; l++) {
    const at = `layers.${l}.`
    const normed = rows.map((row) => norm(`${at}attnNorm`, row))
    const q = normed.map((row, i) => rotated(times(`${at}q`, row), i))
    const k = normed.map((row, i) => rotated(times(`${at}k`, row), i))
    const v = normed.map((row) => times(`${at}v`, row))
    rows = rows.map((row, i) => {
      const out: number[] = []
      for (let head = 0; head < nHeads; head++) {
        const group = Math.floor(head / (nHeads / nKvHeads))
        const scores = k.slice(0, i + 1).map((key) => {
          let dot = 0
          for (let d = 0; d < headDim; d++) dot += q[i]![head * headDim + d]! * key[group * headDim + d]!
          return Math.exp(dot / Math.sqrt(headDim))
        })
        const total = scores.reduce((sum, score) => sum + score, 0)
        for (let d = 0; d < headDim; d++)
          out.push(scores.reduce((sum, score, j) => sum + (score / total) * v[j]![group * headDim + d]!, 0))
      }
      const x = times(`${at}o`, out).map((y, d) => row[d]! + y)
      const b = norm(`${at}ffnNorm`, x)
      const up = times(`${at}up`, b)
      const gated = times(`${at}gate`, b).map((g, j) => (g / (1 + Math.exp(-g))) * up[j]!)
      return times(`${at}down`, gated).map((y, d) => x[d]! + y)
    })
  }
  return times(config.tiedHead ? 'embed' : 'head', norm('finalNorm', rows.at(-1)!)).slice(0, vocabSize)
}

describe('a float session', () => {
  test.each([true, false])('gives the logits of the plain formulas (head tied: %s)', async (tiedHead) => {
    const config = { ...CONFIG, tiedHead }
    const weights = gentleWeights(config)
    const model = await floatModel(weights, config)
    const session = new FloatSession(model)
    const tokens = [1, 260, 5, 5, 271, 0, 99]
    tokens.forEach((token, i) => {
      const logits = session.feed(token)
      const expected = slowLogits(weights, tokens.slice(0, i + 1), config)
      const largest = Math.max(...expected.map(Math.abs))
      expected.forEach((value, t) => void expect(Math.abs(logits[t]! - value)).toBeLessThan(1e-4 * largest))
    })
    expect(session.position).toBe(tokens.length)
  })

  test('refuses tokens and positions that the model does not have', async () => {
    const session = new FloatSession(await floatModel(randomWeights()))
    for (const token of [-1, 272, 0.5, Number.NaN]) expect(() => session.feed(token)).toThrow('UNIT_PROMPT')
    for (let i = 0; i < CONFIG.maxSeqLen; i++) session.feed(i)
    expect(() => session.feed(0)).toThrow('UNIT_SHAPE')
  })
})

describe('generation', () => {
  test('is that of the units: greedy or sampled, ended by length or end of sequence', async () => {
    const model = await floatModel(gentleWeights())
    const task: UnitTask = { promptTokens: [1, 260], maxNewTokens: 10, decoding: greedy }
    const tokens = await generateFloat(model, task)
    expect(tokens).toHaveLength(12)
    const session = new FloatSession(model)
    session.feed(1)
    const logits = [...session.feed(260)]
    expect(tokens[2]).toBe(logits.indexOf(Math.max(...logits)))
    const decoding = { ...greedy, temperatureMilli: 2000 }
    const sampled = await generateFloat(model, { ...task, decoding })
    expect(await generateFloat(model, { ...task, decoding })).toEqual(sampled)
    const seed = new Uint8Array(32).fill(1)
    expect(await generateFloat(model, { ...task, decoding: { ...decoding, seed } })).not.toEqual(sampled)
    const ending = { ...model, config: { ...model.config, eosToken: tokens[5]! } }
    const ended = await generateFloat(ending, { ...task, decoding: { ...greedy, stopAtEos: true } })
    expect(ended).toEqual(tokens.slice(0, tokens.indexOf(tokens[5]!, 2) + 1))
    await expect(generateFloat(model, { ...task, maxNewTokens: 17 })).rejects.toThrow('UNIT_SHAPE')
    await expect(generateFloat(model, { ...task, promptTokens: [] })).rejects.toThrow('UNIT_PROMPT')
  })

  test('can be interrupted', async () => {
    const model = await loadModel(new URL('../../../models/nacre-small/model.safetensors', import.meta.url).pathname)
    const abort = new AbortController()
    const work = sampleTexts(dequantisedModel(model), 1_000_000, abort.signal)
    setTimeout(() => abort.abort(new Error('enough')), 10)
    await expect(work).rejects.toThrow('enough')
  })
})

describe('perplexity', () => {
  test('of a model that knows nothing is the size of the vocabulary', async () => {
    const weights = randomWeights()
    weights.get('embed')!.fill(0)
    const model = await floatModel(weights)
    const texts = [[260, 261], Array.from({ length: 40 }, (_, i) => i)]
    expect(await perplexity(floatScorer(model), model.config, texts)).toBeCloseTo(CONFIG.vocabSize, 6)
  })

  test('is the exponential of the mean loss over all tokens; long texts begin anew', async () => {
    const asked: (readonly number[])[] = []
    const score = async (tokens: readonly number[]): Promise<number[]> => {
      asked.push(tokens)
      return tokens.slice(1).map((token) => token / 10)
    }
    const config = { maxSeqLen: 3, vocabSize: 10, bosToken: 9 }
    const result = await perplexity(score, config, [[1, 2, 3, 4, 5], [6]])
    expect(result).toBeCloseTo(Math.exp(2.1 / 6), 12)
    expect(asked).toEqual([
      [9, 1, 2, 3],
      [9, 4, 5],
      [9, 6],
    ])
    await expect(perplexity(score, config, [[10]])).rejects.toThrow('UNIT_PROMPT')
    await expect(perplexity(score, config, [[]])).rejects.toThrow('UNIT_PROMPT')
  })

  test('of an int8 model is that of the reference, token for token', async () => {
    const model = unitModel()
    const engine = createUnitEngine({ model, kernels: await createKernels(), hash: await createFastHash() })
    const tokens = [256, 72, 101, 108, 108, 111, 32, 257]
    const losses = await engineScorer(engine)(tokens)
    const { dModel, nLayers } = model.config
    tokens.slice(1).forEach((token, i) => {
      const task = { promptTokens: tokens.slice(0, i + 1), maxNewTokens: 1, decoding: greedy }
      const rows = executeUnit(model, task).h[nLayers]!
      const logits = logitsOf(model, rows.subarray(i * dModel, (i + 1) * dModel))
      const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0)
      expect(losses[i]).toBeCloseTo(Math.log(total) - logits[token]!, 9)
    })
  })

  test('of the same model in float and int8 is nearly the same, and lowest for what float makes up', async () => {
    const model = await loadModel(new URL('../../../models/nacre-small/model.safetensors', import.meta.url).pathname)
    const float = dequantisedModel(model)
    const engine = createUnitEngine({ model, kernels: await createKernels(), hash: await createFastHash() })
    const texts = await sampleTexts(float, 200)
    expect(texts.flat()).toHaveLength(200)
    const inFloat = await perplexity(floatScorer(float), float.config, texts)
    const inInt8 = await perplexity(engineScorer(engine), model.config, texts)
    expect(inFloat).toBeLessThan(20)
    expect(inInt8 / inFloat).toBeGreaterThan(0.9)
    expect(inInt8 / inFloat).toBeLessThan(1.1)
    const noise = [Array.from({ length: 200 }, (_, i) => (i * 97) % 256)]
    expect(await perplexity(floatScorer(float), float.config, noise)).toBeGreaterThan(2 * inFloat)
  })
})
