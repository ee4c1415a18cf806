// The reference executor (MOD-5, MOD-6) and re-execution (BLK-4): both give the same trace, or a named rejection.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, f32ToBytes } from '../src/bytes.ts'
import { executeUnit } from '../src/inference/execute.ts'
import { chooseToken, indexAtWeight, logitsOf } from '../src/inference/next-token.ts'
import { replayUnit } from '../src/inference/replay.ts'
import { buildModel } from '../src/model/build-model.ts'
import { unitModel } from '../src/model/synthetic.ts'
import type { Model, QuantMatrix } from '../src/model/types.ts'
import { commitTrace } from '../src/trace/commit.ts'
import type { Trace } from '../src/trace/types.ts'
import type { UnitTask } from '../src/unit/types.ts'
import { codeOf, oddModel, PROMPT, task, unitModelWithEos } from './trace-fixture.ts'

const model = unitModel()
const generated = (trace: Trace): number[] => [...trace.tokens.slice(trace.shape.promptTokens)]

describe('executeUnit', () => {
  test('writes every position of every layer', () => {
    const trace = executeUnit(model, task())
    expect(trace.shape).toMatchObject({ promptTokens: 7, newTokens: 5 })
    expect([...trace.tokens.slice(0, 7)]).toEqual(PROMPT)
    for (const rows of [...trace.h, ...trace.x]) {
      expect(rows).toHaveLength(11 * 32)
      for (let i = 0; i < 11; i++) expect(rows.subarray(32 * i, 32 * i + 32).some((value) => value !== 0)).toBe(true)
    }
  })

  test('says something, not the same token for ever', () => {
    expect(new Set(generated(executeUnit(model, task({ maxNewTokens: 20 })))).size).toBeGreaterThan(10)
  })

  test('is causal: a longer prompt or generation changes no earlier row', () => {
    const long = executeUnit(model, task({ maxNewTokens: 20 }))
    const short = executeUnit(model, task({ maxNewTokens: 3 }))
    const width = 9 * 32
    expect(short.h.map((rows) => rows.slice(0, width))).toEqual(long.h.map((rows) => rows.slice(0, width)))
    expect(short.x.map((rows) => rows.slice(0, width))).toEqual(long.x.map((rows) => rows.slice(0, width)))
    expect(generated(short)).toEqual(generated(long).slice(0, 3))
  })

  test('depends on the position: the same token elsewhere has other keys, the same values', () => {
    const trace = executeUnit(model, task({ promptTokens: [65, 65, 65], maxNewTokens: 1 }))
    const at = (rows: Int8Array, i: number): number[] => [...rows.subarray(16 * i, 16 * i + 16)]
    expect(at(trace.v[0]!, 1)).toEqual(at(trace.v[0]!, 0))
    expect(at(trace.k[0]!, 1)).not.toEqual(at(trace.k[0]!, 0))
  })

  test.each([0, 700, 1500])('one pass over the committed tokens gives the same trace (temperature %i / 1000)', (t) => {
    for (const seed of [1, 2, 3]) {
      const unit = task({ maxNewTokens: 12 }, { temperatureMilli: t, seed: new Uint8Array(32).fill(seed) })
      const trace = executeUnit(model, unit)
      expect(commitTrace(replayUnit(model, unit, trace.tokens))).toMatchObject({
        traceRoot: commitTrace(trace).traceRoot,
      })
      expect(replayUnit(model, unit, trace.tokens)).toEqual(trace)
    }
  })

  test('works with one KV group, an untied head and odd sizes', () => {
    const odd = oddModel()
    const unit = task({ promptTokens: [1, 98, 0, 5], maxNewTokens: 9 }, { temperatureMilli: 900 })
    const trace = executeUnit(odd, unit)
    expect(replayUnit(odd, unit, trace.tokens)).toEqual(trace)
  })

  test('fills the model to its last position', () => {
    expect(executeUnit(model, task({ maxNewTokens: 58 })).tokens).toHaveLength(65)
    expect(codeOf(() => executeUnit(model, task({ maxNewTokens: 59 })))).toBe('UNIT_SHAPE')
  })

  const impossible: Record<string, [UnitTask, string]> = {
    'an empty prompt': [task({ promptTokens: [] }), 'UNIT_PROMPT'],
    'a token outside the vocabulary': [task({ promptTokens: [1, 260] }), 'UNIT_PROMPT'],
    'a negative token': [task({ promptTokens: [-1] }), 'UNIT_PROMPT'],
    'a fraction of a token': [task({ promptTokens: [1.5] }), 'UNIT_PROMPT'],
    'nothing to generate': [task({ maxNewTokens: 0 }), 'UNIT_SHAPE'],
    'a negative temperature': [task({}, { temperatureMilli: -1 }), 'UNIT_SHAPE'],
    'a temperature beyond 16 bits': [task({}, { temperatureMilli: 65_536 }), 'UNIT_SHAPE'],
    'a short seed': [task({}, { seed: new Uint8Array(31) }), 'UNIT_SHAPE'],
  }
  test.each(Object.keys(impossible))('refuses %s', (name) => {
    const [unit, code] = impossible[name]!
    expect(codeOf(() => executeUnit(model, unit))).toBe(code)
    expect(codeOf(() => replayUnit(model, unit, [...unit.promptTokens, 1]))).toBe(code)
  })

  test('stays finite and reproducible with the largest weights there can be', () => {
    const largest = (matrix: QuantMatrix, scale: number): QuantMatrix => ({
      ...matrix,
      scale: new Float32Array(matrix.rows).fill(scale),
    })
    for (const scale of [5e36, 2 ** -126]) {
      const embed = largest(model.embed, scale)
      const extreme: Model = buildModel(model.config, {
        ...model,
        embed,
        head: embed,
        layers: model.layers.map((layer) => ({
          ...layer,
          qkv: largest(layer.qkv, 3e38),
          o: largest(layer.o, scale),
          gateUp: largest(layer.gateUp, 3e38),
          down: largest(layer.down, 3e38),
        })),
      })
      for (const temperatureMilli of [0, 1, 65_535]) {
        const unit = task({}, { temperatureMilli })
        const trace = executeUnit(extreme, unit)
        for (const rows of [...trace.h, ...trace.x, ...trace.kScale, ...trace.vScale, ...trace.oScale])
          expect(rows.every(Number.isFinite)).toBe(true)
        expect(replayUnit(extreme, unit, trace.tokens)).toEqual(trace)
      }
    }
  })
})

describe('the end of a generation (MOD-5)', () => {
  const free = generated(executeUnit(model, task({ maxNewTokens: 8 })))
  const eos = free[3]!
  const stopping = unitModelWithEos(eos)

  test('is the first end-of-sequence token, which belongs to the trace', () => {
    expect(free.indexOf(eos)).toBe(3)
    const unit = task({ maxNewTokens: 8 }, { stopAtEos: true })
    const trace = executeUnit(stopping, unit)
    expect(trace.shape.newTokens).toBe(4)
    expect(generated(trace)).toEqual(free.slice(0, 4))
    expect(replayUnit(stopping, unit, trace.tokens)).toEqual(trace)
    const exact = executeUnit(stopping, task({ maxNewTokens: 4 }, { stopAtEos: true }))
    expect(exact).toEqual(trace)
  })

  test('is the maximum length where end of sequence is ignored or does not come', () => {
    expect(generated(executeUnit(stopping, task({ maxNewTokens: 8 })))).toEqual(free)
    expect(generated(executeUnit(stopping, task({ maxNewTokens: 3 }, { stopAtEos: true })))).toEqual(free.slice(0, 3))
  })

  test('in the prompt, end of sequence is a token like any other', () => {
    const unit = task({ promptTokens: [eos, 65, eos], maxNewTokens: 2 }, { stopAtEos: true })
    expect(executeUnit(stopping, unit).tokens.slice(0, 3)).toEqual(Uint32Array.of(eos, 65, eos))
  })
})

describe('replayUnit rejects', () => {
  const unit = task({ maxNewTokens: 8 })
  const tokens = [...executeUnit(model, unit).tokens]
  const eos = tokens[7 + 3]!
  const stopping = unitModelWithEos(eos)
  const stopTask = task({ maxNewTokens: 8 }, { stopAtEos: true })
  const changed = (at: number, value: number): number[] => tokens.map((token, i) => (i === at ? value : token))
  const replay = (list: readonly number[], unitTask = unit, m = model): string =>
    codeOf(() => replayUnit(m, unitTask, list))

  test('another token at any generated position', () => {
    for (let i = 7; i < 15; i++) expect(replay(changed(i, (tokens[i]! + 1) % 260))).toBe('BLOCK_REPLAY_TOKENS')
  })

  test('another prompt, a shorter one, a longer one', () => {
    for (let i = 0; i < 7; i++) expect(replay(changed(i, (tokens[i]! + 1) % 260))).toBe('BLOCK_REPLAY_TOKENS')
    const other = executeUnit(model, task({ promptTokens: [...PROMPT.slice(0, 6), 59], maxNewTokens: 8 }))
    expect(replay([...other.tokens])).toBe('BLOCK_REPLAY_TOKENS')
    expect(replay(tokens.slice(1))).toBe('BLOCK_REPLAY_TOKENS')
    expect(replay([256, ...tokens])).toBe('BLOCK_REPLAY_TOKENS')
  })

  test('a generation that is too short, too long or missing', () => {
    for (const list of [tokens.slice(0, 14), [...tokens, 1], tokens.slice(0, 7), tokens.slice(0, 3), []])
      expect(replay(list)).toBe('BLOCK_REPLAY_TOKENS')
  })

  test('a generation that runs past the end of sequence, or stops before it', () => {
    expect(replay(tokens.slice(0, 11), stopTask, stopping)).toBe('accepted')
    expect(replay(tokens, stopTask, stopping)).toBe('BLOCK_REPLAY_TOKENS')
    expect(replay(tokens.slice(0, 10), stopTask, stopping)).toBe('BLOCK_REPLAY_TOKENS')
    expect(replay(tokens.slice(0, 12), stopTask, stopping)).toBe('BLOCK_REPLAY_TOKENS')
  })

  test('a claimed end of sequence that the model did not choose', () => {
    const early = [...tokens.slice(0, 9), eos]
    expect(replay(early, stopTask, stopping)).toBe('BLOCK_REPLAY_TOKENS')
  })

  test('a token outside the vocabulary, wherever it is', () => {
    for (const [at, token] of [
      [0, 260],
      [9, 2 ** 32 - 1],
      [14, -1],
      [14, 0.5],
      [3, Number.NaN],
    ] as const)
      expect(replay(changed(at, token))).toBe('BLOCK_TOKENS')
  })

  test('the tokens of another seed', () => {
    const warm = (seed: number): UnitTask =>
      task({ maxNewTokens: 12 }, { temperatureMilli: 1000, seed: new Uint8Array(32).fill(seed) })
    const trace = executeUnit(model, warm(1))
    expect(codeOf(() => replayUnit(model, warm(2), trace.tokens))).toBe('BLOCK_REPLAY_TOKENS')
  })
})

describe('chooseToken', () => {
  const greedy = task().decoding
  const warm = (temperatureMilli: number, seed = 0): UnitTask['decoding'] => ({
    ...greedy,
    temperatureMilli,
    seed: new Uint8Array(32).fill(seed),
  })

  test('greedy: the lowest index wins ties', () => {
    expect(chooseToken(Float32Array.of(1, 5, 5, 2), greedy, 0)).toBe(1)
    expect(chooseToken(Float32Array.of(-0, 0, -1), greedy, 0)).toBe(0)
    expect(chooseToken(new Float32Array(4), greedy, 0)).toBe(0)
  })

  test('a temperature draws by weight, from seed and position only', () => {
    const logits = Float32Array.from([0, Math.log(3), -1000, 0])
    const counts = [0, 0, 0, 0]
    for (let position = 0; position < 5000; position++) counts[chooseToken(logits, warm(1000), position)]!++
    expect(counts[2]).toBe(0)
    expect(counts[0]! / 5000).toBeCloseTo(0.2, 1)
    expect(counts[1]! / 5000).toBeCloseTo(0.6, 1)
    expect(chooseToken(logits, warm(1000), 3)).toBe(chooseToken(logits, warm(1000), 3))
    const draws = (seed: number): number[] =>
      Array.from({ length: 64 }, (_, i) => chooseToken(logits, warm(1000, seed), i))
    expect(draws(1)).not.toEqual(draws(2))
  })

  test('a draw belongs to the first index whose cumulative weight exceeds it', () => {
    const weights = [0, 2, 0, 1, 0]
    expect([-1, 0, 1, 2, 3].map((r) => indexAtWeight(weights, r))).toEqual([0, 1, 1, 3, -1])
  })

  test('the lowest temperature is all but greedy', () => {
    for (let position = 0; position < 100; position++)
      expect(chooseToken(Float32Array.of(1, 1.5, 1.2), warm(1), position)).toBe(1)
  })

  test('always gives a token, whatever the logits', () => {
    fc.assert(
      fc.property(
        fc.float32Array({ minLength: 1, maxLength: 50, noNaN: true, noDefaultInfinity: true }),
        fc.integer({ min: 0, max: 65_535 }),
        fc.nat(65_535),
        (logits, temperature, position) => {
          const token = chooseToken(logits, warm(temperature), position)
          expect(Number.isInteger(token) && token >= 0 && token < logits.length).toBe(true)
        },
      ),
    )
  })

  test('logits are finite, one per token', () => {
    const logits = logitsOf(model, new Float32Array(32).fill(3e38))
    expect(logits).toHaveLength(260)
    expect(logits.every(Number.isFinite)).toBe(true)
    expect(concatBytes(f32ToBytes(logitsOf(model, new Float32Array(32))))).toEqual(new Uint8Array(4 * 260))
  })
})
