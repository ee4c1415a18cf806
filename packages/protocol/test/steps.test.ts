// Steps (TRC-3, AUD-4): every step of an honest unit passes, and whatever a liar commits to, some step proves it.
import { describe, expect, test } from 'vitest'
import { bigintFromLe, u32ListToBytes, u32le, utf8ToBytes } from '../src/bytes.ts'
import { taggedXof } from '../src/hash.ts'
import { executeUnit } from '../src/inference/execute.ts'
import { buildModel } from '../src/model/build-model.ts'
import { syntheticModel, UNIT_MODEL_DIMS, unitModel } from '../src/model/synthetic.ts'
import { checkStep, FRAUD_CODES } from '../src/trace/check-step.ts'
import { commitTrace } from '../src/trace/commit.ts'
import { SUBROOT_TOKENS, subrootHPrompt, subrootHRest, subrootKv, subrootO, subrootXRest } from '../src/trace/layout.ts'
import { openStep } from '../src/trace/open.ts'
import { stepOpeningCodec } from '../src/trace/opening.ts'
import { maxAttendOpeningBytes, maxStepOpeningBytes } from '../src/trace/opening-size.ts'
import { sampleSteps } from '../src/trace/sample-steps.ts'
import { checkStepRef, runWeight, stepAt, stepCount, stepRuns } from '../src/trace/step-ref.ts'
import { stepOutput } from '../src/trace/steps/places.ts'
import { STEP_KINDS, type StepKind, type StepRef, type Trace, type TraceShape } from '../src/trace/types.ts'
import {
  allSteps,
  codeOf,
  commitLeaves,
  type Executed,
  execute,
  leavesOf,
  oddModel,
  PROMPT,
  stepsOf,
  task,
  unitModelWithEos,
} from './trace-fixture.ts'

const model = unitModel()
const unit = execute(model, task())
const shape = unit.trace.shape

const check = ({ model: m, task: t, trace, commitment }: Executed, ref: StepRef): string =>
  codeOf(() =>
    checkStep({ model: m, task: t, traceRoot: commitment.traceRoot, opening: openStep(trace, commitment, ref) }),
  )

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

  const ref = (kind: StepKind, layer: number, group: number, position: number): StepRef => ({
    kind,
    layer,
    group,
    position,
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

  test('draws each step by its weight', () => {
    const weights = stepRuns(shape).flatMap((run) => {
      const { base, slope } = runWeight(shape, run)
      return Array.from({ length: run.count }, (_, i) => base + (slope === 0 ? 0 : slope * (i + 1)))
    })
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const key = (ref: StepRef): string => JSON.stringify(ref)
    const counts = new Map<string, number>()
    const draws = 10_000
    const drawn = sampleSteps(seed(7), shape, draws)
    for (const ref of drawn) counts.set(key(ref), (counts.get(key(ref)) ?? 0) + 1)
    expect(weights).toHaveLength(stepCount(shape))
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
    const wrong = drawn.filter((ref, j) => {
      const u = bigintFromLe(taggedXof('sampling', 16, utf8ToBytes('step'), seed(7), u32le(j)))
      return key(ref) !== key(cumulative(Number((u * BigInt(total)) >> 128n)))
    })
    expect(wrong).toEqual([])
    let chiSquare = 0
    weights.forEach((weight, i) => {
      const expected = (draws * weight) / total
      chiSquare += ((counts.get(key(stepAt(shape, i))) ?? 0) - expected) ** 2 / expected
    })
    // 150 steps: mean 149, deviation 17.
    expect(chiSquare).toBeLessThan(149 + 6 * 17)
  })
})

describe('a lie in any leaf is proved by the step that covers it', () => {
  const forge = (
    mutate: (leaves: Uint8Array[][]) => void,
    trace: Trace = unit.trace,
  ): ReturnType<typeof commitLeaves> => {
    const leaves = leavesOf(trace)
    mutate(leaves)
    return commitLeaves(leaves)
  }
  const verdict = (forged: ReturnType<typeof commitLeaves>, ref: StepRef, s: TraceShape = shape): string =>
    codeOf(() => checkStep({ model, task: unit.task, traceRoot: forged.traceRoot, opening: forged.open(s, ref) }))
  const steps = allSteps(shape)

  test('whichever byte is changed', () => {
    const found = new Map<string, number>()
    for (const ref of steps) {
      const { subroot, leaf, start, length } = stepOutput(shape, ref)
      for (const at of [start, start + (length >> 1), start + length - 1]) {
        const forged = forge((leaves) => {
          leaves[subroot]![leaf]![at]! ^= 1
        })
        const code = verdict(forged, ref)
        expect(FRAUD_CODES.has(code as never), `${JSON.stringify(ref)} byte ${at}: ${code}`).toBe(true)
        found.set(code, (found.get(code) ?? 0) + 1)
      }
    }
    expect([...found.keys()].sort()).toEqual(['STEP_MISMATCH', 'TRACE_DIMENSIONS', 'TRACE_LEAF'])
    expect(found.get('STEP_MISMATCH')).toBeGreaterThan(300)
  })

  test.each(['kv', 'attend', 'proj', 'ffn', 'embed'] as const)('%s: the lowest bit of the last element', (kind) => {
    for (const ref of stepsOf(shape, kind)) {
      const { subroot, leaf, length } = stepOutput(shape, ref)
      const isFloat = kind === 'proj' || kind === 'ffn' || kind === 'embed'
      const forged = forge((leaves) => {
        const bytes = leaves[subroot]![leaf]!
        // One step towards zero, so that the leaf still decodes.
        const at = isFloat ? length - 4 : length - 1
        bytes[at] = isFloat ? bytes[at]! ^ 1 : (((bytes[at]! << 24) >> 24) + (bytes[at]! > 127 ? 1 : -1)) & 0xff
      })
      expect(verdict(forged, ref)).toBe('STEP_MISMATCH')
    }
  })

  test('a leaf that does not decode, as input or as output', () => {
    const ref: StepRef = { kind: 'attend', layer: 1, group: 0, position: 4 }
    const places: [subroot: number, leaf: number][] = [
      [subrootHPrompt(shape.dims, 1), 4],
      [subrootKv(shape.dims, 1, 0), 0],
      [subrootKv(shape.dims, 1, 0), 4],
      [subrootO(shape.dims, 1, 0), 4],
    ]
    for (const [subroot, leaf] of places) {
      const short = forge((leaves) => {
        leaves[subroot]![leaf] = leaves[subroot]![leaf]!.slice(1)
      })
      expect(verdict(short, ref)).toBe('TRACE_LEAF')
      const nan = forge((leaves) => {
        leaves[subroot]![leaf]!.set([0, 0, 0xc0, 0x7f])
      })
      expect(verdict(nan, ref)).toBe('TRACE_LEAF')
    }
    const shortTokens = forge((leaves) => {
      leaves[SUBROOT_TOKENS]![0] = leaves[SUBROOT_TOKENS]![0]!.slice(4)
    })
    for (const kind of ['shape', 'input', 'embed', 'head'] as const)
      expect(verdict(shortTokens, stepsOf(shape, kind)[0]!)).toBe('TRACE_LEAF')
  })

  test.each([
    ['P', [8, 4, 32, 2, 4, 2, 8], 'TRACE_DIMENSIONS'],
    ['P and G', [6, 6, 32, 2, 4, 2, 8], 'TRACE_DIMENSIONS'],
    ['no generated token', [7, 0, 32, 2, 4, 2, 8], 'TRACE_DIMENSIONS'],
    ['more generated tokens than the task has', [7, 6, 32, 2, 4, 2, 8], 'TRACE_DIMENSIONS'],
    ['2^32 - 1 generated tokens', [7, 2 ** 32 - 1, 32, 2, 4, 2, 8], 'TRACE_DIMENSIONS'],
    // Possible for the task, and this step reads prompt rows only.
    ['fewer generated tokens than rows', [7, 4, 32, 2, 4, 2, 8], 'accepted'],
    ['more layers', [7, 5, 32, 3, 4, 2, 8], 'TRACE_DIMENSIONS'],
    ['other heads', [7, 5, 32, 2, 2, 2, 16], 'TRACE_DIMENSIONS'],
  ])('dimensions that lie about %s', (_, dimensions, ffn) => {
    const forged = forge((leaves) => {
      leaves[0]![0] = u32ListToBytes(dimensions)
    })
    expect(verdict(forged, { kind: 'shape', layer: 0, group: 0, position: 0 })).toBe('TRACE_DIMENSIONS')
    expect(verdict(forged, { kind: 'ffn', layer: 0, group: 0, position: 0 })).toBe(ffn)
  })

  test('a tree with a leaf too many or too few, or an empty one that is not', () => {
    const shapeStep: StepRef = { kind: 'shape', layer: 0, group: 0, position: 0 }
    for (let subroot = 1; subroot < leavesOf(unit.trace).length; subroot++) {
      const more = forge((leaves) => leaves[subroot]!.push(new Uint8Array(3)))
      expect(verdict(more, shapeStep)).toBe('TRACE_DIMENSIONS')
      const fewer = forge((leaves) => leaves[subroot]!.pop())
      expect(verdict(fewer, shapeStep)).toBe('TRACE_DIMENSIONS')
    }
    const single = execute(model, task({ maxNewTokens: 1 }))
    for (const subroot of [subrootHRest(shape.dims, 0), subrootXRest(shape.dims, 1), subrootHRest(shape.dims, 2)]) {
      const forged = forge((leaves) => leaves[subroot]!.push(new Uint8Array(128)), single.trace)
      const opening = forged.open(single.trace.shape, shapeStep)
      const code = codeOf(() => checkStep({ model, task: single.task, traceRoot: forged.traceRoot, opening }))
      expect(code).toBe('TRACE_DIMENSIONS')
    }
  })

  test('a wrong leaf count also shows in any step that reads the tree', () => {
    const subroot = subrootKv(shape.dims, 0, 1)
    const forged = forge((leaves) => leaves[subroot]!.push(new Uint8Array(24)))
    expect(verdict(forged, { kind: 'kv', layer: 0, group: 1, position: 10 })).toBe('TRACE_DIMENSIONS')
    expect(verdict(forged, { kind: 'attend', layer: 0, group: 1, position: 0 })).toBe('TRACE_DIMENSIONS')
    expect(verdict(forged, { kind: 'attend', layer: 0, group: 0, position: 0 })).toBe('accepted')
  })

  test('a consistent trace of another prompt: the input step', () => {
    const other = execute(model, task({ promptTokens: [...PROMPT.slice(0, 6), 59] }))
    const ref: StepRef = { kind: 'input', layer: 0, group: 0, position: 0 }
    expect(check({ ...other, task: unit.task }, ref)).toBe('STEP_MISMATCH')
    expect(check({ ...other, task: unit.task }, stepsOf(shape, 'ffn')[0]!)).toBe('accepted')
  })

  test('a consistent trace of a longer or shorter prompt: any step', () => {
    for (const promptTokens of [PROMPT.slice(0, 6), [...PROMPT, 65]]) {
      const other = execute(model, task({ promptTokens }))
      for (const kind of STEP_KINDS)
        expect(check({ ...other, task: unit.task }, stepsOf(other.trace.shape, kind)[0]!)).toBe('TRACE_DIMENSIONS')
    }
  })

  test('a consistent trace of another model: every arithmetic step', () => {
    const cheap = syntheticModel({ name: 'cheap', dims: UNIT_MODEL_DIMS, seed: 'cheap', tiedHead: true })
    const other = execute(cheap, task())
    for (const kind of ['embed', 'kv', 'attend', 'proj', 'ffn', 'head'] as const)
      for (const ref of stepsOf(shape, kind)) {
        // At position 0 there is one row to attend to: its value is the output, whatever the query.
        const isFree = kind === 'attend' && ref.position === 0
        expect(check({ ...other, model }, ref)).toBe(isFree ? 'accepted' : 'STEP_MISMATCH')
      }
  })

  test('a generation that stops too early or too late: the shape step', () => {
    const free = executeUnit(model, task())
    const stopping = unitModelWithEos(free.tokens[PROMPT.length + 2]!)
    const stopTask = task({}, { stopAtEos: true })
    const shapeRef: StepRef = { kind: 'shape', layer: 0, group: 0, position: 0 }
    for (const newTokens of [2, 5]) {
      const trace = executeUnit(stopping, task({ maxNewTokens: newTokens }))
      const lie: Executed = { model: stopping, task: stopTask, trace, commitment: commitTrace(trace) }
      for (const ref of allSteps(trace.shape))
        expect(check(lie, ref)).toBe(ref.kind === 'shape' ? 'STEP_MISMATCH' : 'accepted')
      expect(check(lie, shapeRef)).toBe('STEP_MISMATCH')
    }
  })

  test('tokens of another seed or temperature: a head step', () => {
    const warm = execute(model, task({}, { temperatureMilli: 1500, seed: new Uint8Array(32).fill(1) }))
    const heads = (t: Executed['task']): string[] =>
      stepsOf(shape, 'head').map((ref) => check({ ...warm, task: t }, ref))
    expect(heads(warm.task)).toEqual(new Array(5).fill('accepted'))
    expect(heads(task())).toContain('STEP_MISMATCH')
    expect(heads(task({}, { temperatureMilli: 1500, seed: new Uint8Array(32).fill(2) }))).toContain('STEP_MISMATCH')
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
