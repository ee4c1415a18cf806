/**
 * TRC-2: the trace root is a Merkle tree over sub-roots in a fixed order, each a Merkle tree by position. The rows of the prompt
 * have sub-roots of their own, so that they are known before their layer is multiplied and can bind its noise (B3).
 *
 *   traceRoot
 *     dimensions | tokens | h prompt | h rest | kv per group | o per group | x prompt | x rest | ... | h[L] prompt | h[L] rest
 *                           preRoot[l]                                       preRootX[l]
 *
 * Byte layouts of the leaves, and every way in which one does not decode: trace.test.ts.
 */
import { expect, test } from 'vitest'
import {
  checkStep,
  EMPTY_MERKLE_ROOT,
  merkleRoot,
  OP_GATE_UP,
  OP_QKV,
  preRoot,
  subrootHRest,
  subrootPre,
  subtreesOf,
  unitModel,
} from '../../src/index.ts'
import { stepOutput } from '../../src/trace/steps/places.ts'
import { allSteps, commitLeaves, execute, leavesOf, stepsOf, task } from '../trace-fixture.ts'
import { accepted, rejected } from './verbs.ts'

const model = unitModel()
const unit = execute(model, task())
const { trace, commitment } = unit
const { shape } = trace

test('the order of the sub-roots, for two layers with two KV groups', () => {
  const layer = ['h', 'h', 'kv', 'kv', 'o', 'o', 'x', 'x']
  const kinds = subtreesOf(shape).map(({ kind }) => kind)
  expect(kinds).toEqual(['dimensions', 'tokens', ...layer, ...layer, 'h', 'h'])
  const subroots = leavesOf(trace).map((leaves) => merkleRoot(leaves))
  expect(merkleRoot(subroots)).toEqual(commitment.traceRoot)
  expect(merkleRoot(subroots.toSpliced(2, 2, subroots[3]!, subroots[2]!))).not.toEqual(commitment.traceRoot)
})

test('the pre-roots are sub-roots of the finished trace, and need nothing but the rows before the product', () => {
  const { promptTokens: P, dims } = shape
  const before = (rows: Float32Array): Float32Array => rows.slice(0, P * dims.dModel)
  for (const l of [0, 1]) {
    expect(preRoot(before(trace.h[l]!), P, dims.dModel)).toEqual(commitment.subroots[subrootPre(dims, l, OP_QKV)])
    expect(preRoot(before(trace.x[l]!), P, dims.dModel)).toEqual(commitment.subroots[subrootPre(dims, l, OP_GATE_UP)])
  }
})

test('no rows after the prompt: the root of an empty tree, a constant of its own', () => {
  const single = execute(model, task({ maxNewTokens: 1 })).commitment
  expect(single.subroots[subrootHRest(shape.dims, 0)]).toEqual(EMPTY_MERKLE_ROOT)
})

test('every committed byte is the output of exactly one step', () => {
  const times = leavesOf(trace).map((leaves) => leaves.map((leaf) => new Uint8Array(leaf.length)))
  for (const ref of allSteps(shape)) {
    const { subroot, leaf, start, length } = stepOutput(shape, ref)
    for (let at = start; at < start + length; at++) times[subroot]![leaf]![at]!++
  }
  expect(new Set(times.flat().flatMap((counts) => [...counts]))).toEqual(new Set([1]))
})

test('a leaf that does not decode is fraud', () => {
  const ref = stepsOf(shape, 'kv')[0]!
  const { subroot, leaf } = stepOutput(shape, ref)
  const check = (change: (bytes: Uint8Array) => Uint8Array): void => {
    const leaves = leavesOf(trace)
    leaves[subroot]![leaf] = change(leaves[subroot]![leaf]!)
    const forged = commitLeaves(leaves)
    checkStep({ model, task: unit.task, traceRoot: forged.traceRoot, opening: forged.open(shape, ref) })
  }
  accepted(() => check((bytes) => bytes))
  rejected('TRACE_LEAF', () => check((bytes) => Uint8Array.of(...bytes, 0)), 'bytes')
  rejected('TRACE_LEAF', () => check((bytes) => bytes.with(8, 64)), '[-63, 63]')
  rejected('TRACE_LEAF', () => check((bytes) => bytes.with(3, 0xff)), 'no scale')
})
