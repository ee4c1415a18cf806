/** Tickets and random streams, hashed many at once, against the reference one by one (WRK-2, WRK-4). */
import {
  bestTicket,
  type KeyedHash,
  keyedHash,
  permutedSparseFactor,
  randomStream,
  TICKET_OPS,
  type Ticket,
  ticketHash,
  ticketKey,
  ticketShape,
  uniformFactor,
  unitTickets,
} from '@nacre/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { type BatchHash, batchOf, bestTicketOf, createFastHash } from '../src/index.ts'
import { noiseFactors, randomBytes } from '../src/run/noise.ts'
import { createRandom, randomLottery, randomModel } from './support/random.ts'

let hash: BatchHash
beforeAll(async () => {
  hash = await createFastHash()
})

describe('the best ticket is the reference', () => {
  const check = (seed: number, promptTokens: number, use: KeyedHash): number => {
    const random = createRandom(seed)
    const rank = random.pick([4, 8])
    const model = randomModel(random, { extreme: false, rank, maxSeqLen: 512 })
    const params = randomLottery(random, rank)
    const tickets = unitTickets(model.config, params, promptTokens)
    const states = Uint32Array.from({ length: 16 * tickets }, () => random.below(2 ** 32))
    const [unitId, traceRoot] = [random.bytes(32), random.bytes(32)]
    const key = ticketKey({ unitId, traceRoot })
    const all: Ticket[] = []
    for (let layer = 0; layer < model.config.nLayers; layer++) {
      for (const op of TICKET_OPS) {
        const { rowTiles, columnTiles } = ticketShape(model.config, params, op, promptTokens)
        for (let tile = 0; tile < rowTiles * columnTiles; tile++) {
          const foldState = states.slice(16 * all.length, 16 * all.length + 16)
          const position = { layer, op, tileRow: Math.floor(tile / columnTiles), tileColumn: tile % columnTiles }
          all.push({ position, foldState, hash: ticketHash(key, foldState, position, hash) })
        }
      }
    }
    const actual = bestTicketOf(model, params, promptTokens, key, states, use)
    expect(actual, `seed ${seed}`).toEqual(bestTicket(all))
    return tickets
  }

  test('of units with none to thousands of tickets', () => {
    const counts = [1, 20, 60, 200, 512].flatMap((tokens, i) => [0, 1, 2].map((j) => check(10 * i + j, tokens, hash)))
    expect(Math.min(...counts)).toBe(0)
    expect(Math.max(...counts)).toBeGreaterThan(1100)
  })

  test('with a hash that takes one message at a time', () => {
    expect(check(1, 30, keyedHash)).toBeGreaterThan(0)
  })

  test('the earliest among equals', () => {
    const random = createRandom(7)
    const model = randomModel(random, { extreme: false, rank: 8, maxSeqLen: 64, layers: 1 })
    const params = { noiseRank: 8, tileRows: 2, tileColumns: 4 }
    const states = new Uint32Array(16 * unitTickets(model.config, params, 40))
    const same: KeyedHash = () => new Uint8Array(32).fill(9)
    const best = bestTicketOf(model, params, 40, new Uint8Array(32), states, same)
    expect(best?.position).toEqual({ layer: 0, op: 0, tileRow: 0, tileColumn: 0 })
  })
})

describe('random streams are the reference', () => {
  test.each([0, 1, 31, 32, 33, 4000, 70_001])('%i bytes', (length) => {
    const key = createRandom(length).bytes(32)
    for (const slot of [0, 1, 2, 7]) {
      expect(randomBytes('B_tensor', key, slot, length, hash)).toEqual(
        randomStream('B_tensor', key, slot, 0, length, hash),
      )
    }
  })

  test.each([
    [1, 2, 2],
    [7, 24, 8],
    [64, 192, 32],
    [33, 2048, 128],
  ])('factors of %i rows, k = %i, r = %i', (rows, k, r) => {
    const seed = createRandom(k).bytes(32)
    for (const use of [hash, batchOf(keyedHash)]) {
      const { uniform, sparse } = noiseFactors('A_tensor', seed, rows, k, r, use)
      expect(uniform).toEqual(uniformFactor('A_tensor', seed, rows, r, hash))
      expect(sparse).toEqual(permutedSparseFactor('A_tensor', seed, k, r, hash))
    }
  })
})
