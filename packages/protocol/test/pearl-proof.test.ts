// Plain proofs of the Pearl baseline: what is created verifies, with what it proves. Ways to be wrong: pearl-malformed.test.ts.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bigintFromLe } from '../src/bytes.ts'
import { keyedHash } from '../src/hash.ts'
import { pearl } from '../src/index.ts'
import { COLUMNS_16, committed, HARDEST, HEADER, ROWS_8, type Shape, SMALL, spaced, workOf } from './pearl-fixture.ts'
import { accepted, rejected } from './rules/verbs.ts'

/** m k is no multiple of 1,024, and rows do not begin with chunks. */
const RAGGED: Shape = { rows: [0, 1], columns: spaced(16, 1), m: 10, n: 32, k: 1088, rank: 32 }
const small = committed(SMALL)
const ragged = committed(RAGGED)
const proof = pearl.openTile(small, 9, 33)

describe('what is created verifies', () => {
  test('as fields and as bytes, and says what it proves', () => {
    const verified = pearl.verifyPlainProof(HEADER, proof)
    const tile = pearl.drawTile(small, 9, 33)
    expect(verified).toMatchObject({
      configuration: small.configuration,
      jobKey: small.jobKey,
      seedA: small.seedA,
      seedB: small.seedB,
      rowOffset: 9,
      columnOffset: 33,
      state: tile.state,
      ticket: tile.ticket,
      bound: 2n ** 256n - 1n,
    })
    const bytes = pearl.encodePlainProof(proof)
    expect(pearl.verifyPlainProof(pearl.encodeHeader(HEADER), bytes)).toEqual(verified)
    expect(pearl.decodePlainProof(bytes)).toEqual(proof)
  })

  test('with another keyed hash the same comes out', () => {
    expect(pearl.verifyPlainProof(HEADER, proof, { hash: keyedHash })).toEqual(pearl.verifyPlainProof(HEADER, proof))
  })

  const sides = fc.constantFrom(
    { rows: [0, 1], columns: spaced(16, 1) },
    { rows: [0, 5], columns: spaced(16, 3) },
    { rows: spaced(4, 2), columns: [0, 1, 8, 9, 32, 33, 40, 41] },
    { rows: spaced(8, 8), columns: COLUMNS_16 },
    { rows: spaced(64, 1), columns: [0, 3] },
    { rows: spaced(16, 2), columns: spaced(16, 1) },
  )
  const shapes = fc.record({
    side: sides,
    extra: fc.integer({ min: 0, max: 37 }),
    steps: fc.integer({ min: 16, max: 40 }),
    rank: fc.constantFrom(32, 64, 128),
    rule: fc.constantFrom<pearl.SeedRule>('v3', 'legacy'),
    picks: fc.tuple(fc.nat(), fc.nat()),
  })

  test('for random shapes, tiles and both rules', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(shapes, ({ side, extra, steps, rank, rule, picks }) => {
        const k = 64 * Math.max(steps, rank / 4)
        const m = side.rows.at(-1)! + 1 + extra
        const n = side.columns.at(-1)! + 1 + (extra % 5)
        const work = committed({ ...side, m, n, k, rank }, { rule })
        const [rowOffsets, columnOffsets] = [
          [...pearl.tileOffsets(work.configuration.rows, m)],
          [...pearl.tileOffsets(work.configuration.columns, n)],
        ]
        const [rowOffset, columnOffset] = [
          rowOffsets[picks[0] % rowOffsets.length]!,
          columnOffsets[picks[1] % columnOffsets.length]!,
        ]
        const opened = pearl.openTile(work, rowOffset, columnOffset)
        const verified = pearl.verifyPlainProof(HEADER, pearl.encodePlainProof(opened), { rule })
        const tile = pearl.drawTile(work, rowOffset, columnOffset, keyedHash)
        expect(verified).toMatchObject({ rowOffset, columnOffset, state: tile.state, ticket: tile.ticket })
      }),
      { numRuns: 25 },
    )
  })

  test('creation finds the first tile that wins, and the others do not', () => {
    const work = workOf(SMALL)
    const bits = 0x1e1fffff // one tile in 16
    const header = { ...HEADER, bits }
    const target = pearl.targetFromBits(bits)
    const bound = pearl.ticketBound(target, { h: 2, w: 16, k: 1024, rank: 32 })
    expect(bound).toBe(target * 32n * 1024n)

    const made = pearl.createPlainProof({ ...work, header })!
    const verified = pearl.verifyPlainProof(header, made)
    expect(bigintFromLe(verified.ticket) <= bound).toBe(true)
    const all = pearl.commitWork({ ...work, header })
    const before: string[] = []
    for (const row of pearl.tileOffsets(all.configuration.rows, SMALL.m))
      for (const column of pearl.tileOffsets(all.configuration.columns, SMALL.n)) before.push(`${row},${column}`)
    const position = before.indexOf(`${verified.rowOffset},${verified.columnOffset}`)
    expect(position).toBeGreaterThan(0)
    for (const tile of before.slice(0, position)) {
      const [row, column] = tile.split(',').map(Number)
      rejected('PEARL_LOSES', () => pearl.verifyPlainProof(header, pearl.openTile(all, row!, column!)))
    }
    expect(pearl.createPlainProof({ ...work, header: HARDEST })).toBeUndefined()
  })

  test('the bound is part of the wins', () => {
    const { ticket } = pearl.drawTile(small, 9, 33)
    const value = bigintFromLe(ticket)
    expect([pearl.ticketWins(ticket, value), pearl.ticketWins(ticket, value - 1n)]).toEqual([true, false])
  })

  test('a share counts at the pool’s bits and not at the header’s', () => {
    const work = committed(SMALL, { header: HARDEST })
    const share = pearl.openTile(work, 9, 33)
    rejected('PEARL_LOSES', () => pearl.verifyPlainProof(HARDEST, share))
    accepted(() => pearl.verifyPlainProof(HARDEST, share, { shareBits: HEADER.bits }))
    rejected('PEARL_LOSES', () => pearl.verifyPlainProof(HEADER, proof, { shareBits: HARDEST.bits }))
  })

  test('the last chunk of an operand that does not fill it opens too', () => {
    const last = pearl.openTile(ragged, 8, 16)
    accepted(() => pearl.verifyPlainProof(HEADER, last))
    expect(last.a.leafIndices.at(-1)).toBe(last.a.totalLeaves - 1)
  })
})

describe('the rule', () => {
  test('a proof is for one rule', () => {
    const header = { ...HEADER, bits: 0x1e1fffff }
    const work = committed(SMALL, { header, rule: 'legacy' })
    const tile = pearl.findTile(work)
    expect(tile).toBeDefined()
    const legacy = pearl.openTile(work, tile!.rowOffset, tile!.columnOffset)
    accepted(() => pearl.verifyPlainProof(header, legacy, { rule: 'legacy' }))
    rejected('PEARL_LOSES', () => pearl.verifyPlainProof(header, legacy))
    rejected('PEARL_ARGUMENT', () => pearl.verifyPlainProof(header, legacy, { rule: 'v4' as pearl.SeedRule }))
  })

  test('the rank penalty refuses ranks below 128 and counts 128 products a step', () => {
    rejected('PEARL_RANK', () => pearl.verifyPlainProof(HEADER, proof, { rankPenalty: true }))
    const at = (rank: number, penalty: boolean): bigint =>
      pearl.ticketBound(1n, { h: 8, w: 16, k: 65_536, rank }, penalty)
    expect([128, 256, 512, 1024].map((rank) => at(rank, false) / at(rank, true))).toEqual([1n, 2n, 4n, 8n])
    const work = committed({ rows: ROWS_8, columns: COLUMNS_16, m: 64, n: 64, k: 2048, rank: 128 })
    const opened = pearl.openTile(work, 3, 4)
    expect(pearl.verifyPlainProof(HEADER, opened, { rankPenalty: true })).toEqual(
      pearl.verifyPlainProof(HEADER, opened),
    )
  })
})
