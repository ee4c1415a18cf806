// Units (UNT-1 to UNT-3): ids that differ by every field, and bootstrap prompts that only the unit id chooses.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesToHex } from '../src/bytes.ts'
import { executeUnit } from '../src/inference/execute.ts'
import { EMPTY_MERKLE_ROOT } from '../src/merkle.ts'
import { unitModel } from '../src/model/synthetic.ts'
import { presets } from '../src/params/presets.ts'
import type { Params } from '../src/params/types.ts'
import { bootstrapPrompt, bootstrapTask, type Corpus, checkCorpus, corpusRoot } from '../src/unit/bootstrap.ts'
import { endsByRule } from '../src/unit/length-rule.ts'
import { unitCorpus } from '../src/unit/synthetic-corpus.ts'
import { LANE_BOOTSTRAP, LANE_PAID, type Lane, type UnitDescriptor } from '../src/unit/types.ts'
import { unitId } from '../src/unit/unit-id.ts'
import { codeOf, task } from './trace-fixture.ts'

const fill = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const bootstrap: UnitDescriptor = {
  lane: LANE_BOOTSTRAP,
  modelId: fill(1),
  parentId: fill(2),
  jobId: fill(0),
  counter: 7,
}
const paid: UnitDescriptor = { ...bootstrap, lane: LANE_PAID, jobId: fill(3), counter: 0 }

describe('unitId (UNT-1)', () => {
  test('differs by lane, model, parent, job, counter and miner', () => {
    const ids = [
      unitId(bootstrap, fill(9)),
      unitId(bootstrap, fill(8)),
      unitId({ ...bootstrap, modelId: fill(4) }, fill(9)),
      unitId({ ...bootstrap, parentId: fill(4) }, fill(9)),
      unitId({ ...bootstrap, counter: 8 }, fill(9)),
      unitId({ ...bootstrap, counter: 2 ** 32 - 1 }, fill(9)),
      unitId(paid, fill(9)),
      unitId({ ...paid, jobId: fill(5) }, fill(9)),
    ].map(bytesToHex)
    expect(new Set(ids).size).toBe(ids.length)
    expect(bytesToHex(unitId({ ...bootstrap }, fill(9)))).toBe(ids[0])
    expect(ids[0]).toHaveLength(64)
  })

  test('fields of 32 bytes cannot be swapped for one another', () => {
    const swapped = { ...bootstrap, parentId: bootstrap.modelId, modelId: bootstrap.parentId }
    expect(unitId(swapped, fill(9))).not.toEqual(unitId(bootstrap, fill(9)))
    expect(unitId({ ...bootstrap, parentId: fill(9) }, fill(2))).not.toEqual(unitId(bootstrap, fill(9)))
  })

  const lanes: Record<string, UnitDescriptor> = {
    'a bootstrap unit with a job': { ...bootstrap, jobId: fill(3) },
    'a paid unit without a job': { ...paid, jobId: fill(0) },
    'a paid unit with a counter': { ...paid, counter: 1 },
    'open work with a model': { ...bootstrap, lane: 2 },
    'a lane that is none': { ...bootstrap, lane: 3 as Lane },
  }
  test.each(Object.keys(lanes))('rejects %s', (name) => {
    expect(codeOf(() => unitId(lanes[name]!, fill(9)))).toBe('UNIT_LANE')
  })

  test('rejects fields of the wrong size', () => {
    for (const unit of [
      { ...bootstrap, counter: 2 ** 32 },
      { ...bootstrap, counter: -1 },
      { ...bootstrap, counter: 0.5 },
      { ...bootstrap, modelId: new Uint8Array(31) },
    ])
      expect(codeOf(() => unitId(unit, fill(9)))).toBe('CODEC_MALFORMED')
    expect(codeOf(() => unitId(bootstrap, new Uint8Array(33)))).toBe('CODEC_MALFORMED')
  })
})

describe('bootstrap prompts (UNT-3)', () => {
  const params = presets.unit
  const corpus: Corpus = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]]
  const length = params.units.bootstrapPromptTokens
  const withLength = (bootstrapPromptTokens: number): Params => ({
    ...params,
    units: { ...params.units, bootstrapPromptTokens },
  })

  test('begin with 16 bytes of the unit id, then one corpus prompt, repeated or cut', () => {
    const chosen = new Set<number>()
    for (let i = 0; i < 40; i++) {
      const prompt = bootstrapPrompt(params, fill(i), corpus)
      expect(prompt).toHaveLength(length)
      for (const token of prompt.slice(0, 16)) expect(token >= 0 && token < 256).toBe(true)
      const rest = prompt.slice(16)
      const index = corpus.findIndex((source) => source[0] === rest[0])
      chosen.add(index)
      expect(rest).toEqual(rest.map((_, j) => corpus[index]![j % corpus[index]!.length]))
    }
    expect(chosen.size).toBe(3)
  })

  test('share no start between units', () => {
    const starts = Array.from({ length: 200 }, (_, i) => bootstrapPrompt(params, fill(i), corpus).slice(0, 16).join())
    expect(new Set(starts).size).toBe(200)
  })

  test('choose each corpus prompt about equally often', () => {
    const many: Corpus = Array.from({ length: 10 }, (_, i) => [i])
    const counts = new Array<number>(10).fill(0)
    for (let i = 0; i < 4000; i++) {
      const id = fill(0)
      new DataView(id.buffer).setUint32(0, i)
      counts[bootstrapPrompt(withLength(17), id, many)[16]!]!++
    }
    for (const count of counts) expect(Math.abs(count - 400)).toBeLessThan(100)
  })

  test('have the same start whatever the corpus or length', () => {
    const short = bootstrapPrompt(withLength(17), fill(1), corpus)
    expect(bootstrapPrompt(params, fill(1), [[9]]).slice(0, 16)).toEqual(short.slice(0, 16))
  })

  test('are greedy tasks that ignore the end of sequence', () => {
    const unit = bootstrapTask(params, fill(1), unitCorpus())
    expect(unit).toMatchObject({
      promptTokens: bootstrapPrompt(params, fill(1), unitCorpus()),
      maxNewTokens: params.units.bootstrapNewTokens,
      decoding: { temperatureMilli: 0, stopAtEos: false },
    })
    expect(executeUnit(unitModel(), unit).shape.newTokens).toBe(params.units.bootstrapNewTokens)
  })

  test('need a corpus and room for it', () => {
    expect(codeOf(() => bootstrapPrompt(params, fill(1), []))).toBe('UNIT_PROMPT')
    expect(codeOf(() => bootstrapPrompt(params, fill(1), [[]]))).toBe('UNIT_PROMPT')
    expect(codeOf(() => bootstrapPrompt(withLength(16), fill(1), corpus))).toBe('UNIT_PROMPT')
  })

  test('come from the registered corpus only', () => {
    const model = params.models[0]!
    const registered = unitCorpus()
    expect(bytesToHex(corpusRoot(registered))).toBe(model.corpusRoot)
    expect(codeOf(() => checkCorpus(model, registered))).toBe('accepted')
    const swapped = [registered[1]!, registered[0]!, ...registered.slice(2)]
    for (const wrong of [registered.slice(1), swapped, [[], ...registered.slice(1)]])
      expect(codeOf(() => checkCorpus(model, wrong))).toBe('UNIT_PROMPT')
    expect(corpusRoot([])).toEqual(EMPTY_MERKLE_ROOT)
  })
})

describe('endsByRule (MOD-5)', () => {
  const eos = 9
  const free = task({ maxNewTokens: 4 })
  const stopping = task({ maxNewTokens: 4 }, { stopAtEos: true })
  test.each([
    [[1, 2, 3, 4], true, true],
    [[1, 9, 3, 4], true, false],
    [[1, 2, 3, 9], true, true],
    [[1, 2, 9], false, true],
    [[9], false, true],
    [[1, 2, 3], false, false],
    [[], false, false],
    [[1, 2, 3, 4, 9], false, false],
    [[9, 9], false, false],
  ])('%j: ignoring %j, stopping %j', (generated, ignoring, stops) => {
    expect(endsByRule(free, eos, generated)).toBe(ignoring)
    expect(endsByRule(stopping, eos, generated)).toBe(stops)
  })

  test('there is one way to cut a stream of tokens', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(12), { minLength: 4, maxLength: 4 }), (stream) => {
        for (const unit of [free, stopping]) {
          const ends = stream.map((_, i) => stream.slice(0, i + 1)).filter((cut) => endsByRule(unit, eos, cut))
          expect(ends).toHaveLength(1)
        }
      }),
    )
  })
})
