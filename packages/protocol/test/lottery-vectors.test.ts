// vectors/noise.json and vectors/tickets.json are what the builders produce, and every case in them holds by itself.
import { describe, expect, test } from 'vitest'
import { bytesToHex, hexToBytes, u32ListToBytes } from '../src/bytes.ts'
import {
  drawMacs,
  foldTile,
  noisedOperandRows,
  operandNoise,
  operandNoiseSeed,
  permutedSparseFactor,
  randomBlock,
  randomStream,
  ticketHash,
  ticketKey,
  ticketMacs,
  ticketProofCodec,
  ticketThreshold,
  uniformFactor,
  weightNoise,
  weightNoiseSeed,
} from '../src/lottery/index.ts'
import { unitModel } from '../src/model/synthetic.ts'
import { fixtureUnit, proofInput, UNIT_LOTTERY } from './lottery-fixture.ts'
import { noiseVectors } from './vectors/noise.ts'
import { fill, foldA, foldW, ticketVectors } from './vectors/tickets.ts'
import { asJson, storedVectors } from './vectors/vector-file.ts'

const vectors = { noise: noiseVectors, tickets: ticketVectors }
// biome-ignore lint/suspicious/noExplicitAny: vectors are plain JSON
const read = (name: keyof typeof vectors): any => storedVectors(name, vectors[name])
const noise = read('noise')
const tickets = read('tickets')
const state = (hex: string): Uint32Array => new Uint32Array(hexToBytes(hex).buffer)

test.each(['noise', 'tickets'] as const)('vectors/%s.json is what its builder produces', (name) => {
  expect(read(name)).toEqual(asJson(vectors[name]()))
})

describe('vectors/noise.json', () => {
  test('has the published check values, and random blocks agree (WRK-2)', () => {
    const published = noise.randomBlock.filter((entry: { source: string }) => entry.source === 'published')
    expect(published).toHaveLength(7)
    for (const { label, slot, index, key, digest } of noise.randomBlock) {
      expect(bytesToHex(randomBlock(index, label, hexToBytes(key), slot))).toBe(digest)
    }
  })

  test('uniform factors agree, the published one included', () => {
    expect(noise.uniformFactor[0]).toMatchObject({ source: 'published', rows: 4, rank: 32 })
    for (const { label, key, rows, rank, values } of noise.uniformFactor) {
      expect([...uniformFactor(label, hexToBytes(key), rows, rank)]).toEqual(values)
    }
  })

  test("the words of slot 1 give Pearl's published sparse factor under Pearl's own rule", () => {
    const [{ label, key, rank, k, pairs }] = noise.pearlSparseFactor
    const words = new DataView(randomStream(label, hexToBytes(key), 1, 0, 4 * k).buffer)
    const own = Array.from({ length: k }, (_, c) => {
      const u = words.getUint32(4 * c, true)
      const first = u & (rank - 1)
      return [first, first ^ (1 + Math.floor(((rank - 1) * u) / 2 ** 32))]
    })
    expect(own).toEqual(pairs)
  })

  test('sparse factors, noise and seeds agree', () => {
    for (const { label, key, rank, k, plus, minus } of noise.permutedSparseFactor) {
      const factor = permutedSparseFactor(label, hexToBytes(key), k, rank)
      expect([[...factor.plus], [...factor.minus]]).toEqual([plus, minus])
    }
    for (const { side, seed, k, rank, rows, values } of noise.noise) {
      const make = side === 'operand' ? operandNoise : weightNoise
      const matrix = noisedOperandRows(new Int8Array(rows * k), make(hexToBytes(seed), k, rank, 0, rows))
      expect([...matrix]).toEqual(values)
    }
    for (const { parentBeacon, modelId, layer, op, k, n, r, seed } of noise.weightNoiseSeed) {
      const input = { parentBeacon: hexToBytes(parentBeacon), modelId: hexToBytes(modelId), layer, op, k, n, r }
      expect(bytesToHex(weightNoiseSeed(input))).toBe(seed)
    }
    for (const { weightSeed, unitId, minerKey, preRoot, m, k, seed } of noise.operandNoiseSeed) {
      const [w, u, key, pre] = [weightSeed, unitId, minerKey, preRoot].map(hexToBytes) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ]
      expect(bytesToHex(operandNoiseSeed({ weightSeed: w, unitId: u, minerKey: key, preRoot: pre, m, k }))).toBe(seed)
    }
  })
})

describe('vectors/tickets.json', () => {
  test('each full tile folds to its state by itself (WRK-3)', () => {
    for (const { shape, states } of tickets.fold) {
      const { m, n, h, w, k } = shape
      const a = fill(m, k, foldA)
      const b = fill(n, k, foldW)
      const columns = Math.floor(n / w)
      expect(states).toHaveLength(Math.floor(m / h) * columns)
      states.forEach((hex: string, t: number) => {
        const row = Math.floor(t / columns) * h
        const column = (t % columns) * w
        const tile = foldTile(a.subarray(row * k, (row + h) * k), b.subarray(column * k, (column + w) * k), shape)
        expect(bytesToHex(u32ListToBytes(tile))).toBe(hex)
      })
    }
  })

  test('keys, tickets and thresholds agree (WRK-4)', () => {
    for (const { unitId, traceRoot, key } of tickets.ticketKey) {
      const committed = { unitId: hexToBytes(unitId), traceRoot: hexToBytes(traceRoot) }
      expect(bytesToHex(ticketKey(committed))).toBe(key)
    }
    for (const { key, foldState, position, ticket } of tickets.ticket) {
      expect(bytesToHex(ticketHash(hexToBytes(key), state(foldState), position))).toBe(ticket)
    }
    for (const { target, ticketMacs: macs, threshold } of tickets.threshold) {
      expect(String(ticketThreshold(BigInt(target), macs))).toBe(threshold)
    }
    for (const {
      bootstrapPromptTokens,
      paidDrawPpm,
      lane,
      promptTokens,
      ticketMacs: each,
      drawMacs: all,
    } of tickets.worth) {
      const rules = { units: { bootstrapPromptTokens }, jobs: { paidDrawPpm } }
      const { config } = unitModel()
      expect(ticketMacs(rules, lane, config, UNIT_LOTTERY)).toBe(each)
      expect(drawMacs(rules, lane, config, UNIT_LOTTERY, promptTokens)).toBe(all)
    }
  })

  test('the proof decodes to the one that opens the best ticket (WRK-7)', () => {
    const unit = fixtureUnit()
    const { layer, op, tileRow, tileColumn } = tickets.draw.best
    const best = unit.tickets.find(
      ({ position: p }) => p.layer === layer && p.op === op && p.tileRow === tileRow && p.tileColumn === tileColumn,
    )!
    expect(ticketProofCodec.decode(hexToBytes(tickets.proof.bytes))).toEqual(proofInput(unit, best).proof)
  })
})
