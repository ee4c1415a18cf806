/** The commitment by batches against the reference's: every node of every tree (TRC-2). */
import {
  commitTrace,
  EMPTY_MERKLE_ROOT,
  emptyTrace,
  keyedHash,
  merkleTreeFromHashes,
  preRootOf,
  shortenTrace,
  TICKET_OPS,
  type Trace,
  type TraceCommitment,
  type TraceShape,
} from '@nacre/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { MerkleForest } from '../src/hashing/merkle-forest.ts'
import { type BatchHash, commitTraceFast, createFastHash, PreRoots } from '../src/index.ts'
import { createRandom, type Random } from './support/random.ts'

const TRACES = 150
const MOST_LEAVES = 40

let hash: BatchHash
beforeAll(async () => {
  hash = await createFastHash()
})

function randomTrace(random: Random, part: Partial<Pick<TraceShape, 'promptTokens' | 'newTokens'>> = {}): Trace {
  const nKvHeads = 1 + random.below(3)
  const dims = {
    dModel: random.pick([1, 3, 16, 192, 1 + random.below(400)]),
    nLayers: 1 + random.below(3),
    nHeads: nKvHeads * (1 + random.below(3)),
    nKvHeads,
    headDim: random.pick([2, 4, 6, 10, 32]),
    ffnDim: 8,
    vocabSize: 260,
    maxSeqLen: 128,
  }
  const trace = emptyTrace({ promptTokens: 1 + random.below(40), newTokens: 1 + random.below(20), ...part, dims })
  trace.tokens.set(Array.from(trace.tokens, () => random.below(260)))
  for (const array of [...trace.h, ...trace.x, ...trace.kScale, ...trace.vScale, ...trace.oScale]) {
    array.set(random.f32(array.length, true))
  }
  for (const array of [...trace.k, ...trace.v, ...trace.o]) array.set(random.int8(array.length, 63))
  return trace
}

function expectSame(actual: TraceCommitment, expected: TraceCommitment, where: string): void {
  expect(actual.traceRoot, where).toEqual(expected.traceRoot)
  expect(actual.subroots, where).toEqual(expected.subroots)
  expect(actual.top, where).toEqual(expected.top)
  for (let i = 0; i < expected.subroots.length; i++) {
    expect(actual.tree(i), `${where}, sub-root ${i}`).toEqual(expected.tree(i))
  }
  expect(() => actual.tree(expected.subroots.length)).toThrow('sub-root')
}

describe('the commitment equals the reference', () => {
  test(`of ${TRACES} random traces`, () => {
    for (let seed = 0; seed < TRACES; seed++) {
      const trace = randomTrace(createRandom(seed))
      expectSame(commitTraceFast(trace, hash), commitTrace(trace, hash), `seed ${seed}`)
    }
  })

  test('of the shortest traces, whose sub-trees after the prompt are empty', () => {
    const trace = randomTrace(createRandom(1), { promptTokens: 1, newTokens: 1 })
    const actual = commitTraceFast(trace, hash)
    expectSame(actual, commitTrace(trace), 'one position')
    expect(actual.subroots.some((root) => Buffer.compare(root, EMPTY_MERKLE_ROOT) === 0)).toBe(true)
  })

  test('with a hash that takes one message at a time', () => {
    const trace = randomTrace(createRandom(2))
    expectSame(commitTraceFast(trace, keyedHash), commitTrace(trace), 'plain hash')
  })

  test('of rows that lie inside larger arrays, at any address a binary32 may have', () => {
    const trace = randomTrace(createRandom(3))
    const inside = <T extends Float32Array | Int8Array>(array: T): T => {
      const larger = array.constructor as new (length: number) => T
      const room = new larger(array.length + 3)
      room.set(array, 1)
      return room.subarray(1, 1 + array.length) as T
    }
    const moved: Trace = {
      ...trace,
      h: trace.h.map(inside),
      x: trace.x.map(inside),
      k: trace.k.map(inside),
      v: trace.v.map(inside),
      o: trace.o.map(inside),
      kScale: trace.kScale.map(inside),
      vScale: trace.vScale.map(inside),
      oScale: trace.oScale.map(inside),
    }
    expectSame(commitTraceFast(moved, hash), commitTrace(trace), 'views')
  })
})

describe('pre-roots', () => {
  test('equal the reference, and their trees serve the commitment, also of a unit that ended early', () => {
    for (let seed = 0; seed < 30; seed++) {
      const random = createRandom(100 + seed)
      const trace = randomTrace(random, { newTokens: 2 + random.below(9) })
      const preRoots = new PreRoots(hash)
      for (let layer = 0; layer < trace.shape.dims.nLayers; layer++) {
        for (const op of TICKET_OPS) {
          if (random.chance(0.1)) continue
          expect(preRoots.root(trace, layer, op), `seed ${seed}`).toEqual(preRootOf(trace, layer, op, hash))
        }
      }
      const shorter = shortenTrace(trace, 1 + random.below(trace.shape.newTokens))
      expectSame(commitTraceFast(shorter, hash, preRoots), commitTrace(shorter, hash), `seed ${seed}`)
    }
  })

  test('are not hashed again', () => {
    const trace = randomTrace(createRandom(4), { promptTokens: 32, newTokens: 1 })
    const { nLayers, dModel } = trace.shape.dims
    let bytes = 0
    const many: BatchHash['many'] = (key, input, ...rest) => {
      bytes += input.length
      return hash.many(key, input, ...rest)
    }
    const counting: BatchHash = Object.assign((key: Uint8Array, data: Uint8Array) => hash(key, data), {
      implementation: hash.implementation,
      many,
    })
    commitTraceFast(trace, counting)
    const whole = bytes
    const preRoots = new PreRoots(hash)
    for (let layer = 0; layer < nLayers; layer++) for (const op of TICKET_OPS) preRoots.root(trace, layer, op)
    bytes = 0
    commitTraceFast(trace, counting, preRoots)
    const treeBytes = 32 * 4 * dModel + 31 * 64 + 36
    expect(whole - bytes).toBe(2 * nLayers * treeBytes)
  })
})

test(`forests of 0 to ${MOST_LEAVES} leaves a tree hold the reference's trees`, () => {
  const random = createRandom(5)
  for (let leafCount = 0; leafCount <= MOST_LEAVES; leafCount++) {
    const forest = new MerkleForest(leafCount, 3)
    const leaves = [0, 1, 2].map((tree) => {
      const hashes = random.bytes(32 * leafCount)
      forest.leafHashes(tree).set(hashes)
      return Array.from({ length: leafCount }, (_, i) => hashes.slice(32 * i, 32 * i + 32))
    })
    forest.grow(hash)
    leaves.forEach((hashes, tree) => {
      const expected = merkleTreeFromHashes(hashes, hash)
      expect(forest.tree(tree), `${leafCount} leaves`).toEqual(expected)
      expect(forest.root(tree)).toEqual(expected.root)
    })
  }
})
