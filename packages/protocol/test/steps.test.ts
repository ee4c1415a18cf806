// Steps (TRC-3, TRC-4, AUD-1): every step of an honest unit passes; how steps are listed, drawn, and how large they open.
import { describe, expect, test } from 'vitest'
import { bigintFromLe, u32le } from '../src/bytes.ts'
import { taggedXof } from '../src/hash.ts'
import { buildModel } from '../src/model/build-model.ts'
import { UNIT_MODEL_DIMS, unitModel } from '../src/model/synthetic.ts'
import { checkStep } from '../src/trace/check-step.ts'
import { commitTrace } from '../src/trace/commit.ts'
import { openStep } from '../src/trace/open.ts'
import { stepOpeningCodec } from '../src/trace/opening.ts'
import { maxAttendOpeningBytes, maxStepOpeningBytes } from '../src/trace/opening-size.ts'
import { sampleSteps } from '../src/trace/sample-steps.ts'
import { checkStepRef, stepAt, stepCount, stepRuns } from '../src/trace/step-ref.ts'
import { detectionChance, runWeight, stepShares, WEIGHINGS, weighingOf } from '../src/trace/step-weights.ts'
import { STEP_KINDS, type StepKind, type StepRef } from '../src/trace/types.ts'
import {
  allSteps,
  codeOf,
  type Executed,
  execute,
  oddModel,
  PROMPT,
  stepsOf,
  task,
  unitModelWithEos,
} from './trace-fixture.ts'

const model = unitModel()
const unit = execute(model, task())
const shape = unit.trace.shape
const ref = (kind: StepKind, layer: number, group: number, position: number): StepRef => ({
  kind,
  layer,
  group,
  position,
})

function expectAllAccepted(executed: Executed): void {
  const { trace, commitment, task: t, model: m } = executed
  const { promptTokens, newTokens, dims } = trace.shape
  const steps = allSteps(trace.shape)
  const seen = new Set<StepKind>()
  for (const ref of steps) {
    const bytes = stepOpeningCodec.encode(openStep(trace, commitment, ref))
    expect(bytes.length).toBeLessThanOrEqual(maxStepOpeningBytes(dims, promptTokens, newTokens))
    if (ref.kind === 'attend')
      expect(bytes.length).toBeLessThanOrEqual(maxAttendOpeningBytes(dims, promptTokens + newTokens - 1))
    checkStep({ model: m, task: t, traceRoot: commitment.traceRoot, opening: stepOpeningCodec.decode(bytes) })
    seen.add(ref.kind)
  }
  expect(seen.size).toBe(STEP_KINDS.length)
}

describe('every step of an honest unit passes', () => {
  test('greedy', () => expectAllAccepted(unit))
  test('one generated token, so that nothing follows the prompt', () => {
    expectAllAccepted(execute(model, task({ maxNewTokens: 1 })))
  })
  test('a prompt of one token', () => expectAllAccepted(execute(model, task({ promptTokens: [65] }))))
  test('with a temperature', () => {
    expectAllAccepted(execute(model, task({}, { temperatureMilli: 1000, seed: new Uint8Array(32).fill(5) })))
  })
  test('ended by end of sequence', () => {
    const eos = unit.trace.tokens[PROMPT.length + 2]!
    const stopped = execute(unitModelWithEos(eos), task({}, { stopAtEos: true }))
    expect(stopped.trace.shape.newTokens).toBe(3)
    expectAllAccepted(stopped)
  })
  test('untied head, one KV group, odd sizes', () => {
    expectAllAccepted(execute(oddModel(), task({ promptTokens: [1, 2, 3], maxNewTokens: 4 })))
  })
  test('weights at the edge of binary32', () => {
    const edge = buildModel(model.config, {
      ...model,
      layers: model.layers.map((layer) => ({
        ...layer,
        qkv: { ...layer.qkv, scale: new Float32Array(layer.qkv.rows).fill(3e38) },
        down: { ...layer.down, scale: new Float32Array(layer.down.rows).fill(2 ** -126) },
      })),
    })
    expectAllAccepted(execute(edge, task()))
  })
})

describe('enumeration', () => {
  test('lists each step once, and nothing else is one', () => {
    const steps = allSteps(shape)
    const n = 11
    expect(steps).toHaveLength(2 + n + 2 * (2 * 2 * n + 2 * n) + 5)
    expect(new Set(steps.map((ref) => JSON.stringify(ref))).size).toBe(steps.length)
    for (const ref of steps) expect(codeOf(() => checkStepRef(shape, ref))).toBe('accepted')
    for (const index of [-1, steps.length, 0.5, Number.NaN])
      expect(codeOf(() => stepAt(shape, index))).toBe('STEP_OUT_OF_RANGE')
    expect(stepsOf(shape, 'head').map(({ position }) => position)).toEqual([6, 7, 8, 9, 10])
  })

  test.each([
    ref('shape', 0, 0, 1),
    ref('shape', 1, 0, 0),
    ref('input', 0, 1, 0),
    ref('embed', 0, 0, 11),
    ref('embed', 1, 0, 0),
    ref('kv', 2, 0, 0),
    ref('kv', 0, 2, 0),
    ref('attend', 0, 0, 11),
    ref('attend', 0, -1, 0),
    ref('proj', 0, 1, 0),
    ref('ffn', 2, 0, 0),
    ref('ffn', 0, 0, 0.5),
    ref('head', 0, 0, 5),
    ref('head', 0, 0, 11),
    ref('nothing' as StepKind, 0, 0, 0),
  ])('%j is no step', (wrong) => {
    expect(codeOf(() => openStep(unit.trace, unit.commitment, wrong))).toBe('STEP_OUT_OF_RANGE')
  })
})

describe('sampleSteps (AUD-1)', () => {
  const seed = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)

  test('is a function of the seed, and a longer sample continues a shorter one', () => {
    expect(sampleSteps(seed(1), shape, 16)).toEqual(sampleSteps(seed(1), shape, 20).slice(0, 16))
    expect(sampleSteps(seed(1), shape, 16)).not.toEqual(sampleSteps(seed(2), shape, 16))
    for (const ref of sampleSteps(seed(3), shape, 200)) checkStepRef(shape, ref)
  })

  test.each(WEIGHINGS.map((weighing) => [weighing]))('draws each step by its %s, every other time', (weighing) => {
    const weights = stepRuns(shape).flatMap((run) => {
      const { base, slope } = runWeight(shape, run, weighing)
      return Array.from({ length: run.count }, (_, i) => base + (slope === 0 ? 0 : slope * (i + 1)))
    })
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const key = (ref: StepRef): string => JSON.stringify(ref)
    const counts = new Map<string, number>()
    const isOurs = (_: unknown, j: number): boolean => weighingOf(j) === weighing
    const all = sampleSteps(seed(7), shape, 20_000)
    const drawn = all.filter(isOurs)
    for (const ref of drawn) counts.set(key(ref), (counts.get(key(ref)) ?? 0) + 1)
    expect(weights).toHaveLength(stepCount(shape))
    expect(drawn).toHaveLength(10_000)
    // The rule by linear search, on the same draws.
    const cumulative = (r: number): StepRef => {
      let left = r
      return stepAt(
        shape,
        weights.findIndex((weight) => {
          left -= weight
          return left < 0
        }),
      )
    }
    const wrong = all.filter((ref, j) => {
      const u = bigintFromLe(taggedXof('stepSampling', 16, seed(7), u32le(j)))
      return isOurs(ref, j) && key(ref) !== key(cumulative(Number((u * BigInt(total)) >> 128n)))
    })
    expect(wrong).toEqual([])
    let chiSquare = 0
    let degrees = -1
    weights.forEach((weight, i) => {
      const expected = (drawn.length * weight) / total
      const count = counts.get(key(stepAt(shape, i))) ?? 0
      if (expected === 0) {
        expect(count).toBe(0)
        return
      }
      chiSquare += (count - expected) ** 2 / expected
      degrees++
    })
    expect(degrees).toBeGreaterThan(40)
    // Its deviation is the root of twice the degrees.
    expect(chiSquare).toBeLessThan(degrees + 6 * Math.sqrt(2 * degrees))
  })

  test('reach is what is behind a residual row: of the last layer its own, of the embedding nothing, since `shape` has them all', () => {
    const position = 4
    const at = (kind: StepKind, layer = 0): StepRef => ref(kind, layer, 0, position)
    const sum = (kinds: readonly StepRef[]): number => kinds.reduce((total, step) => total + shares(step).macs, 0)
    const shares = stepShares(shape)
    const { nLayers, nKvHeads } = shape.dims
    const layer = (l: number): StepRef[] => [
      ...Array.from({ length: nKvHeads }, (_, g) => [ref('kv', l, g, position), ref('attend', l, g, position)]).flat(),
      at('proj', l),
      at('ffn', l),
    ]
    // In units of the last ffn, whose reach is itself.
    const unitOf = (weighing: 'macs' | 'reach'): number => shares(at('ffn', nLayers - 1))[weighing]
    const reach = (step: StepRef): number => shares(step).reach / unitOf('reach')
    expect(reach(at('embed'))).toBe(0)
    expect(reach(at('ffn'))).toBeCloseTo(sum([at('ffn'), ...layer(1)]) / unitOf('macs'), 9)
    expect(reach(at('proj'))).toBeCloseTo(sum([at('proj'), at('ffn'), ...layer(1)]) / unitOf('macs'), 9)
    expect(reach(at('kv'))).toBe(0)
  })

  test('shares of all steps are one, and chances are those of draws in turns', () => {
    const shares = stepShares(shape)
    const all = Array.from({ length: stepCount(shape) }, (_, i) => shares(stepAt(shape, i)))
    for (const weighing of WEIGHINGS) expect(all.reduce((sum, each) => sum + each[weighing], 0)).toBeCloseTo(1, 9)
    expect(detectionChance({ macs: 0.5, reach: 0 }, 3)).toBeCloseTo(0.75, 12)
    expect(detectionChance({ macs: 0, reach: 0.5 }, 3)).toBeCloseTo(0.5, 12)
    expect([detectionChance({ macs: 1, reach: 0 }, 1), detectionChance({ macs: 0.3, reach: 0.3 }, 0)]).toEqual([1, 0])
    expect(codeOf(() => shares(ref('ffn', 99, 0, 0)))).toBe('STEP_OUT_OF_RANGE')
  })

  test('a trace kept from another prompt, under this one’s tokens, is wrong in an embedding, and so in `shape`', () => {
    const last = unit.task.promptTokens.length - 1
    const promptTokens = unit.task.promptTokens.map((token, i) => (i === last ? token + 1 : token))
    const spliced = structuredClone(execute(unit.model, task({ promptTokens })).trace)
    spliced.tokens.set(unit.task.promptTokens)
    const commitment = commitTrace(spliced)
    const codes = allSteps(shape).map((step) => {
      const opening = openStep(spliced, commitment, step)
      const { model: weights, task: own } = unit
      return codeOf(() => checkStep({ model: weights, task: own, traceRoot: commitment.traceRoot, opening }))
    })
    const wrong = allSteps(shape).filter((_, i) => codes[i] !== 'accepted')
    expect(wrong).toEqual([ref('shape', 0, 0, 0), ref('embed', 0, 0, last)])
    expect(new Set(codes)).toEqual(new Set(['accepted', 'STEP_MISMATCH']))
  })
})

describe('opening sizes (TRC-4)', () => {
  test('bounds hold up to the longest unit of the unit model, and are not far off', () => {
    const long = execute(model, task({ maxNewTokens: 58 }))
    const size = (ref: StepRef): number => stepOpeningCodec.encode(openStep(long.trace, long.commitment, ref)).length
    const largest = Math.max(...stepsOf(long.trace.shape, 'attend').map(size))
    const bound = maxAttendOpeningBytes(model.config, 64)
    expect(largest).toBeLessThanOrEqual(bound)
    expect(bound - largest).toBeLessThan(800)
    for (const kind of STEP_KINDS)
      for (const ref of stepsOf(long.trace.shape, kind))
        expect(size(ref)).toBeLessThanOrEqual(maxStepOpeningBytes(model.config, 7, 58))
  })

  test('grow with keys and values, rows, tokens and sub-trees', () => {
    const dims = { ...UNIT_MODEL_DIMS, headDim: 128, dModel: 4096, nHeads: 32, nKvHeads: 8, nLayers: 32 }
    expect(maxAttendOpeningBytes(dims, 850)).toBeLessThan(256 * 1024)
    expect(maxAttendOpeningBytes(dims, 1000)).toBeGreaterThan(256 * 1024)
    expect(maxStepOpeningBytes(dims, 1000, 1)).toBe(maxAttendOpeningBytes(dims, 1000))
    expect(maxStepOpeningBytes({ ...UNIT_MODEL_DIMS, dModel: 1 << 15 }, 2, 1)).toBeGreaterThan(256 * 1024)
    expect(maxStepOpeningBytes({ ...UNIT_MODEL_DIMS, nLayers: 256, nKvHeads: 8, nHeads: 8 }, 2, 1)).toBeGreaterThan(
      256 * 1024,
    )
    expect(maxStepOpeningBytes({ ...UNIT_MODEL_DIMS, headDim: 2 }, 1 << 15, 1 << 15)).toBeGreaterThan(4 << 16)
  })
})
