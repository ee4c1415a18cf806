// Operand commitments of the Pearl baseline: BLAKE3's own chunk tree, equal to @noble/hashes, and its openings.
import { blake3 } from '@noble/hashes/blake3.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pearl } from '../src/index.ts'
import { cvFromBytes, cvToBytes, hashBlock, plainHash } from '../src/pearl/blake3.ts'
import { chunkAt, rowsOfChunks } from '../src/pearl/tree.ts'
import { bytes32, randomOperand } from './pearl-fixture.ts'
import { accepted, flipped, rejected } from './rules/verbs.ts'

const key = Uint8Array.from({ length: 32 }, (_, i) => 255 - 7 * i)
const operand = (length: number): Uint8Array => new Uint8Array(randomOperand(9n, length).buffer)

test('the root of whole chunks is the keyed hash, for every shape of tree up to 33 chunks and some larger ones', () => {
  for (const chunks of [...Array.from({ length: 33 }, (_, i) => i + 1), 63, 64, 65, 127, 200]) {
    const bytes = operand(1024 * chunks)
    expect(pearl.operandRoot(bytes, key), `${chunks} chunks`).toEqual(blake3(bytes, { key }))
  }
})

test('other lengths are padded with zeros to whole chunks', () => {
  for (const length of [1, 63, 64, 65, 512, 1023, 1025, 2047, 2049, 5000, 16_385]) {
    const padded = new Uint8Array(1024 * Math.ceil(length / 1024))
    padded.set(operand(length))
    expect(pearl.operandRoot(operand(length), key)).toEqual(blake3(padded, { key }))
  }
})

test('int8 operands are their bytes, wherever in a buffer they lie', () => {
  const values = randomOperand(9n, 3000)
  const shifted = new Int8Array(new ArrayBuffer(3003), 3)
  shifted.set(values)
  expect(pearl.operandRoot(values, key)).toEqual(pearl.operandRoot(operand(3000), key))
  expect(pearl.operandRoot(shifted, key)).toEqual(pearl.operandRoot(operand(3000), key))
})

test('one block of 64 bytes is the keyed hash of it', () => {
  const message = operand(64)
  const words = new Int32Array([...cvFromBytes(message.subarray(0, 32)), ...cvFromBytes(message.subarray(32))])
  const out = new Int32Array(8)
  hashBlock(cvFromBytes(key), words, out, 0)
  expect(cvToBytes(out)).toEqual(blake3(message, { key }))
})

test('messages of up to a chunk without a key', () => {
  for (const length of [0, 1, 26, 63, 64, 65, 127, 128, 129, 500, 1023, 1024])
    expect(plainHash(operand(length)), `${length} bytes`).toEqual(blake3(operand(length)))
  expect(() => plainHash(operand(1025))).toThrow(RangeError)
})

test('any chunks open under the root, and only they do', () => {
  const shape = fc.integer({ min: 1, max: 70 }).chain((chunks) => {
    const index = fc.integer({ min: 0, max: chunks - 1 })
    return fc.record({ chunks: fc.constant(chunks), picked: fc.uniqueArray(index, { minLength: 1, maxLength: 12 }) })
  })
  fc.assert(
    fc.property(shape, ({ chunks, picked }) => {
      const bytes = operand(1024 * chunks - 100)
      const tree = pearl.chunkTree(bytes, key)
      const indices = picked.toSorted((a, b) => a - b)
      const data = indices.map((i) => chunkAt(bytes, i))
      const siblings = pearl.openChunks(tree, indices)
      accepted(() => pearl.verifyChunks(tree.root, key, chunks, indices, data, siblings))

      const refuse = (...change: Partial<Parameters<typeof pearl.verifyChunks>>): void => {
        const given = [tree.root, key, chunks, indices, data, siblings] as Parameters<typeof pearl.verifyChunks>
        rejected('PEARL_OPENING', () => pearl.verifyChunks(...(Object.assign([...given], change) as typeof given)))
      }
      refuse(flipped(tree.root))
      refuse(tree.root, bytes32(1))
      refuse(tree.root, key, chunks, indices, [flipped(data[0]!, 1023), ...data.slice(1)])
      refuse(tree.root, key, chunks, indices, data, [...siblings, bytes32(0)])
      if (siblings.length > 0) {
        refuse(tree.root, key, chunks, indices, data, siblings.slice(1))
        refuse(tree.root, key, chunks, indices, data, [flipped(siblings[0]!), ...siblings.slice(1)])
      }
    }),
    { numRuns: 60 },
  )
})

test('rows come back out of the chunks that hold them', () => {
  for (const k of [64, 1024, 1088, 4096, 1536]) {
    const values = randomOperand(4n, 12 * k)
    for (const rows of [[0], [11], [0, 1, 2, 3], [1, 5, 9], [2, 3, 10, 11]]) {
      const indices = pearl.chunksOfRows(rows, k)
      const chunks = indices.map((i) => chunkAt(values, i))
      const expected = rows.flatMap((row) => [...values.subarray(row * k, (row + 1) * k)])
      expect([...rowsOfChunks(rows, k, indices, chunks)]).toEqual(expected)
    }
  }
})

test('what is no operand or no key', () => {
  rejected('PEARL_ARGUMENT', () => pearl.operandRoot(new Uint8Array(0), key))
  rejected('PEARL_ARGUMENT', () => pearl.operandRoot([1, 2] as unknown as Uint8Array, key))
  rejected('PEARL_ARGUMENT', () => pearl.operandRoot(operand(10), key.subarray(1)))
})
