// Whole units by Freivalds with the miner's accumulators as hints (AUD-4): right ones pass, any wrong step or hint does not.
import { describe, expect, test } from 'vitest'
import { checkHintedUnit, type UnitHints, unitFreivaldsKeys, unitHints } from '../src/audit/freivalds-unit.ts'
import { unitModel } from '../src/model/synthetic.ts'
import type { Trace } from '../src/trace/types.ts'
import { filled } from './rules/verbs.ts'
import { codeOf, execute, oddModel, task } from './trace-fixture.ts'

const model = unitModel()
const keys = unitFreivaldsKeys(model, filled(1))
const unit = execute(model, task({}, { temperatureMilli: 800 }))
const { trace } = unit
const hints = unitHints(model, trace)
const check = (changed: Trace, with_: UnitHints = hints): string =>
  codeOf(() => checkHintedUnit(keys, { model, task: unit.task, trace: changed, hints: with_ }))

test('honest units pass: grouped heads, one group, a head of its own, greedy and sampled', () => {
  expect(check(trace)).toBe('accepted')
  const odd = oddModel()
  const other = execute(odd, task({ promptTokens: [3, 1, 4, 1, 5] }))
  const run = () =>
    checkHintedUnit(unitFreivaldsKeys(odd, filled(2)), {
      ...{ model: odd, task: other.task, trace: other.trace },
      hints: unitHints(odd, other.trace),
    })
  expect(codeOf(run)).toBe('accepted')
})

describe('the smallest error', () => {
  const bit = (rows: Float32Array, at: number): void => {
    new Uint32Array(rows.buffer)[at]! ^= 1
  }
  const moved = (values: Int8Array, at: number): void => {
    values[at] = values[at] === 0 ? 1 : 0
  }
  const other = (tokens: Uint32Array, at: number): void => {
    tokens[at] = (tokens[at]! + 1) % 200
  }
  const changes: readonly [string, (trace: Trace) => void][] = [
    ['an embedding', ({ h }) => bit(h[0]!, 5)],
    ['a residual row after attention', ({ x }) => bit(x[1]!, 70)],
    ['a residual row', ({ h }) => bit(h[1]!, 3)],
    ['a final row', ({ h }) => bit(h.at(-1)!, h.at(-1)!.length - 1)],
    ['a key', ({ k }) => moved(k[0]!, 9)],
    ['a value', ({ v }) => moved(v[1]!, 4)],
    ['a scale of keys', ({ kScale }) => bit(kScale[1]!, 2)],
    ['an attention output', ({ o }) => moved(o[0]!, 3)],
    ['a scale of attention outputs', ({ oScale }) => bit(oScale[0]!, 1)],
    ['a generated token', ({ tokens }) => other(tokens, 9)],
    ['a token of the prompt', ({ tokens }) => other(tokens, 2)],
  ]
  test.each(changes)('in %s is found, with the old hints and with those of the changed trace', (_what, change) => {
    const changed = structuredClone(trace)
    change(changed)
    expect(check(changed)).toMatch(/^(STEP_MISMATCH|FREIVALDS_MISMATCH)$/)
    expect(check(changed, unitHints(model, changed))).toBe('STEP_MISMATCH')
  })
})

describe('hints', () => {
  type Field = 'qkv' | 'gateUp' | 'down'
  test.each<[string, (hints: UnitHints) => Int32Array]>([
    ...(['qkv', 'gateUp', 'down'] as const).map((field: Field): [string, (hints: UnitHints) => Int32Array] => [
      field,
      ({ layers }) => layers[1]![field],
    ]),
    ['o', ({ layers }) => layers[0]!.o[1]!],
    ['head', ({ head }) => head],
  ])('that are one off in %s do not pass for products', (_what, of) => {
    for (const error of [1, -1, 2 ** 12]) {
      const changed = structuredClone(hints)
      of(changed)[7]! += error
      expect(check(trace, changed)).toMatch(/^FREIVALDS_(MISMATCH|RANGE)$/)
    }
  })

  test('of another shape are refused', () => {
    const [first, second] = hints.layers
    expect(check(trace, { ...hints, layers: [first!] })).toBe('FREIVALDS_SHAPE')
    expect(check(trace, { ...hints, head: hints.head.slice(1) })).toBe('FREIVALDS_SHAPE')
    expect(check(trace, { ...hints, layers: [{ ...first!, o: first!.o.slice(1) }, second!] })).toBe('FREIVALDS_SHAPE')
  })
})
