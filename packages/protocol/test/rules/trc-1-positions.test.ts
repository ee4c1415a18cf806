/**
 * TRC-1: a trace holds every row of every position that is fed: the prompt and all generated tokens but the last, which is never
 * fed. So P prompt tokens and G generated ones make P + G - 1 positions.
 *
 *   position   0   1   2   3   4   5   6 | 7   8   9  10       P = 7, G = 5
 *   token      a   b   c   d   e   f   g | h   i   j   k   l   l is generated at position 10
 *
 *   per position and layer: h -> kv, o (per KV group) -> x -> the next h
 */
import { expect, test } from 'vitest'
import { checkStep, positionCount, subtreesOf, type TraceShape, unitModel } from '../../src/index.ts'
import { commitLeaves, execute, leavesOf, stepsOf, task } from '../trace-fixture.ts'
import { accepted, rejected } from './verbs.ts'

const model = unitModel()
const unit = execute(model, task())
const { trace } = unit
const { nLayers, nHeads, nKvHeads, headDim, dModel } = model.config

test('seven prompt tokens and five generated ones are fed at eleven positions', () => {
  expect(trace.tokens).toHaveLength(12)
  expect(positionCount(trace.shape)).toBe(11)
})

test('each position has its rows in each layer, and one more h after the last layer', () => {
  const sizes = (arrays: readonly ArrayLike<number>[]): number[] => arrays.map(({ length }) => length)
  expect(sizes(trace.h)).toEqual(new Array(nLayers + 1).fill(11 * dModel))
  expect(sizes(trace.x)).toEqual(new Array(nLayers).fill(11 * dModel))
  for (const keysOrValues of [trace.k, trace.v])
    expect(sizes(keysOrValues)).toEqual(new Array(nLayers).fill(11 * nKvHeads * headDim))
  expect(sizes(trace.o)).toEqual(new Array(nLayers).fill(11 * nHeads * headDim))
  for (const scales of [trace.kScale, trace.vScale, trace.oScale])
    expect(sizes(scales)).toEqual(new Array(nLayers).fill(11 * nKvHeads))
})

test('the last token is never fed: generating one more adds exactly its row', () => {
  const longer = execute(model, task({ maxNewTokens: 6 })).trace
  expect(longer.tokens.slice(0, 12)).toEqual(trace.tokens)
  for (const [l, rows] of trace.h.entries()) expect(longer.h[l]!.slice(0, 11 * dModel)).toEqual(rows)
  expect(longer.h[0]).toHaveLength(12 * dModel)
})

test('a trace with a row too many or too few for its lengths is fraud', () => {
  const shapeStep = stepsOf(trace.shape, 'shape')[0]!
  const check = (change: (rows: Uint8Array[]) => void, shape: TraceShape = trace.shape): void => {
    const leaves = leavesOf(trace)
    change(leaves[subtreesOf(shape).findIndex(({ kind, layer }) => kind === 'kv' && layer === 1)]!)
    const forged = commitLeaves(leaves)
    checkStep({ model, task: unit.task, traceRoot: forged.traceRoot, opening: forged.open(shape, shapeStep) })
  }
  accepted(() => check(() => {}))
  rejected('TRACE_DIMENSIONS', () => check((rows) => rows.pop()))
  rejected('TRACE_DIMENSIONS', () => check((rows) => rows.push(rows[0]!)))
})
