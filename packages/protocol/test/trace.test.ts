// Traces (TRC-1, TRC-2): what is committed where, in which bytes, and that steps cover all of it exactly once.
import { describe, expect, test } from 'vitest'
import { bytesToHex, u32ListToBytes } from '../src/bytes.ts'
import { keyedHash } from '../src/hash.ts'
import { EMPTY_MERKLE_ROOT, merkleRoot } from '../src/merkle.ts'
import { unitModel } from '../src/model/synthetic.ts'
import { commitTrace, preRoot } from '../src/trace/commit.ts'
import { subrootCount, subrootHPrompt, subrootHRest, subrootPre, subrootXRest } from '../src/trace/layout.ts'
import {
  decodeDimensions,
  decodeKv,
  decodeO,
  decodeRow,
  decodeTokens,
  encodeDimensions,
  encodeKv,
  encodeO,
  encodeRow,
} from '../src/trace/leaves.ts'
import { stepOutput } from '../src/trace/steps/places.ts'
import { subtreesOf } from '../src/trace/subtrees.ts'
import { OP_GATE_UP, OP_QKV } from '../src/trace/types.ts'
import { allSteps, codeOf, execute, leavesOf, oddModel, task } from './trace-fixture.ts'

const unit = execute(unitModel(), task())
const { trace, commitment } = unit
const { dims } = trace.shape

describe('commitTrace (TRC-2)', () => {
  test('is the root over all sub-roots in their order', () => {
    expect(commitment.subroots).toHaveLength(subrootCount(dims))
    expect(commitment.traceRoot).toEqual(merkleRoot(commitment.subroots))
    leavesOf(trace).forEach((leaves, i) => {
      expect(commitment.subroots[i]).toEqual(merkleRoot(leaves))
      expect(commitment.tree(i).root).toEqual(commitment.subroots[i])
      expect(commitment.tree(i).leafCount).toBe(leaves.length)
    })
    expect(() => commitment.tree(subrootCount(dims))).toThrow(RangeError)
  })

  test('orders the sub-trees: dimensions, tokens, per layer h, kv, o, x, then the final rows', () => {
    const names = subtreesOf(trace.shape).map(
      ({ kind, layer, group, firstPosition, leafCount }) => `${kind}${layer}.${group}@${firstPosition}+${leafCount}`,
    )
    const layer = (l: number): string[] => [
      `h${l}.0@0+7`,
      `h${l}.0@7+4`,
      `kv${l}.0@0+11`,
      `kv${l}.1@0+11`,
      `o${l}.0@0+11`,
      `o${l}.1@0+11`,
      `x${l}.0@0+7`,
      `x${l}.0@7+4`,
    ]
    expect(names).toEqual(['dimensions0.0@0+1', 'tokens0.0@0+1', ...layer(0), ...layer(1), 'h2.0@0+7', 'h2.0@7+4'])
  })

  test('changes with every array of the trace', () => {
    const flip = <T extends Float32Array | Int8Array | Uint32Array>(array: T): T => {
      const copy = array.slice() as T
      copy[copy.length - 1] = copy.at(-1) === 1 ? 2 : 1
      return copy
    }
    const last = <T extends Float32Array | Int8Array>(arrays: readonly T[]): T[] =>
      arrays.map((array, i) => (i === arrays.length - 1 ? flip(array) : array))
    const roots = [
      trace,
      { ...trace, tokens: flip(trace.tokens) },
      ...(['h', 'x', 'k', 'v', 'kScale', 'vScale', 'o', 'oScale'] as const).map((key) => ({
        ...trace,
        [key]: last(trace[key] as readonly Float32Array[]),
      })),
    ].map((changed) => bytesToHex(commitTrace(changed).traceRoot))
    expect(new Set(roots).size).toBe(10)
  })

  test('rows after the prompt are an empty tree when one token is generated', () => {
    const single = execute(unitModel(), task({ maxNewTokens: 1 }))
    expect(single.commitment.subroots[subrootHRest(dims, 0)]).toEqual(EMPTY_MERKLE_ROOT)
    expect(single.commitment.subroots[subrootXRest(dims, 1)]).toEqual(EMPTY_MERKLE_ROOT)
  })

  test('takes a faster hash', () => {
    let calls = 0
    const counting: typeof keyedHash = (key, data) => {
      calls++
      return keyedHash(key, data)
    }
    expect(commitTrace(trace, counting).traceRoot).toEqual(commitment.traceRoot)
    expect(calls).toBeGreaterThan(100)
  })
})

test('preRoot gives a sub-root before the layer is multiplied (B3)', () => {
  for (let layer = 0; layer < dims.nLayers; layer++) {
    expect(preRoot(trace.h[layer]!, 7, 32)).toEqual(commitment.subroots[subrootPre(dims, layer, OP_QKV)])
    expect(preRoot(trace.x[layer]!.slice(0, 7 * 32), 7, 32)).toEqual(
      commitment.subroots[subrootPre(dims, layer, OP_GATE_UP)],
    )
  }
  expect(preRoot(trace.h[2]!, 7, 32)).toEqual(commitment.subroots[subrootHPrompt(dims, 2)])
})

test.each(['unit', 'odd'])('every committed byte is covered by exactly one step (%s model)', (name) => {
  const { trace: t } = name === 'unit' ? unit : execute(oddModel(), task({ promptTokens: [1, 2, 3], maxNewTokens: 3 }))
  const covered = leavesOf(t).map((leaves) => leaves.map((leaf) => new Uint8Array(leaf.length)))
  for (const ref of allSteps(t.shape)) {
    const { subroot, leaf, start, length } = stepOutput(t.shape, ref)
    const target = covered[subroot]![leaf]!
    expect(start + length).toBeLessThanOrEqual(target.length)
    for (let i = start; i < start + length; i++) target[i]!++
  }
  for (const leaf of covered.flat()) expect(leaf.every((count) => count === 1)).toBe(true)
})

describe('leaves', () => {
  test('have the written layouts', () => {
    expect(encodeDimensions(trace.shape)).toEqual(u32ListToBytes([7, 5, 32, 2, 4, 2, 8]))
    expect(bytesToHex(encodeRow(Float32Array.of(1, -2)))).toBe('0000803f000000c0')
    const kv = { kScale: 1, vScale: 2, k: Int8Array.of(1, -1), v: Int8Array.of(63, -63) }
    expect(bytesToHex(encodeKv(kv))).toBe('0000803f0000004001ff3fc1')
    expect(bytesToHex(encodeO({ scale: 1, q: Int8Array.of(5, -5) }))).toBe('0000803f05fb')
  })

  test('survive their codecs', () => {
    const leaves = leavesOf(trace)
    subtreesOf(trace.shape).forEach(({ kind }, i) => {
      for (const leaf of leaves[i]!) {
        if (kind === 'kv') expect(encodeKv(decodeKv(dims, leaf))).toEqual(leaf)
        if (kind === 'o') expect(encodeO(decodeO(dims, leaf))).toEqual(leaf)
        if (kind === 'h' || kind === 'x') expect(encodeRow(decodeRow(dims, leaf))).toEqual(leaf)
        if (kind === 'tokens') expect(decodeTokens(trace.shape, leaf)).toEqual([...trace.tokens])
        if (kind === 'dimensions') expect(decodeDimensions(dims, leaf)).toEqual(trace.shape)
      }
    })
  })

  const f32 = (value: number): Uint8Array => encodeRow(Float32Array.of(value))
  const nan = f32(Number.NaN)
  const kvLeaf = encodeKv({ kScale: 1, vScale: 1, k: new Int8Array(8), v: new Int8Array(8) })
  const oLeaf = encodeO({ scale: 1, q: new Int8Array(16) })
  const rowLeaf = encodeRow(new Float32Array(32))
  const patch = (leaf: Uint8Array, at: number, bytes: ArrayLike<number>): Uint8Array => {
    const copy = leaf.slice()
    copy.set(bytes, at)
    return copy
  }
  const bad: Record<string, () => unknown> = {
    'a short row': () => decodeRow(dims, rowLeaf.slice(1)),
    'a long row': () => decodeRow(dims, encodeRow(new Float32Array(33))),
    'NaN in a row': () => decodeRow(dims, patch(rowLeaf, 4, nan)),
    'infinity in a row': () => decodeRow(dims, patch(rowLeaf, 124, f32(Number.NEGATIVE_INFINITY))),
    'a short kv': () => decodeKv(dims, kvLeaf.slice(0, -1)),
    'a long kv': () => decodeKv(dims, new Uint8Array(25)),
    'a key scale that is no number': () => decodeKv(dims, patch(kvLeaf, 0, nan)),
    'a value scale below 0': () => decodeKv(dims, patch(kvLeaf, 4, f32(-1))),
    'a value scale of -0': () => decodeKv(dims, patch(kvLeaf, 4, f32(-0))),
    'a subnormal key scale': () => decodeKv(dims, patch(kvLeaf, 0, f32(2 ** -130))),
    'an infinite key scale': () => decodeKv(dims, patch(kvLeaf, 0, f32(Number.POSITIVE_INFINITY))),
    'a key of 64': () => decodeKv(dims, patch(kvLeaf, 8, [64])),
    'a value of -64': () => decodeKv(dims, patch(kvLeaf, 23, [0xc0])),
    'a short o': () => decodeO(dims, oLeaf.slice(1)),
    'an o of -128': () => decodeO(dims, patch(oLeaf, 4, [0x80])),
    'a subnormal o scale': () => decodeO(dims, patch(oLeaf, 0, f32(2 ** -127))),
    'a tokens leaf that is too long': () => decodeTokens(trace.shape, u32ListToBytes(new Uint32Array(13))),
    'a tokens leaf that is too short': () => decodeTokens(trace.shape, new Uint8Array(47)),
    'a token outside the vocabulary': () => decodeTokens(trace.shape, u32ListToBytes(new Uint32Array(12).fill(260))),
    'dimensions that are too short': () => decodeDimensions(dims, new Uint8Array(24)),
  }
  test.each(Object.keys(bad))('%s does not decode', (name) => {
    expect(codeOf(bad[name]!)).toBe('TRACE_LEAF')
  })

  test('dimensions of another model are named as such', () => {
    for (let i = 2; i < 7; i++) {
      const list = [7, 5, 32, 2, 4, 2, 8]
      list[i]!++
      expect(codeOf(() => decodeDimensions(dims, u32ListToBytes(list)))).toBe('TRACE_DIMENSIONS')
    }
  })

  test('numbers at the edge decode', () => {
    expect(decodeKv(dims, patch(kvLeaf, 0, f32(2 ** -126))).kScale).toBe(2 ** -126)
    expect(decodeKv(dims, patch(kvLeaf, 8, [63, 0xc1])).k.slice(0, 2)).toEqual(Int8Array.of(63, -63))
    expect(decodeRow(dims, patch(rowLeaf, 0, f32(-0)))[0]).toBe(-0)
    expect(decodeRow(dims, patch(rowLeaf, 0, f32(2 ** -149)))[0]).toBe(2 ** -149)
  })

  test('decoding copies', () => {
    const leaf = oLeaf.slice()
    const { q } = decodeO(dims, leaf)
    leaf.fill(1)
    expect(q[0]).toBe(0)
  })
})
