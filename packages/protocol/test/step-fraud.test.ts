// Fraud (AUD-4): whatever a liar commits to, the step that covers it proves the lie.
import { describe, expect, test } from 'vitest'
import { u32ListToBytes } from '../src/bytes.ts'
import { executeUnit } from '../src/inference/execute.ts'
import { syntheticModel, UNIT_MODEL_DIMS, unitModel } from '../src/model/synthetic.ts'
import { checkStep, FRAUD_CODES } from '../src/trace/check-step.ts'
import { commitTrace } from '../src/trace/commit.ts'
import { SUBROOT_TOKENS, subrootHPrompt, subrootHRest, subrootKv, subrootO, subrootXRest } from '../src/trace/layout.ts'
import { openStep } from '../src/trace/open.ts'
import { stepOutput } from '../src/trace/steps/places.ts'
import { STEP_KINDS, type StepRef, type Trace, type TraceShape } from '../src/trace/types.ts'
import {
  allSteps,
  codeOf,
  commitLeaves,
  type Executed,
  execute,
  leavesOf,
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
