// WRK-4: shapes, worth and thresholds of tickets; the draw of a unit.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesToHex } from '../src/bytes.ts'
import {
  bestTicket,
  type DrawInput,
  denoise,
  drawMacs,
  drawUnit,
  foldProduct,
  type HeaderTicketInput,
  headerTicket,
  noisedProduct,
  noiseWeights,
  operandNoise,
  operandNoiseSeed,
  operandRows,
  preRootOf,
  residualRow,
  TICKET_OPS,
  type Ticket,
  type TicketPosition,
  type TicketRules,
  ticketHash,
  ticketKey,
  ticketMacs,
  ticketMatrix,
  ticketShape,
  ticketThreshold,
  ticketWins,
  unitTickets,
  weightSeedOf,
} from '../src/lottery/index.ts'
import { macsPerPosition } from '../src/model/macs.ts'
import { unitModel } from '../src/model/synthetic.ts'
import type { ModelDims } from '../src/model/types.ts'
import { dotRow } from '../src/numerics/linear.ts'
import { OP_GATE_UP, OP_QKV } from '../src/trace/types.ts'
import { LANE_BOOTSTRAP, LANE_PAID } from '../src/unit/types.ts'
import {
  bytes,
  fixtureCommitment,
  fixtureTrace,
  fixtureUnit,
  MINER_KEY,
  PARENT_BEACON,
  PROMPT,
  UNIT_ID,
  UNIT_LOTTERY,
} from './lottery-fixture.ts'

const DEVNET_DIMS: ModelDims = {
  dModel: 192,
  nLayers: 6,
  nHeads: 6,
  nKvHeads: 3,
  headDim: 32,
  ffnDim: 512,
  vocabSize: 512,
  maxSeqLen: 256,
}
const DEVNET_LOTTERY = { noiseRank: 32, tileRows: 16, tileColumns: 32 }

describe('shapes and worth', () => {
  test('the devnet model: sizes and full tiles of both operations', () => {
    expect(ticketShape(DEVNET_DIMS, DEVNET_LOTTERY, OP_QKV, 64)).toEqual({
      m: 64,
      k: 192,
      n: 384,
      r: 32,
      h: 16,
      w: 32,
      rowTiles: 4,
      columnTiles: 12,
    })
    expect(ticketShape(DEVNET_DIMS, DEVNET_LOTTERY, OP_GATE_UP, 63)).toMatchObject({
      n: 1024,
      rowTiles: 3,
      columnTiles: 32,
    })
    expect(unitTickets(DEVNET_DIMS, DEVNET_LOTTERY, 64)).toBe(6 * (4 * 12 + 4 * 32))
    expect(unitTickets(DEVNET_DIMS, DEVNET_LOTTERY, 15)).toBe(0)
  })

  test('a noise rank that does not divide the width is refused', () => {
    const lottery = { ...DEVNET_LOTTERY, noiseRank: 128 }
    expect(() => ticketShape(DEVNET_DIMS, lottery, OP_QKV, 64)).toThrow('PARAM_CONTRADICTION')
  })

  const rules = (bootstrapPromptTokens: number, paidDrawPpm: number): TicketRules => ({
    units: { bootstrapPromptTokens },
    jobs: { paidDrawPpm },
  })

  test('a ticket stands for its part of the bootstrap prompt, a paid one for a part of that, whatever its prompt', () => {
    const each = Math.floor((64 * macsPerPosition(DEVNET_DIMS)) / 1056)
    expect(ticketMacs(rules(64, 80_000), LANE_BOOTSTRAP, DEVNET_DIMS, DEVNET_LOTTERY)).toBe(each)
    expect(drawMacs(rules(64, 80_000), LANE_BOOTSTRAP, DEVNET_DIMS, DEVNET_LOTTERY, 64)).toBe(1056 * each)
    for (const ppm of [0, 1, 80_000, 999_999, 1_000_000]) {
      const paid = Math.floor((each * ppm) / 1e6)
      expect(ticketMacs(rules(64, ppm), LANE_PAID, DEVNET_DIMS, DEVNET_LOTTERY)).toBe(paid)
      for (const [promptTokens, tickets] of [
        [15, 0],
        [16, 264],
        [31, 264],
        [96, 1584],
      ] as const)
        expect(drawMacs(rules(64, ppm), LANE_PAID, DEVNET_DIMS, DEVNET_LOTTERY, promptTokens)).toBe(tickets * paid)
    }
  })

  test('where a bootstrap unit draws nothing, no ticket stands for anything', () => {
    for (const lane of [LANE_BOOTSTRAP, LANE_PAID] as const) {
      expect(ticketMacs(rules(15, 1_000_000), lane, DEVNET_DIMS, DEVNET_LOTTERY)).toBe(0)
      expect(drawMacs(rules(15, 1_000_000), lane, DEVNET_DIMS, DEVNET_LOTTERY, 64)).toBe(0)
    }
  })

  test('MACs beyond 2^53 are refused, not rounded', () => {
    const huge = { ...DEVNET_DIMS, dModel: 2 ** 17, ffnDim: 2 ** 17, nLayers: 256 }
    for (const lane of [LANE_BOOTSTRAP, LANE_PAID] as const) {
      expect(() => ticketMacs(rules(65536, 80_000), lane, huge, DEVNET_LOTTERY)).toThrow('UNIT_SHAPE')
      expect(() => drawMacs(rules(16, 1_000_000), lane, huge, DEVNET_LOTTERY, 65536)).toThrow('UNIT_SHAPE')
    }
  })
})

describe('thresholds', () => {
  const max = (1n << 256n) - 1n

  test('grow with the MACs of a ticket up to the clamp, and are 0 for a ticket that stands for nothing', () => {
    expect(ticketThreshold(10n, 333)).toBe(3330n)
    expect(ticketThreshold(1n << 255n, 2)).toBe(max)
    expect(ticketThreshold((1n << 255n) - 1n, 2)).toBe(max - 1n)
    expect(ticketThreshold(max, 0)).toBe(0n)
    expect(ticketWins(bytes(0), max, 0)).toBe(false)
    expect(ticketThreshold(1n, Number.MAX_SAFE_INTEGER)).toBe((1n << 53n) - 1n)
  })

  test('a ticket is a little-endian integer and must lie below', () => {
    const one = new Uint8Array(32)
    one[0] = 1
    expect(ticketWins(one, 1n, 1)).toBe(false)
    expect(ticketWins(one, 2n, 1)).toBe(true)
    const top = new Uint8Array(32)
    top[31] = 1
    expect(ticketWins(top, 1n << 248n, 1)).toBe(false)
    expect(ticketWins(top, (1n << 248n) + 1n, 1)).toBe(true)
    expect(ticketWins(bytes(255), max, 1000)).toBe(false)
  })

  test('a harder target never turns a loser into a winner', () => {
    const target = fc.bigInt({ min: 1n, max })
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), target, target, (ticket, a, b) => {
        const [hard, easy] = a < b ? [a, b] : [b, a]
        expect(ticketWins(ticket, hard, 142) && !ticketWins(ticket, easy, 142)).toBe(false)
      }),
    )
  })
})

describe('tickets', () => {
  test('unit, trace root, state and every coordinate change the ticket (B4)', () => {
    const state = new Uint32Array(16)
    const position: TicketPosition = { layer: 1, op: OP_QKV, tileRow: 2, tileColumn: 3 }
    const input = { unitId: bytes(1), traceRoot: bytes(2), foldState: state, position }
    const variants: HeaderTicketInput[] = [
      input,
      { ...input, unitId: bytes(9) },
      { ...input, traceRoot: bytes(9) },
      { ...input, foldState: state.with(15, 1) },
      { ...input, position: { ...position, layer: 0 } },
      { ...input, position: { ...position, op: OP_GATE_UP } },
      { ...input, position: { ...position, tileRow: 3 } },
      { ...input, position: { ...position, tileColumn: 2 } },
    ]
    const tickets = variants.map((each) => bytesToHex(headerTicket(each)))
    expect(new Set(tickets).size).toBe(8)
    expect(tickets[0]).toBe(
      bytesToHex(ticketHash(ticketKey({ unitId: bytes(1), traceRoot: bytes(2) }), state, position)),
    )
  })

  test('the best ticket is the least little-endian integer, the first among equals', () => {
    const ticket = (hash: Uint8Array, tileRow: number): Ticket => ({
      position: { layer: 0, op: OP_QKV, tileRow, tileColumn: 0 },
      foldState: new Uint32Array(16),
      hash,
    })
    const small = new Uint8Array(32).fill(255, 0, 31)
    const list = [ticket(bytes(1), 0), ticket(small, 1), ticket(small, 2)]
    expect(bestTicket(list)).toBe(list[1])
    expect(bestTicket([])).toBeUndefined()
  })
})

describe('the draw of a unit', () => {
  const model = unitModel()
  const unit = fixtureUnit()
  const input: DrawInput = {
    modelParams: UNIT_LOTTERY,
    model,
    parentBeacon: PARENT_BEACON,
    unitId: UNIT_ID,
    minerKey: MINER_KEY,
    trace: unit.trace,
    traceRoot: unit.top.root,
  }

  test('draws one ticket for each full tile, in order, all different', () => {
    expect(unit.tickets).toHaveLength(unitTickets(model.config, UNIT_LOTTERY, PROMPT))
    const order = unit.tickets.map(({ position: p }) => [p.layer, p.op, p.tileRow, p.tileColumn])
    const expected = [0, 1].flatMap((layer) =>
      TICKET_OPS.flatMap((op) => {
        const { rowTiles, columnTiles } = ticketShape(model.config, UNIT_LOTTERY, op, PROMPT)
        return Array.from({ length: rowTiles * columnTiles }, (_, t) => [
          layer,
          op,
          Math.floor(t / columnTiles),
          t % columnTiles,
        ])
      }),
    )
    expect(order).toEqual(expected)
    expect(new Set(unit.tickets.map((ticket) => bytesToHex(ticket.hash))).size).toBe(unit.tickets.length)
    expect(new Set(unit.tickets.map((ticket) => ticket.foldState.join())).size).toBe(unit.tickets.length)
  })

  test('the noised product of each operation denoises to the product of the plain layer (WRK-5)', () => {
    for (let layer = 0; layer < 2; layer++) {
      for (const op of TICKET_OPS) {
        const { m, k, n, r } = ticketShape(model.config, UNIT_LOTTERY, op, PROMPT)
        const side = { modelParams: UNIT_LOTTERY, model, parentBeacon: PARENT_BEACON, layer, op }
        const rows = Array.from({ length: m }, (_, i) => residualRow(unit.trace, layer, op, i))
        const operand = operandRows(model, layer, op, rows)
        const preRoot = preRootOf(unit.trace, layer, op)
        const identity = { weightSeed: weightSeedOf(side), unitId: UNIT_ID, minerKey: MINER_KEY, preRoot, m, k }
        const weights = noiseWeights(side)
        const useful = denoise({
          m,
          k,
          n,
          operand,
          operandNoise: operandNoise(operandNoiseSeed(identity), k, r, 0, m),
          noisedWeights: weights.noised,
          weightNoise: weights.noise,
          product: noisedProduct(input, layer, op).product,
        })
        const matrix = ticketMatrix(model, layer, op)
        const plain = useful.map((_, t) => dotRow(operand, Math.floor(t / n) * k, matrix, t % n, 0, k))
        expect(useful).toEqual(plain)
      }
    }
  })

  test('operands are residual rows through the norm of their operation, h for q,k,v and x for gate,up (WRK-1)', () => {
    const rows = [residualRow(unit.trace, 1, OP_QKV, 5)]
    expect(rows[0]).toEqual(unit.trace.h[1]!.subarray(5 * 32, 6 * 32))
    expect(residualRow(unit.trace, 1, OP_GATE_UP, 5)).toEqual(unit.trace.x[1]!.subarray(5 * 32, 6 * 32))
    expect(operandRows(model, 1, OP_QKV, rows)).not.toEqual(operandRows(model, 1, OP_GATE_UP, rows))
    expect(operandRows(model, 1, OP_QKV, rows).some((value) => Math.abs(value) === 63)).toBe(true)
  })

  test('beacon, unit, miner and operand change every fold state; the trace root only the tickets', () => {
    const states = (change: Partial<DrawInput>): string[] =>
      drawUnit({ ...input, ...change }).map((ticket) => ticket.foldState.join())
    const base = states({})
    const other = fixtureTrace(model.config, PROMPT)
    for (const rows of [...other.h, ...other.x]) rows[0]! += 1
    for (const change of [
      { parentBeacon: bytes(9) },
      { unitId: bytes(9) },
      { minerKey: bytes(9) },
      { model: { ...model, modelId: bytes(9) } },
      { trace: other },
    ]) {
      states(change).forEach((state, t) => {
        expect(state).not.toBe(base[t])
      })
    }
    expect(states({ traceRoot: bytes(9) })).toEqual(base)
    const hashes = drawUnit({ ...input, traceRoot: bytes(9) }).map((ticket) => bytesToHex(ticket.hash))
    hashes.forEach((hash, t) => {
      expect(hash).not.toBe(bytesToHex(unit.tickets[t]!.hash))
    })
  })

  test('rows after the prompt draw nothing', () => {
    const other = fixtureTrace(model.config, PROMPT)
    for (const rows of [...other.h, ...other.x]) rows.fill(7, PROMPT * 32)
    expect(drawUnit({ ...input, trace: other })).toEqual(unit.tickets)
  })

  test('a prompt shorter than a tile draws nothing', () => {
    const trace = fixtureTrace(model.config, 3)
    expect(drawUnit({ ...input, trace, traceRoot: fixtureCommitment(trace).top.root })).toEqual([])
  })

  test('kept weights give the same tickets, and those of another beacon are ignored', () => {
    let asked = 0
    const kept = (beacon: Uint8Array): Ticket[] =>
      drawUnit({
        ...input,
        cache: (side) => {
          asked++
          return noiseWeights({ ...side, parentBeacon: beacon })
        },
      })
    expect(kept(PARENT_BEACON)).toEqual(unit.tickets)
    expect(kept(bytes(9))).toEqual(unit.tickets)
    expect(asked).toBe(8)
  })

  test('foldProduct over the noised factors is what the draw folds', () => {
    const { states, product } = noisedProduct(input, 0, OP_QKV)
    expect(states).toEqual(unit.tickets.slice(0, states.length).map((ticket) => ticket.foldState))
    expect(product).toHaveLength(PROMPT * 64)
    expect(foldProduct(new Int8Array(0), new Int8Array(0), { m: 0, n: 0, h: 4, w: 8, k: 32, r: 8 }).states).toEqual([])
  })
})
