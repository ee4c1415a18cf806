// The Pearl baseline gives the published values: those of vectors/pearl.json, and those beside the project where they are (../shared).
import { existsSync, readFileSync } from 'node:fs'
import { blake3 } from '@noble/hashes/blake3.js'
import { describe, expect, test } from 'vitest'
import { bytesToHex, concatBytes, hexToBytes, u32ListToBytes } from '../src/bytes.ts'
import { pearl } from '../src/index.ts'
import { HEADER, ramp, SMALL, workOf } from './pearl-fixture.ts'
import { noiseVectors } from './vectors/noise.ts'
import { pearlVectors, problemOperands } from './vectors/pearl.ts'
import { asJson, storedVectors } from './vectors/vector-file.ts'

// biome-ignore lint/suspicious/noExplicitAny: vectors are plain JSON
type Json = any
const vectors: Json = storedVectors('pearl', pearlVectors)
const hex = bytesToHex

test('vectors/pearl.json is what its builder produces', () => {
  expect(vectors).toEqual(asJson(pearlVectors()))
})

test('the published factors of vectors/noise.json are the same', () => {
  const noise: Json = asJson(noiseVectors())
  const published = (list: Json[]): Json => list.find(({ source }: Json) => source === 'published')
  expect(published(vectors.uniformFactor).values).toEqual(published(noise.uniformFactor).values)
  expect(published(vectors.sparseFactor).pairs).toEqual(noise.pearlSparseFactor[0].pairs)
})

/** The checks that both files share: each entry is fed to the function of its name. */
function holds(file: Json): void {
  for (const { label, slot, index, key, digest } of file.randomBlock)
    expect(hex(pearl.randomBlock(index, label, hexToBytes(key), slot))).toBe(digest)
  for (const { label, key, rank, k, pairs } of file.sparseFactor)
    expect(pearl.sparseFactor(label, hexToBytes(key), k, rank)).toEqual(pairs)
  for (const { label, key, rows, rank, values } of file.uniformFactor) {
    const factor = pearl.uniformFactor(label, hexToBytes(key), rows, rank)
    expect(factor).toBeInstanceOf(Int8Array)
    expect([...factor]).toEqual(values)
  }
  for (const { rule, jobKey, hashA, hashB, m, n, seedA, seedB } of file.seeds) {
    const seeds = pearl.noiseSeeds({
      jobKey: hexToBytes(jobKey),
      hashA: hexToBytes(hashA),
      hashB: hexToBytes(hashB),
      m,
      n,
      rule,
    })
    expect([hex(seeds.seedA), hex(seeds.seedB)]).toEqual([seedA, seedB])
  }
  expect([hex(pearl.SALT_A), hex(pearl.SALT_B)]).toEqual([file.salts.A, file.salts.B])
}

describe('vectors/pearl.json', () => {
  test('random blocks, factors, salts and seeds', () => {
    expect(vectors.randomBlock).toHaveLength(7)
    expect(vectors.seeds.map(({ rule }: Json) => rule)).toEqual(['legacy', 'v3'])
    holds(vectors)
  })

  test('operand roots', () => {
    for (const { rows, k, key, root } of vectors.operandRoot)
      expect(hex(pearl.operandRoot(ramp(rows, k), hexToBytes(key)))).toBe(root)
  })

  test('emission, targets and the next bits', () => {
    for (const { height, grains } of vectors.emission) expect(pearl.subsidy(height)).toBe(BigInt(grains))
    for (const { bits, target } of vectors.targetFromBits)
      expect(pearl.targetFromBits(Number(bits))).toBe(BigInt(target))
    for (const { bits, solveSeconds, next } of vectors.nextBits)
      expect(pearl.nextBits(Number(bits), solveSeconds)).toBe(Number(next))
  })

  test('patterns', () => {
    for (const { indices, bytes } of vectors.pattern) {
      const pattern = pearl.decodePattern(hexToBytes(bytes))
      expect(pearl.patternIndices(pattern, 0)).toEqual(indices)
      expect(hex(pearl.encodePattern(pattern))).toBe(bytes)
    }
    expect(new Set(vectors.badPattern.map(({ error }: Json) => error))).toEqual(new Set(['PEARL_PATTERN']))
  })

  test('a small plain proof', () => {
    const { header, configuration, jobKey, state, ticket, rowOffset, columnOffset, bytes, root } = vectors.plainProof
    expect(hex(pearl.encodeHeader(HEADER))).toBe(header)
    const work = pearl.commitWork({
      ...workOf(SMALL),
      header: pearl.decodeHeader(hexToBytes(header)),
      configuration: pearl.decodeConfiguration(hexToBytes(configuration)),
    })
    const proof = pearl.encodePlainProof(pearl.openTile(work, rowOffset, columnOffset))
    expect(proof).toHaveLength(bytes)
    expect(hex(pearl.operandRoot(proof, new Uint8Array(32)))).toBe(root)
    const verified = pearl.verifyPlainProof(hexToBytes(header), proof)
    expect(hex(verified.jobKey)).toBe(jobKey)
    expect([hex(u32ListToBytes(verified.state)), hex(verified.ticket)]).toEqual([state, ticket])
  })
})

/** Of every tile of a work: offsets, state and ticket. */
function hashOfTiles(work: pearl.CommittedWork): Uint8Array {
  const { rows, columns } = work.configuration
  const records: Uint8Array[] = []
  for (const row of pearl.tileOffsets(rows, work.m)) {
    for (const column of pearl.tileOffsets(columns, work.n)) {
      const { state, ticket } = pearl.drawTile(work, row, column)
      records.push(u32ListToBytes([row, column, ...state]), ticket)
    }
  }
  return blake3(concatBytes(...records))
}

describe('published problems, from header and operands to tickets', () => {
  const { header, cases } = vectors.problem
  test.each(cases as Json[])('problem $problem: $m x $n, k = $k', (problem) => {
    const { m, n, k, rootA, rootB, boundA, boundB, seedA, seedB, tiles } = problem
    const configuration = pearl.decodeConfiguration(hexToBytes(problem.configuration))
    expect(configuration).toMatchObject({ k, rank: 128 })
    expect(hex(pearl.encodeConfiguration(configuration))).toBe(problem.configuration)
    const decoded = pearl.decodeHeader(hexToBytes(header))
    expect(hex(pearl.encodeHeader(decoded))).toBe(header)

    const work = pearl.commitWork({
      header: decoded,
      configuration,
      m,
      n,
      ...problemOperands(problem.problem, m, n, k),
    })
    expect(hex(work.jobKey)).toBe(problem.jobKey)
    expect([hex(work.treeA.root), hex(work.treeB.root)]).toEqual([rootA, rootB])
    expect(hex(pearl.bindRoot(pearl.SALT_A, work.treeA.root, m))).toBe(boundA)
    expect(hex(pearl.bindRoot(pearl.SALT_B, work.treeB.root, n))).toBe(boundB)
    expect([hex(work.seedA), hex(work.seedB)]).toEqual([seedA, seedB])
    if (problem.allTiles !== undefined) expect(hex(hashOfTiles(work))).toBe(problem.allTiles)
    for (const { rowOffset, columnOffset, state, ticket } of tiles) {
      const tile = pearl.drawTile(work, rowOffset, columnOffset)
      expect([...tile.state]).toEqual(state)
      expect(hex(tile.ticket)).toBe(ticket)
      // the published header's bits are too hard for these tiles; a share's are not
      const proof = pearl.openTile(work, rowOffset, columnOffset)
      expect(hex(pearl.verifyPlainProof(decoded, proof, { shareBits: 0x207fffff }).ticket)).toBe(ticket)
    }
  })
})

const SHARED = new URL('../../../../shared/vectors/pearl-v3.json', import.meta.url)

test.runIf(existsSync(SHARED))('../shared/vectors/pearl-v3.json', () => {
  const file: Json = JSON.parse(readFileSync(SHARED, 'utf8'))
  holds(file)
  const [{ key, root }] = file.operandRoot
  expect(hex(pearl.operandRoot(ramp(8, 64), hexToBytes(key)))).toBe(root)
  const padded = new Uint8Array(1024)
  padded.set(new Uint8Array(ramp(8, 64).buffer))
  expect(hex(pearl.operandRoot(padded, hexToBytes(key)))).toBe(root)
  expect(Object.keys(file.emission.grains)).toHaveLength(5)
  for (const [height, grains] of Object.entries(file.emission.grains))
    expect(pearl.subsidy(Number(height))).toBe(BigInt(grains as number))
})
