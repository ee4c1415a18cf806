/**
 * The Pearl baseline against callers that mean harm: arguments that are nearly right, and views on memory that changes. Each case
 * would pass, or leave something behind, without the check that it names.
 */
import { expect, test } from 'vitest'
import { pearl, ticketProofCodec } from '../src/index.ts'
import { bytes32, committed, HEADER, SMALL } from './pearl-fixture.ts'
import { accepted, rejected } from './rules/verbs.ts'

const work = committed(SMALL)
const proof = pearl.openTile(work, 9, 33)

test('a header in a Node Buffer, whose slice is a view, is not changed by being read', () => {
  const buffer = Buffer.from(pearl.encodeHeader({ ...HEADER, previousBlock: Uint8Array.from(Array(32).keys()) }))
  const before = Uint8Array.from(buffer)
  const header = pearl.decodeHeader(buffer)
  expect(Uint8Array.from(buffer)).toEqual(before)
  expect(pearl.encodeHeader(header)).toEqual(before)
})

test('what is decoded from a Node Buffer does not change with it', () => {
  const buffer = Buffer.from(pearl.encodePlainProof(proof))
  const decoded = pearl.decodePlainProof(buffer)
  buffer.fill(0xff)
  expect(decoded).toEqual(proof)
  accepted(() => pearl.verifyPlainProof(HEADER, decoded))
})

test('a pattern of holes has no six bytes', () => {
  rejected('PEARL_PATTERN', () => pearl.encodePattern(new Array(3)))
  const columns = new Array(3)
  rejected('PEARL_PATTERN', () => pearl.encodeConfiguration({ ...work.configuration, columns }))
})

test('a ticket that is too short to lose does not win', () => {
  for (const length of [0, 31, 33]) rejected('PEARL_ARGUMENT', () => pearl.ticketWins(new Uint8Array(length), 1n))
})

test('opening nothing proves nothing: not even under a root of zeros', () => {
  const key = bytes32(1)
  for (const chunks of [1, 2, 1000])
    rejected('PEARL_OPENING', () => pearl.verifyChunks(bytes32(0), key, chunks, [], [], []))
})

test('chunks outside the operand, twice, out of order, or without an index are not opened', () => {
  const { leafIndices, leafData, totalLeaves, siblings, root } = proof.a
  const open = (indices: readonly number[], chunks: readonly Uint8Array[] = leafData, count = totalLeaves): void =>
    pearl.verifyChunks(root, work.jobKey, count, indices, chunks, siblings)
  accepted(() => open(leafIndices))
  for (const index of [totalLeaves, 2 ** 31, 2 ** 32 + 9, -1, 0.5, Number.NaN])
    rejected('PEARL_OPENING', () => open([leafIndices[0]!, index]))
  rejected('PEARL_OPENING', () => open(leafIndices.toReversed()))
  rejected('PEARL_OPENING', () => open([13, 13]))
  rejected('PEARL_OPENING', () => open(leafIndices, leafData.slice(1)))
  rejected('PEARL_OPENING', () => open(leafIndices, [leafData[0]!, new Uint8Array(1023)]))
  rejected('PEARL_OPENING', () => open(leafIndices, new Array(2)))
  for (const count of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])
    rejected('PEARL_OPENING', () => open(leafIndices, leafData, count))
})

test('a share of a header without a target is no share: its block could never win', () => {
  const header = { ...HEADER, bits: 0x20000000 }
  const other = committed(SMALL, { header })
  const share = pearl.openTile(other, 9, 33)
  rejected('PEARL_BITS', () => pearl.verifyPlainProof(header, share, { shareBits: 0x207fffff }))
})

test('indices at the borders of number types name no row', () => {
  for (const index of [2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 53 - 1, 2 ** 53, Number.MAX_VALUE]) {
    const a = { ...proof.a, rowIndices: [9, index] }
    rejected('PEARL_INDICES', () => pearl.verifyPlainProof(HEADER, { ...proof, a }))
  }
})

test('consensus codecs keep no view on a Node Buffer either', () => {
  const value = { rows: [bytes32(1)], rowProof: [bytes32(2)], preRoot: bytes32(3), topProof: [] }
  const buffer = Buffer.from(ticketProofCodec.encode(value))
  const decoded = ticketProofCodec.decode(buffer)
  buffer.fill(0xff)
  expect(decoded).toEqual(value)
})
