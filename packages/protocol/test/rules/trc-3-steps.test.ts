/**
 * TRC-3: a trace is a chain of small steps, each a pure function from opened inputs to one committed output. Whoever opens a step
 * can re-run it alone; a step that does not give what was committed is fraud.
 *
 *   token -embed-> h[0] -kv-> kv[0] -attend-> o[0] -proj-> x[0] -ffn-> h[1] -kv-> ... h[L] -head-> next token
 *   assigned prompt -input-> tokens          lengths, end of sequence -shape-> dimensions
 *
 * A lie in any byte of any leaf, and consistent lies: step-fraud.test.ts. Every step of many units: steps.test.ts. Openings that prove nothing:
 * openings.test.ts.
 */
import { describe, expect, test } from 'vitest'
import { checkStep, FRAUD_CODES, openStep, STEP_KINDS, type StepOpening, unitModel } from '../../src/index.ts'
import { stepOutput } from '../../src/trace/steps/places.ts'
import { commitLeaves, execute, leavesOf, stepsOf, task } from '../trace-fixture.ts'
import { accepted, flipped, rejected } from './verbs.ts'

const model = unitModel()
const unit = execute(model, task())
const { trace, commitment } = unit
const { shape } = trace
const check = (opening: StepOpening, traceRoot = commitment.traceRoot): unknown =>
  checkStep({ model, task: unit.task, traceRoot, opening })

describe.each(STEP_KINDS)('%s', (kind) => {
  const steps = stepsOf(shape, kind)
  const ref = steps.at(-1)!

  test('the honest step', () => accepted(() => check(openStep(trace, commitment, ref))))

  test('a committed output that differs in one value', () => {
    const { subroot, leaf, start, length } = stepOutput(shape, ref)
    const leaves = leavesOf(trace)
    const bytes = leaves[subroot]![leaf]!
    const isInt8 = kind === 'kv' || kind === 'attend'
    // The last int8 towards zero, or the lowest bit of the last binary32 or u32: a leaf that still decodes.
    const at = isInt8 ? start + length - 1 : start + length - 4
    const value = (bytes[at]! << 24) >> 24
    leaves[subroot]![leaf] = isInt8 ? bytes.with(at, value - Math.sign(value || -1)) : flipped(bytes, at)
    const forged = commitLeaves(leaves)
    const code = kind === 'shape' ? 'TRACE_DIMENSIONS' : 'STEP_MISMATCH'
    rejected(code, () => check(forged.open(shape, ref), forged.traceRoot))
    expect(FRAUD_CODES.has(code)).toBe(true)
  })
})

test('an opening that is not what the root commits to is a bad opening, and no fraud', () => {
  const opening = openStep(trace, commitment, stepsOf(shape, 'ffn')[0]!)
  const [dimensions, input, output] = opening.subtrees
  const changed = { ...output!, leaves: [flipped(output!.leaves[0]!)] }
  rejected('MERKLE_ROOT_MISMATCH', () => check({ ...opening, subtrees: [dimensions!, input!, changed] }))
  rejected('MERKLE_PROOF_LENGTH', () => check({ ...opening, topProof: opening.topProof.slice(1) }))
  rejected('STEP_OPENING', () => check({ ...opening, ref: { ...opening.ref, position: 1 } }))
  rejected('STEP_OUT_OF_RANGE', () => check({ ...opening, ref: { ...opening.ref, position: 11 } }))
  for (const code of ['MERKLE_ROOT_MISMATCH', 'MERKLE_PROOF_LENGTH', 'STEP_OPENING', 'STEP_OUT_OF_RANGE'] as const)
    expect(FRAUD_CODES.has(code)).toBe(false)
})
