// Plain proofs of the Pearl baseline: every way to be wrong has its code (P8).
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../src/bytes.ts'
import type { ErrorCode } from '../src/errors.ts'
import { pearl } from '../src/index.ts'
import { bytes32, committed, HEADER, randomOperand, type Shape, SMALL, spaced } from './pearl-fixture.ts'
import { accepted, flipped, rejected } from './rules/verbs.ts'

/** m k is no multiple of 1,024, and rows do not begin with chunks. */
const RAGGED: Shape = { rows: [0, 1], columns: spaced(16, 1), m: 10, n: 32, k: 1088, rank: 32 }
const small = committed(SMALL)
const ragged = committed(RAGGED)
const proof = pearl.openTile(small, 9, 33)
const verify = (change: Partial<pearl.PlainProof>, base = proof): unknown =>
  pearl.verifyPlainProof(HEADER, { ...base, ...change })
const withA = (change: Partial<pearl.MatrixOpening>, base = proof): unknown =>
  verify({ a: { ...base.a, ...change } }, base)
const withB = (change: Partial<pearl.MatrixOpening>, base = proof): unknown =>
  verify({ bt: { ...base.bt, ...change } }, base)

describe('headers and bits', () => {
  test.each<[string, ErrorCode, unknown]>([
    ['75 bytes', 'PEARL_HEADER', pearl.encodeHeader(HEADER).subarray(1)],
    ['77 bytes', 'PEARL_HEADER', concatBytes(pearl.encodeHeader(HEADER), Uint8Array.of(0))],
    ['nothing', 'PEARL_HEADER', undefined],
    ['null', 'PEARL_HEADER', null],
    ['a number', 'PEARL_HEADER', 7],
    ['a version of 33 bits', 'PEARL_HEADER', { ...HEADER, version: 2 ** 32 }],
    ['a negative time', 'PEARL_HEADER', { ...HEADER, time: -1 }],
    ['a time in fractions', 'PEARL_HEADER', { ...HEADER, time: 0.5 }],
    ['bits of 33 bits', 'PEARL_HEADER', { ...HEADER, bits: 2 ** 32 }],
    ['bits as text', 'PEARL_HEADER', { ...HEADER, bits: '0x207fffff' }],
    ['a short previous block', 'PEARL_HEADER', { ...HEADER, previousBlock: new Uint8Array(31) }],
    ['no merkle root', 'PEARL_HEADER', { ...HEADER, merkleRoot: undefined }],
    ['mantissa 0', 'PEARL_BITS', { ...HEADER, bits: 0x20000000 }],
    ['exponent 0', 'PEARL_BITS', { ...HEADER, bits: 0x00123456 }],
    ['a negative target', 'PEARL_BITS', { ...HEADER, bits: 0x20ffffff }],
    ['a target of 2^256', 'PEARL_BITS', { ...HEADER, bits: 0x21010000 }],
    ['a target shifted to 0', 'PEARL_BITS', { ...HEADER, bits: 0x01000001 }],
  ])('%s: %s', (_, code, header) => {
    rejected(code, () => pearl.verifyPlainProof(header as pearl.PearlHeader, proof))
  })

  test('share bits are a u32 with a target', () => {
    rejected('PEARL_ARGUMENT', () => pearl.verifyPlainProof(HEADER, proof, { shareBits: -1 }))
    rejected('PEARL_BITS', () => pearl.verifyPlainProof(HEADER, proof, { shareBits: 0 }))
  })

  test('the proof belongs to one header', () => {
    const work = committed(SMALL)
    const other = { ...HEADER, time: HEADER.time + 1 }
    accepted(() => pearl.verifyPlainProof(HEADER, pearl.openTile(work, 0, 0)))
    rejected('PEARL_OPENING', () => pearl.verifyPlainProof(other, pearl.openTile(work, 0, 0)))
  })

  test('a target is clamped to 2^256 - 1 and does not wrap', () => {
    const work = { h: 16, w: 16, k: 65_536, rank: 1024 }
    expect(pearl.ticketBound(2n ** 255n, work)).toBe(2n ** 256n - 1n)
    expect(pearl.ticketBound(2n ** 232n, work)).toBe(2n ** 256n - 1n)
    expect(pearl.ticketBound(2n ** 231n, work)).toBe(2n ** 255n)
    expect(pearl.ticketWins(new Uint8Array(32).fill(255), 2n ** 256n - 1n)).toBe(true)
  })

  test('what is left of k mod r counts nothing', () => {
    expect(pearl.ticketBound(1n, { h: 2, w: 16, k: 1088, rank: 128 })).toBe(32n * 1024n)
  })
})

describe('dimensions', () => {
  test.each<[string, Partial<pearl.PlainProof>]>([
    ['m of 2^32 + m', { m: 2 ** 32 + SMALL.m }],
    ['n of 2^32 + n', { n: 2 ** 32 + SMALL.n }],
    ['k of 2^32 + k', { k: 2 ** 32 + SMALL.k }],
    ['rank of 2^16 + rank', { noiseRank: 2 ** 16 + SMALL.rank }],
    ['m above 2^24', { m: 2 ** 24 + 1 }],
    ['n above 2^24', { n: 2 ** 24 + 1 }],
    ['m of 0', { m: 0 }],
    ['n below 0', { n: -1 }],
    ['m in fractions', { m: 24.5 }],
    ['n that is none', { n: Number.NaN }],
    ['infinite k', { k: Number.POSITIVE_INFINITY }],
  ])('%s', (_, change) => {
    rejected('PEARL_DIMENSIONS', () => verify(change))
  })

  test.each<[number, number]>([
    [0, 1024],
    [16, 1024],
    [33, 1024],
    [48, 1024],
    [96, 2048],
    [2048, 65_472],
  ])('rank %i is refused', (noiseRank, k) => {
    rejected(noiseRank === 0 ? 'PEARL_DIMENSIONS' : 'PEARL_RANK', () => verify({ noiseRank, k }))
  })

  test.each<[number, number, string]>([
    [960, 32, 'outside'],
    [1023, 32, 'outside'],
    [1056, 32, 'multiple of 64'],
    [4160, 32, 'above 4 r^2'],
    [1024, 128, 'below 16 r'],
    [16_320, 1024, 'below 16 r'],
    [65_600, 1024, 'outside'],
    [131_072, 1024, 'outside'],
  ])('k = %i at rank %i: %s', (k, noiseRank, because) => {
    rejected('PEARL_K', () => verify({ noiseRank, k }), because)
    const { configuration } = small
    rejected('PEARL_K', () => pearl.checkConfiguration({ ...configuration, k, rank: noiseRank }), because)
  })

  test.each<[number, number]>([
    [1024, 32],
    [4096, 32],
    [1024, 64],
    [2048, 128],
    [16_384, 64],
    [65_536, 128],
    [16_384, 1024],
    [65_536, 1024],
  ])('k = %i at rank %i is at a bound and inside', (k, rank) => {
    const { configuration } = small
    accepted(() => pearl.checkConfiguration({ ...configuration, k, rank }))
  })

  test('tiles: even sides, 32 to 256 entries, 4 MiB of rows', () => {
    const at = (h: number, w: number, k = 1024, rank = 32): unknown =>
      pearl.checkConfiguration({
        k,
        rank,
        rows: pearl.patternOfIndices(spaced(h, 1), 4096).pattern,
        columns: pearl.patternOfIndices(spaced(w, 1), 4096).pattern,
      })
    for (const [h, w] of [
      [2, 16],
      [16, 2],
      [2, 128],
      [16, 16],
      [4, 8],
    ] as const)
      accepted(() => at(h, w))
    rejected('PEARL_TILE', () => at(3, 16), 'odd')
    rejected('PEARL_TILE', () => at(16, 3), 'odd')
    rejected('PEARL_TILE', () => at(1, 32), 'odd')
    rejected('PEARL_TILE', () => at(2, 14), '2 x 14')
    rejected('PEARL_TILE', () => at(2, 15), 'odd')
    rejected('PEARL_TILE', () => at(2, 130), '2 x 130')
    rejected('PEARL_TILE', () => at(16, 18), '16 x 18')
    accepted(() => at(2, 62, 65_536, 1024))
    rejected('PEARL_TILE', () => at(2, 64, 65_536, 1024), 'bytes of rows')
  })

  test('the same bounds hold for a proof', () => {
    const shape = (rows: number[], columns: number[]): unknown => {
      const opening = (rowIndices: number[], base: pearl.MatrixOpening): pearl.MatrixOpening => ({
        ...base,
        rowIndices,
      })
      return verify({ a: opening(rows, proof.a), bt: opening(columns, proof.bt) })
    }
    rejected('PEARL_TILE', () => shape([0], spaced(32, 1)), 'odd')
    rejected('PEARL_TILE', () => shape([0, 1], spaced(14, 1)), '2 x 14')
    rejected('PEARL_TILE', () => shape([], spaced(16, 1)))
  })
})

describe('indices', () => {
  test.each<[string, ErrorCode, readonly number[]]>([
    ['in another order', 'PEARL_INDICES', [13, 9]],
    ['twice the same', 'PEARL_INDICES', [9, 9]],
    ['outside the matrix', 'PEARL_INDICES', [20, 24]],
    ['around 2^32', 'PEARL_INDICES', [2 ** 32 - 4, 2 ** 32]],
    ['negative', 'PEARL_INDICES', [-4, 0]],
    ['in fractions', 'PEARL_INDICES', [9.5, 13.5]],
    ['at an offset where no tile begins', 'PEARL_OFFSET', [4, 8]],
    ['of another pattern', 'PEARL_LEAVES', [8, 9]],
    ['of another tile', 'PEARL_LEAVES', [10, 14]],
    ['of a pattern that does not encode', 'PEARL_PATTERN', [0, 3, 5, 8]],
  ])('rows %s', (_, code, rowIndices) => {
    rejected(code, () => withA({ rowIndices }))
  })

  test('columns likewise', () => {
    rejected('PEARL_INDICES', () => withB({ rowIndices: spaced(16, 5) }))
    rejected('PEARL_OFFSET', () => withB({ rowIndices: spaced(16, 2).map((i) => i + 34) }))
    rejected('PEARL_INDICES', () => withB({ rowIndices: proof.bt.rowIndices.toReversed() }))
  })
})

describe('openings', () => {
  test('the number of chunks is that of the dimensions', () => {
    rejected('PEARL_LEAF_COUNT', () => withA({ totalLeaves: SMALL.m + 1 }))
    rejected('PEARL_LEAF_COUNT', () => withB({ totalLeaves: SMALL.n - 1 }))
    rejected('PEARL_LEAF_COUNT', () => withB({ totalLeaves: Number.NaN }))
    rejected('PEARL_LEAF_COUNT', () => verify({ m: SMALL.m + 1 }))
    rejected('PEARL_LEAF_COUNT', () => verify({ n: SMALL.n + 1 }))
  })

  test('the chunks are exactly those of the rows', () => {
    const { leafIndices, leafData } = proof.a
    rejected('PEARL_LEAVES', () => withA({ leafIndices: leafIndices.map((i) => i + 1) }))
    rejected('PEARL_LEAVES', () => withA({ leafIndices: leafIndices.slice(1), leafData: leafData.slice(1) }))
    rejected('PEARL_LEAVES', () => withA({ leafIndices: [...leafIndices, 14], leafData: [...leafData, leafData[0]!] }))
    rejected('PEARL_LEAVES', () => withA({ leafIndices: [9, 9, 13], leafData: [leafData[0]!, ...leafData] }))
    rejected('PEARL_LEAVES', () => withA({ leafData: leafData.slice(1) }))
    rejected('PEARL_LEAVES', () => withA({ leafData: [...leafData, leafData[0]!] }))
  })

  test('they lead to the root, with no sibling more or less', () => {
    const { leafData, siblings, root } = proof.a
    rejected('PEARL_OPENING', () => withA({ leafData: [leafData[0]!, leafData[0]!] }))
    rejected('PEARL_OPENING', () => withA({ root: flipped(root) }))
    rejected('PEARL_OPENING', () => withA({ siblings: siblings.slice(1) }))
    rejected('PEARL_OPENING', () => withA({ siblings: [...siblings, bytes32(1)] }))
    rejected('PEARL_OPENING', () => withA({ siblings: [flipped(siblings[0]!), ...siblings.slice(1)] }))
    rejected('PEARL_OPENING', () => withB({ siblings: [] }))
    rejected('PEARL_OPENING', () => verify({ a: proof.bt, bt: proof.bt, m: SMALL.n, noiseRank: 64 }))
  })

  test('entries lie in [-64, 64]', () => {
    for (const [value, code] of [
      [64, 'PEARL_OPENING'], // allowed, only not what was committed
      [65, 'PEARL_ENTRY'],
      [-64 & 255, 'PEARL_OPENING'],
      [-65 & 255, 'PEARL_ENTRY'],
      [128, 'PEARL_ENTRY'],
    ] as const) {
      const leafData = [proof.a.leafData[0]!.with(500, value), proof.a.leafData[1]!]
      rejected(code, () => withA({ leafData }))
    }
    const edges = randomOperand(1n, SMALL.m * SMALL.k)
    edges.set([64, -64], 9 * SMALL.k)
    const work = committed(SMALL, { a: edges })
    accepted(() => pearl.verifyPlainProof(HEADER, pearl.openTile(work, 9, 33)))
    rejected('PEARL_ENTRY', () => committed(SMALL, { a: edges.with(0, 65) }))
  })

  test('the last chunk is zero after the matrix', () => {
    const last = pearl.openTile(ragged, 8, 16)
    const at = last.a.leafData.length - 1
    const inside = (RAGGED.m * RAGGED.k) % 1024
    const leaf = last.a.leafData[at]!
    const tampered = (position: number): Uint8Array[] =>
      last.a.leafData.with(at, leaf.with(position, 1)) as Uint8Array[]
    rejected('PEARL_PADDING', () => withA({ leafData: tampered(1023) }, last))
    rejected('PEARL_PADDING', () => withA({ leafData: tampered(inside) }, last))
    rejected('PEARL_OPENING', () => withA({ leafData: tampered(inside - 1) }, last))
  })
})

describe('the form', () => {
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['text', 'proof'],
    ['an empty object', {}],
    ['m as text', { ...proof, m: '24' }],
    ['no opening', { ...proof, a: undefined }],
    ['no list of rows', { ...proof, a: { ...proof.a, rowIndices: undefined } }],
    ['a typed array of rows', { ...proof, a: { ...proof.a, rowIndices: Uint32Array.from(proof.a.rowIndices) } }],
    ['no list of chunks', { ...proof, bt: { ...proof.bt, leafData: new Uint8Array(1024) } }],
    ['a short chunk', { ...proof, a: { ...proof.a, leafData: proof.a.leafData.map((leaf) => leaf.subarray(1)) } }],
    ['holes for chunks', { ...proof, a: { ...proof.a, leafData: new Array(2) } }],
    ['a chunk as a list', { ...proof, a: { ...proof.a, leafData: proof.a.leafData.map((leaf) => [...leaf]) } }],
    ['holes for siblings', { ...proof, a: { ...proof.a, siblings: new Array(proof.a.siblings.length) } }],
    ['a short sibling', { ...proof, a: { ...proof.a, siblings: [new Uint8Array(31)] } }],
    ['a short root', { ...proof, bt: { ...proof.bt, root: new Uint8Array(31) } }],
    ['the number of chunks as text', { ...proof, a: { ...proof.a, totalLeaves: '24' } }],
  ])('%s', (_, value) => {
    rejected('PEARL_PROOF', () => pearl.verifyPlainProof(HEADER, value as pearl.PlainProof))
    rejected('PEARL_PROOF', () => pearl.encodePlainProof(value as pearl.PlainProof))
  })

  test('holes for indices', () => {
    rejected('PEARL_INDICES', () => withA({ rowIndices: new Array(2) }))
    rejected('PEARL_LEAVES', () => withA({ leafIndices: new Array(2) }))
  })

  const bytes = pearl.encodePlainProof(proof)
  const withU64 = (at: number, value: bigint): Uint8Array => {
    const copy = bytes.slice()
    new DataView(copy.buffer).setBigUint64(at, value, true)
    return copy
  }

  test.each<[string, ErrorCode, Uint8Array]>([
    ['empty', 'PEARL_PROOF', new Uint8Array(0)],
    ['without its end', 'PEARL_PROOF', bytes.subarray(0, -1)],
    ['with a byte more', 'PEARL_PROOF', concatBytes(bytes, Uint8Array.of(0))],
    ['of a sparse product', 'PEARL_PROOF', bytes.with(bytes.length - 1, 1)],
    ['too long', 'PEARL_PROOF', new Uint8Array(pearl.MAX_PLAIN_PROOF_BYTES + 1)],
    ['with 2^63 chunks', 'PEARL_PROOF', withU64(32, 2n ** 63n)],
    ['with 2^32 chunks', 'PEARL_PROOF', withU64(32, 2n ** 32n)],
    ['with chunks of 2^40 bytes', 'PEARL_PROOF', withU64(40, 2n ** 40n)],
    ['with m of 64 bits', 'PEARL_PROOF', withU64(0, 2n ** 64n - 1n)],
    ['with m of 2^32 + m', 'PEARL_DIMENSIONS', withU64(0, 2n ** 32n + BigInt(SMALL.m))],
    ['with n of 2^53 - 1', 'PEARL_DIMENSIONS', withU64(8, 2n ** 53n - 1n)],
  ])('bytes %s', (_, code, value) => {
    rejected(code, () => pearl.verifyPlainProof(HEADER, value))
  })

  test('sizes are refused before anything is read', () => {
    rejected('PEARL_PROOF', () => pearl.decodePlainProof(new Uint8Array(pearl.MAX_PLAIN_PROOF_BYTES + 1)), 'at most')
    rejected('PEARL_PROOF', () => pearl.decodePlainProof(withU64(32, 2n ** 52n)), 'do not fit')
    rejected('PEARL_PROOF', () => pearl.decodePlainProof(withU64(32, 21n)), 'do not fit')
    const leafData = new Array<Uint8Array>(8200).fill(proof.a.leafData[0]!)
    rejected('PEARL_PROOF', () => pearl.encodePlainProof({ ...proof, a: { ...proof.a, leafData } }))
  })

  test('numbers that u64 does not hold do not encode', () => {
    for (const m of [-1, 0.5, 2 ** 53, Number.NaN])
      rejected('PEARL_PROOF', () => pearl.encodePlainProof({ ...proof, m }))
  })

  test('any byte changed: a rejection, or the same proof', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        let code: string | undefined
        try {
          pearl.verifyPlainProof(HEADER, bytes.with(at, bytes[at]! ^ mask))
        } catch (cause) {
          code = (cause as { code?: string }).code
        }
        expect(code).toMatch(/^PEARL_/)
      }),
      { numRuns: 300 },
    )
  })

  test('any bytes: a typed rejection', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (junk) => {
        rejected('PEARL_PROOF', () => pearl.verifyPlainProof(HEADER, junk))
      }),
    )
  })
})
