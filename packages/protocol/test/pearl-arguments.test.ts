// The plain functions of the Pearl baseline: noise, seeds, tiles, difficulty and emission, and what they say to wrong arguments (P8).
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { u32ListToBytes, utf8ToBytes } from '../src/bytes.ts'
import { ProtocolError } from '../src/errors.ts'
import { keyedHash } from '../src/hash.ts'
import { randomBlock as nacreBlock, foldTile as nacreFold, uniformFactor as nacreUniform, pearl } from '../src/index.ts'
import { bytes32, committed, HEADER, randomOperand, SMALL } from './pearl-fixture.ts'
import { accepted, rejected } from './rules/verbs.ts'

const key = bytes32(7)
const label = pearl.LABEL_A

describe('noise', () => {
  test('random blocks and uniform factors are those of WRK-2, with either hash', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 31 - 2 }), fc.integer({ min: 0, max: 7 }), (index, slot) => {
        const expected = nacreBlock(index, label, key, slot)
        expect(pearl.randomBlock(index, label, key, slot)).toEqual(expected)
        expect(pearl.randomBlock(index, label, key, slot, keyedHash)).toEqual(expected)
      }),
      { numRuns: 40 },
    )
    for (const r of [32, 48, 50, 128])
      expect(pearl.uniformFactor(label, key, 5, r)).toEqual(nacreUniform(label, key, 5, r))
  })

  test('a label is its text or its bytes, padded', () => {
    const padded = new Uint8Array(32)
    padded.set(utf8ToBytes(label))
    for (const bytes of [utf8ToBytes(label), padded])
      expect(pearl.randomBlock(3, bytes, key, 1)).toEqual(pearl.randomBlock(3, label, key, 1))
  })

  test('rows of a uniform factor can be made alone', () => {
    const whole = pearl.uniformFactor(label, key, 40, 64)
    const some = pearl.uniformFactorRows(label, key, [0, 7, 39], 64)
    for (const [i, row] of [0, 7, 39].entries())
      expect(some.subarray(64 * i, 64 * i + 64)).toEqual(whole.subarray(64 * row, 64 * row + 64))
    accepted(() => pearl.uniformFactorRows(label, key, [2 ** 24 - 1], 1024))
  })

  test('both positions of a pair lie below the rank and differ', () => {
    for (const rank of [2, 32, 1024]) {
      for (const [first, second] of pearl.sparseFactor(label, key, 500, rank)) {
        expect(first).not.toBe(second)
        expect(Math.max(first, second)).toBeLessThan(rank)
      }
    }
    expect(pearl.sparseFactor(label, key, 500, 32, keyedHash)).toEqual(pearl.sparseFactor(label, key, 500, 32))
  })

  test('noise is in [-63, 63], so that int8 holds every noised entry', () => {
    const [rows, k, r] = [[3, 4, 900], 1024, 64]
    const edges = [64, -64].map((value) => new Int8Array(rows.length * k).fill(value))
    for (const values of edges) {
      const noised = pearl.noisedRows({ label, seed: key, k, r, rows, values })
      const noise = Array.from(noised, (value, i) => value - values[i]!)
      expect(Math.max(...noise.map(Math.abs))).toBeLessThanOrEqual(63)
      expect(Math.max(...noised.map(Math.abs))).toBeGreaterThan(100)
    }
    const uniform = pearl.uniformFactorRows(label, key, rows, r)
    const pairs = pearl.sparseFactor(label, key, k, r)
    const plain = pearl.noisedRows({ label, seed: key, k, r, rows, values: new Int8Array(rows.length * k) })
    plain.forEach((value, i) => {
      const [first, second] = pairs[i % k]!
      const base = r * Math.floor(i / k)
      expect(value).toBe(uniform[base + first]! - uniform[base + second]!)
    })
  })
})

describe('tiles', () => {
  const rowsOf = (flat: Int8Array, k: number): Int8Array[] =>
    Array.from({ length: flat.length / k }, (_, i) => flat.subarray(i * k, (i + 1) * k))

  test('the fold is that of WRK-3, for flat rows and lists, even and odd sides', () => {
    for (const [h, w, k, r] of [
      [1, 1, 64, 32],
      [3, 5, 96, 32],
      [2, 16, 1024, 32],
      [7, 4, 640, 128],
      [16, 16, 2048, 64],
    ] as const) {
      const [a, b] = [randomOperand(1n, h * k), randomOperand(2n, w * k)]
      const expected = nacreFold(a, b, { h, w, k, r })
      expect(pearl.foldTile(a, b, { k, r })).toEqual(expected)
      expect(pearl.foldTile(rowsOf(a, k), rowsOf(b, k), { k, r })).toEqual(expected)
      expect(
        pearl.foldTile(
          rowsOf(a, k).map((row) => [...row]),
          b,
          { k, r },
        ),
      ).toEqual(expected)
    }
  })

  test('k mod r at the end is not folded; the largest sums fit', () => {
    const [a, b] = [randomOperand(1n, 2 * 100), randomOperand(2n, 2 * 100)]
    const cut = (flat: Int8Array): Int8Array[] => rowsOf(flat, 100).map((row) => row.subarray(0, 96))
    expect(pearl.foldTile(a, b, { k: 100, r: 32 })).toEqual(pearl.foldTile(cut(a), cut(b), { k: 96, r: 32 }))
    const k = 65_536
    const most = pearl.foldTile(new Int8Array(k).fill(-127), new Int8Array(k).fill(127), { k, r: k })
    expect(most[0]).toBe((-127 * 127 * k) >>> 0)
  })

  test('tickets are keyed hashes of the state', () => {
    const state = Uint32Array.from({ length: 16 }, (_, i) => 2 ** 32 - 1 - i)
    expect(pearl.ticketHash(state, key)).toEqual(keyedHash(key, u32ListToBytes(state)))
    expect(pearl.ticketHash([...state], key)).toEqual(pearl.ticketHash(state, key))
  })
})

describe('difficulty and emission', () => {
  const LIMIT = pearl.targetFromBits(pearl.POW_LIMIT_BITS)

  test('bits follow old + floor((t - T) old / H), at most the limit and at least 1', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0x04000001, max: 0x1affffff }),
        fc.integer({ min: -9000, max: 9000 }),
        (bits, t) => {
          const old = pearl.targetFromBits(bits)
          if (old === 0n) return
          const step = BigInt(t - 194) * old
          const floor = step >= 0n || step % 604_800n === 0n ? step / 604_800n : step / 604_800n - 1n
          const exact = old + floor
          const next = pearl.targetFromBits(pearl.nextBits(bits, t))
          const expected = exact < 1n ? 1n : exact > LIMIT ? LIMIT : exact
          expect(next <= expected && expected - next <= expected >> 14n).toBe(true)
        },
      ),
    )
    expect(pearl.nextBits(0x1a07fff8, 194)).toBe(0x1a07fff8)
    expect(pearl.nextBits(0x1b00ffff, 100_000)).toBe(pearl.POW_LIMIT_BITS)
    expect(pearl.targetFromBits(pearl.nextBits(0x1a07fff8, -700_000))).toBe(1n)
  })

  test('unlike BLK-6 nothing bounds t - T: one late block doubles the target, one early block can end it', () => {
    const old = pearl.targetFromBits(0x19100000)
    expect(pearl.targetFromBits(pearl.nextBits(0x19100000, 194 + 604_800))).toBe(2n * old)
    expect(pearl.targetFromBits(pearl.nextBits(0x19100000, 194 - 604_800))).toBe(1n)
  })

  test('subsidies fall and their sum stays below the supply', () => {
    const at = [1, 2, 1000, 650_226, 10_000_000, 2 ** 31].map(pearl.subsidy)
    expect(at.every((grains, i) => i === 0 || grains < at[i - 1]!)).toBe(true)
    expect(pearl.subsidy(0)).toBe(0n)
    let sum = 0n
    for (let height = 1; height <= 3000; height++) sum += pearl.subsidy(height)
    const curve = (pearl.SUPPLY_GRAINS * 3000n) / (3000n + pearl.EMISSION_BLOCKS)
    expect(curve - sum >= 0n && curve - sum <= 3000n).toBe(true)
  })
})

describe('wrong arguments', () => {
  const seeds = { jobKey: key, hashA: key, hashB: key, m: 1, n: 1 }
  const rows = new Int8Array(64)
  // biome-ignore lint/suspicious/noExplicitAny: arguments of wrong types are the point
  const wrong = (value: unknown): any => value

  test.each<[string, () => unknown]>([
    ['an index of 2^31 - 1', () => pearl.randomBlock(2 ** 31 - 1, label, key, 0)],
    ['a negative index', () => pearl.randomBlock(-1, label, key, 0)],
    ['an index in fractions', () => pearl.randomBlock(0.5, label, key, 0)],
    ['slot 8', () => pearl.randomBlock(0, label, key, 8)],
    ['a label of 33 bytes', () => pearl.randomBlock(0, 'x'.repeat(33), key, 0)],
    ['no label', () => pearl.randomBlock(0, wrong(undefined), key, 0)],
    ['a key of 31 bytes', () => pearl.randomBlock(0, label, key.subarray(1), 0)],
    ['a key as text', () => pearl.randomBlock(0, label, wrong('k'.repeat(32)), 0)],
    ['rank 0', () => pearl.sparseFactor(label, key, 64, 0)],
    ['rank 48', () => pearl.sparseFactor(label, key, 64, 48)],
    ['rank 1', () => pearl.sparseFactor(label, key, 64, 1)],
    ['k of 2^40', () => pearl.sparseFactor(label, key, 2 ** 40, 32)],
    ['k of 0', () => pearl.sparseFactor(label, key, 0, 32)],
    ['2^40 rows', () => pearl.uniformFactor(label, key, 2 ** 40, 32)],
    ['rows of 2^40 values', () => pearl.uniformFactor(label, key, 1, 2 ** 40)],
    ['row 2^24', () => pearl.uniformFactorRows(label, key, [2 ** 24], 32)],
    ['rows that are not there', () => pearl.noisedRows({ label, seed: key, k: 64, r: 32, rows: [0, 1], values: rows })],
    ['m of 2^32', () => pearl.noiseSeeds({ ...seeds, m: 2 ** 32 })],
    ['n below 0', () => pearl.noiseSeeds({ ...seeds, n: -1 })],
    ['a short root', () => pearl.noiseSeeds({ ...seeds, hashA: new Uint8Array(31) })],
    ['another short root', () => pearl.noiseSeeds({ ...seeds, hashB: new Uint8Array(33) })],
    [
      'a short root under the old rule',
      () => pearl.noiseSeeds({ ...seeds, hashA: new Uint8Array(31), rule: 'legacy' }),
    ],
    ['another one', () => pearl.noiseSeeds({ ...seeds, hashB: new Uint8Array(31), rule: 'legacy' })],
    ['a short job key', () => pearl.noiseSeeds({ ...seeds, jobKey: new Uint8Array(0) })],
    ['a rule that is none', () => pearl.noiseSeeds({ ...seeds, rule: wrong('v2') })],
    ['a short header', () => pearl.jobKey(new Uint8Array(75), new Uint8Array(52))],
    ['a long configuration', () => pearl.jobKey(new Uint8Array(76), new Uint8Array(53))],
    ['fold over k = 0', () => pearl.foldTile(rows, rows, { k: 0, r: 32 })],
    ['fold over k = 2^17', () => pearl.foldTile(new Int8Array(2 ** 17), new Int8Array(2 ** 17), { k: 2 ** 17, r: 32 })],
    ['a fold step above k', () => pearl.foldTile(rows, rows, { k: 64, r: 65 })],
    ['half a row', () => pearl.foldTile(rows, rows, { k: 48, r: 16 })],
    ['no rows', () => pearl.foldTile(new Int8Array(0), rows, { k: 64, r: 32 })],
    ['no rows in a list', () => pearl.foldTile([], rows, { k: 64, r: 32 })],
    ['257 rows', () => pearl.foldTile(new Int8Array(257 * 64), rows, { k: 64, r: 32 })],
    ['rows of different lengths', () => pearl.foldTile([rows, rows.subarray(1)], rows, { k: 64, r: 32 })],
    ['values that int8 does not hold', () => pearl.foldTile([new Array(64).fill(128)], rows, { k: 64, r: 32 })],
    ['values in fractions', () => pearl.foldTile([new Array(64).fill(0.5)], rows, { k: 64, r: 32 })],
    ['rows of nothing', () => pearl.foldTile(wrong([undefined]), rows, { k: 64, r: 32 })],
    ['text for rows', () => pearl.foldTile(wrong('rows'), rows, { k: 64, r: 32 })],
    ['fifteen words', () => pearl.ticketHash(new Uint32Array(15), key)],
    ['no words', () => pearl.ticketHash(wrong(undefined), key)],
    ['a short seed', () => pearl.ticketHash(new Uint32Array(16), key.subarray(1))],
    ['bits of 33 bits', () => pearl.targetFromBits(2 ** 32)],
    ['no bits', () => pearl.targetFromBits(wrong(undefined))],
    ['a solve time of 2^33 s', () => pearl.nextBits(0x1a07fff8, 2 ** 33)],
    ['a height below 0', () => pearl.subsidy(-1)],
    ['a height above 2^31', () => pearl.subsidy(2 ** 31 + 1)],
    ['a height in fractions', () => pearl.subsidy(1.5)],
  ])('%s', (_, run) => {
    rejected('PEARL_ARGUMENT', run)
  })

  test('bits without a target have no next', () => {
    rejected('PEARL_BITS', () => pearl.nextBits(0, 194))
    rejected('PEARL_BITS', () => pearl.nextBits(0x1a07fff8, 194, 0x1a800000))
  })

  test('configurations: bytes that are none, numbers that do not fit', () => {
    const { configuration } = committed(SMALL)
    const bytes = pearl.encodeConfiguration(configuration)
    expect(pearl.decodeConfiguration(bytes)).toEqual(configuration)
    for (const at of [6, 7, 20, 23, 24, 51])
      rejected('PEARL_CONFIGURATION', () => pearl.decodeConfiguration(bytes.with(at, 1)))
    rejected('PEARL_CONFIGURATION', () => pearl.decodeConfiguration(bytes.subarray(1)))
    rejected('PEARL_CONFIGURATION', () => pearl.decodeConfiguration(wrong('bytes')))
    rejected('PEARL_PATTERN', () => pearl.decodeConfiguration(bytes.with(13, 1)))
    rejected('PEARL_PATTERN', () => pearl.decodeConfiguration(bytes.with(19, 1)))
    rejected('PEARL_CONFIGURATION', () => pearl.encodeConfiguration({ ...configuration, k: 2 ** 32 }))
    rejected('PEARL_CONFIGURATION', () => pearl.encodeConfiguration({ ...configuration, k: -1 }))
    rejected('PEARL_CONFIGURATION', () => pearl.encodeConfiguration({ ...configuration, rank: 2 ** 16 }))
    rejected('PEARL_CONFIGURATION', () => pearl.encodeConfiguration(wrong(undefined)))
    rejected('PEARL_PATTERN', () => pearl.encodeConfiguration({ ...configuration, rows: [] }))
  })

  test('headers: any 76 bytes are one, and come back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 76, maxLength: 76 }), (bytes) => {
        expect(pearl.encodeHeader(pearl.decodeHeader(bytes))).toEqual(bytes)
      }),
    )
    const [bytes, marked] = [pearl.encodeHeader(HEADER), { ...HEADER, previousBlock: bytes32(0).with(0, 0xaa) }]
    expect(bytes.subarray(0, 4)).toEqual(Uint8Array.of(0, 0, 0, 0x20))
    expect(pearl.encodeHeader(marked)[35]).toBe(0xaa)
  })

  test('work: operands of other sizes, offsets where no tile begins', () => {
    const work = committed(SMALL)
    rejected('PEARL_DIMENSIONS', () => committed(SMALL, { m: SMALL.m + 1 }))
    rejected('PEARL_DIMENSIONS', () => committed(SMALL, { n: 2 ** 24 + 1 }))
    rejected('PEARL_DIMENSIONS', () => committed(SMALL, { m: 0, a: new Int8Array(0) }))
    rejected('PEARL_DIMENSIONS', () => committed(SMALL, { b: wrong([...work.b]) }))
    rejected('PEARL_RANK', () => committed(SMALL, { configuration: { ...work.configuration, rank: 48 } }))
    rejected('PEARL_HEADER', () => committed(SMALL, { header: { ...HEADER, time: -1 } }))
    rejected('PEARL_OFFSET', () => pearl.openTile(work, 4, 0))
    rejected('PEARL_OFFSET', () => pearl.drawTile(work, 0, 64))
    rejected('PEARL_ARGUMENT', () => pearl.drawTile(work, 2 ** 32, 0))
  })

  test('junk of any kind: typed errors and no others', () => {
    const hostile = fc.constantFrom(
      1n,
      Symbol('x'),
      { toString: {}, valueOf: 1 },
      Object.create(null),
      [1n],
      new Array(3),
    )
    const junk = fc.oneof(fc.anything({ maxDepth: 2 }), hostile)
    fc.assert(
      fc.property(junk, junk, (x, y) => {
        const calls: (() => unknown)[] = [
          () => pearl.verifyPlainProof(wrong(x), wrong(y)),
          () => pearl.verifyPlainProof(HEADER, wrong({ m: 1, n: 1, k: 1024, noiseRank: 32, a: x, bt: y })),
          () => pearl.decodePlainProof(wrong(x)),
          () => pearl.decodePattern(wrong(x)),
          () => pearl.encodePattern(wrong([x, y, x])),
          () => pearl.patternOfIndices(wrong(x), wrong(y)),
          () => pearl.randomBlock(wrong(x), wrong(y), key, 0),
          () => pearl.sparseFactor(label, wrong(x), wrong(y), 32),
          () => pearl.operandRoot(wrong(x), wrong(y)),
          () => pearl.foldTile(wrong(x), wrong(y), { k: 64, r: 32 }),
          () => pearl.foldTile(wrong([new Array(64).fill(x)]), wrong([rows]), { k: 64, r: 32 }),
          () => pearl.ticketHash(wrong(x), key),
          () => pearl.ticketHash(wrong(new Array(16).fill(x)), key),
          () =>
            pearl.encodePattern(
              wrong([
                { stride: x, length: y },
                { stride: 1, length: 1 },
                { stride: 1, length: 1 },
              ]),
            ),
          () => pearl.encodeHeader(wrong({ ...HEADER, time: x, previousBlock: y })),
          () => pearl.encodePlainProof(wrong({ m: x, n: y, k: 1, noiseRank: 1, a: x, bt: y })),
          () => pearl.noiseSeeds({ ...seeds, m: wrong(x), rule: wrong(y) }),
          () => pearl.targetFromBits(wrong(x)),
          () => pearl.subsidy(wrong(x)),
        ]
        for (const call of calls) {
          try {
            call()
          } catch (cause) {
            expect(cause).toBeInstanceOf(ProtocolError)
          }
        }
      }),
      { numRuns: 1000 },
    )
  })
})
