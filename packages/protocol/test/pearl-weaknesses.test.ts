/**
 * What the Pearl baseline accepts and the rules of Nacre refuse, case by case, with the binding (B1 to B6) or rule that refuses it.
 *
 *   baseline:  any A, any B, any shape  -> noise -> tile -> ticket          nacre:  unit -> prompt, model -> trace -> tile -> ticket
 *
 * What each costs in time per ticket: `npm run pearl-weaknesses`, docs/results/pearl-weaknesses.md. In words: docs/spec/12-pearl.md.
 */
import { describe, expect, test } from 'vitest'
import {
  assignedTask,
  blockCodec,
  buildTicketProof,
  checkTicketPosition,
  checkWinner,
  drawUnit,
  executeUnit,
  type LotteryParams,
  type Model,
  operandNoiseSeed,
  pearl,
  type Trace,
  ticketKey,
  unitId,
  unitModel,
  verifyTicketProof,
  weightNoiseSeed,
} from '../src/index.ts'
import { fixtureUnit, MINER_KEY, PARENT_BEACON, PROMPT, proofInput, UNIT_ID, UNIT_LOTTERY } from './lottery-fixture.ts'
import {
  bytes32,
  COLUMNS_16,
  committed,
  HARDEST,
  HEADER,
  ROWS_8,
  randomOperand,
  type Shape,
  SMALL,
  spaced,
  workOf,
} from './pearl-fixture.ts'
import * as one from './rules/one-block.ts'
import { accepted, flipped, rejected } from './rules/verbs.ts'

const WIDE: Shape = { rows: ROWS_8, columns: COLUMNS_16, m: 64, n: 64, k: 16_384, rank: 128 }
const { m, n, k } = SMALL

/** A whole block of a miner that committed to another trace for its unit, and drew on it as the rules say. */
const blockOf = (change: (trace: Trace) => Trace): ReturnType<typeof one.blockOf> => one.blockOf(change(one.trace))

describe('operands of the miner’s choice', () => {
  const structured: [string, Int8Array, Int8Array][] = [
    ['random', randomOperand(5n, m * k), randomOperand(6n, n * k)],
    ['zero', new Int8Array(m * k), new Int8Array(n * k)],
    ['all rows equal', randomOperand(5n, k * m).map((_, t, all) => all[t % k]!), randomOperand(6n, n * k)],
    [
      'of rank 1',
      Int8Array.from({ length: m * k }, (_, t) => (Math.floor(t / k) % 8) * ((t % k) % 9)),
      Int8Array.from({ length: n * k }, (_, t) => (Math.floor(t / k) % 8) * ((t % k) % 9)),
    ],
    ['all at the edge', new Int8Array(m * k).fill(64), new Int8Array(n * k).fill(-64)],
  ]

  test.each(structured)('%s operands make valid tickets', (_, a, b) => {
    const work = committed(SMALL, { a, b })
    accepted(() => pearl.verifyPlainProof(HEADER, pearl.openTile(work, 9, 33), { rankPenalty: false }))
  })

  test('B1: a ticket proof opens the rows of the assigned prompt and no others', () => {
    const unit = fixtureUnit()
    const input = proofInput(unit, unit.tickets[0]!)
    accepted(() => verifyTicketProof(input))
    const { rows } = input.proof
    for (const row of [new Uint8Array(rows[0]!.length), rows[1]!, flipped(rows[0]!)]) {
      const proof = { ...input.proof, rows: rows.map(() => row) }
      rejected('TICKET_PROOF_OPENING', () => verifyTicketProof({ ...input, proof }))
    }
    const { tokens } = one.block.body
    rejected('UNIT_PROMPT', () => one.validate(one.withTokens(tokens.map((token, i) => (i < 24 ? 7 : token)))))
  })

  test('B1, B6: a trace over zero rows or another prompt is drawn in vain', () => {
    const zero = blockOf((trace) => ({ ...trace, h: trace.h.map((rows) => new Float32Array(rows.length)) }))
    accepted(() => one.checkUpToReplay(zero))
    rejected('BLOCK_REPLAY_TRACE', () => checkWinner(one.context, zero))

    const task = assignedTask(one.context, one.block.header)
    const promptTokens = task.promptTokens.with(3, task.promptTokens[3]! ^ 1)
    const chosen = one.blockOf(executeUnit(one.context.bootstrap.model, { ...task, promptTokens }))
    rejected('UNIT_PROMPT', () => one.checkUpToReplay(chosen))
  })

  test('B2: weights come from the verifier’s own model', () => {
    const unit = fixtureUnit()
    const own = unitModel()
    const [first, ...rest] = own.layers
    const qkv = { ...first!.qkv, q: new Int8Array(first!.qkv.q.length) }
    const model: Model = { ...own, layers: [{ ...first!, qkv }, ...rest] }
    const identity = { parentBeacon: PARENT_BEACON, unitId: UNIT_ID, minerKey: MINER_KEY, traceRoot: unit.top.root }
    const ticket = drawUnit({ modelParams: UNIT_LOTTERY, model, trace: unit.trace, ...identity })[0]!
    rejected('TICKET_STATE_MISMATCH', () => verifyTicketProof(proofInput(unit, ticket)))
    const { unit: descriptor } = one.block.header
    rejected('UNIT_MODEL', () => one.checkUpToReplay(one.withHeader({ unit: { ...descriptor, modelId: bytes32(1) } })))
  })
})

describe('dimensions that nothing binds (legacy rule)', () => {
  /** 24 chunks: the tile's rows lie in the first 16, and what is right of them is one chaining value. */
  const legacy = committed(SMALL, { rule: 'legacy' })
  const opened = pearl.openTile(legacy, 1, 33)
  const claim = (rows: number): pearl.PlainProof => ({ ...opened, m: rows, a: { ...opened.a, totalLeaves: rows } })

  test('one opened tile is valid for sixteen different numbers of rows, with one ticket', () => {
    const { ticket } = pearl.verifyPlainProof(HEADER, opened, { rule: 'legacy' })
    for (let rows = 17; rows <= 32; rows++) {
      const verified = pearl.verifyPlainProof(HEADER, claim(rows), { rule: 'legacy' })
      expect(verified.ticket).toEqual(ticket)
    }
    rejected('PEARL_OPENING', () => pearl.verifyPlainProof(HEADER, claim(33), { rule: 'legacy' }))
  })

  test('version 3 gives each its own ticket', () => {
    const work = committed(SMALL)
    const tile = pearl.openTile(work, 1, 33)
    const tickets = [23, 24, 25].map((rows) => {
      return pearl.verifyPlainProof(HEADER, { ...tile, m: rows, a: { ...tile.a, totalLeaves: rows } }).ticket.join()
    })
    expect(new Set(tickets).size).toBe(3)
  })

  test('B3: every dimension is in the seeds of the noise', () => {
    const weights = { parentBeacon: bytes32(1), modelId: bytes32(2), layer: 0, op: 0 as const, k: 64, n: 96, r: 32 }
    const seed = weightNoiseSeed(weights)
    for (const change of [{ k: 128 }, { n: 97 }, { r: 64 }, { layer: 1 }])
      expect(weightNoiseSeed({ ...weights, ...change })).not.toEqual(seed)
    const operand = { weightSeed: seed, unitId: bytes32(3), minerKey: bytes32(4), preRoot: bytes32(5), m: 24, k: 64 }
    for (const change of [{ m: 25 }, { k: 128 }, { preRoot: bytes32(6) }, { weightSeed: bytes32(7) }])
      expect(operandNoiseSeed({ ...operand, ...change })).not.toEqual(operandNoiseSeed(operand))
  })
})

describe('numbers that wrap', () => {
  const proof = pearl.openTile(committed(SMALL), 9, 33)

  test('dimensions above 2^32, which a cast to 32 bits made small again', () => {
    const claimed = { ...proof, m: 2 ** 32 + m, n: 2 ** 32 + n }
    const cast = { ...claimed, m: claimed.m % 2 ** 32, n: claimed.n % 2 ** 32 }
    accepted(() => pearl.verifyPlainProof(HEADER, cast))
    rejected('PEARL_DIMENSIONS', () => pearl.verifyPlainProof(HEADER, claimed))
  })

  test('an offset whose sum with the pattern passed 2^32', () => {
    const { pattern } = pearl.patternOfIndices(spaced(4, 3), 1000)
    const offset = 2 ** 32 - 4
    const wrapped = pearl.patternIndices(pattern, offset).map((index) => index % 2 ** 32)
    expect(wrapped).toEqual([2 ** 32 - 4, 2 ** 32 - 1, 2, 5])
    const oldCheck = (offset + pearl.patternMax(pattern)) % 2 ** 32 < 1000 && pearl.offsetIsValid(pattern, offset)
    expect(oldCheck).toBe(true)
    rejected('PEARL_INDICES', () => pearl.patternOfIndices(wrapped, 1000))
    rejected('PEARL_INDICES', () => pearl.patternOfIndices(pearl.patternIndices(pattern, offset), 1000))
    rejected('PEARL_INDICES', () =>
      pearl.verifyPlainProof(HEADER, { ...proof, a: { ...proof.a, rowIndices: wrapped } }),
    )
  })

  test('WRK-3: a position is an index of a full tile; header and codec hold nothing that could wrap', () => {
    const { config } = unitModel()
    const position = { layer: 0, op: 0 as const, tileRow: 0, tileColumn: 0 }
    const at = (change: Partial<typeof position>): void =>
      checkTicketPosition(config, UNIT_LOTTERY, PROMPT, { ...position, ...change })
    accepted(() => at({}))
    for (const value of [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, -1, 0.5]) {
      rejected('TICKET_POSITION', () => at({ tileRow: value }))
      rejected('TICKET_POSITION', () => at({ tileColumn: value }))
      rejected('TICKET_POSITION', () => at({ layer: value }))
    }
    const ticket = { ...one.block.header.ticket, tileRow: 2 ** 32 }
    const header = { ...one.block.header, ticket }
    rejected('CODEC_MALFORMED', () => blockCodec.encode({ ...one.block, header }))
  })
})

describe('a noise rank of the miner’s choice', () => {
  const boundAt = (rank: number, rankPenalty: boolean): bigint =>
    pearl.ticketBound(1n, { h: 8, w: 16, k: WIDE.k, rank }, rankPenalty)

  test('without the penalty each rank earns the same, with an eighth of the fold steps at 1024', () => {
    expect(new Set([64, 128, 256, 512, 1024].map((rank) => boundAt(rank, false))).size).toBe(1)
    for (const rank of [64, 1024]) {
      const work = committed({ ...WIDE, rank })
      accepted(() => pearl.verifyPlainProof(HEADER, pearl.openTile(work, 0, 0)))
    }
  })

  test('with it a fold step earns the same at each rank, and ranks below 128 are refused', () => {
    expect([128, 256, 512, 1024].map((rank) => boundAt(rank, true) * BigInt(rank / 128))).toEqual(
      new Array(4).fill(boundAt(128, true)),
    )
    const work = committed({ ...WIDE, rank: 64 })
    const proof = pearl.openTile(work, 0, 0)
    rejected('PEARL_RANK', () => pearl.verifyPlainProof(HEADER, proof, { rankPenalty: true }))
  })

  test('WRK-6: nobody chooses it', () => {
    const unit = fixtureUnit()
    const own: LotteryParams = { ...UNIT_LOTTERY, noiseRank: 32 }
    const identity = { parentBeacon: PARENT_BEACON, unitId: UNIT_ID, minerKey: MINER_KEY, traceRoot: unit.top.root }
    const { trace, subroots, top } = unit
    const ticket = drawUnit({ modelParams: own, model: unitModel(), trace, ...identity })[0]!
    const proof = buildTicketProof(trace, subroots, top, ticket.position, own.tileRows)
    rejected('TICKET_STATE_MISMATCH', () => verifyTicketProof({ ...proofInput(unit, ticket), proof }))
  })
})

describe('one product, any number of draws', () => {
  test('one entry of the operand changed: a new lottery for the price of its chunk’s path', () => {
    const work = workOf(SMALL)
    const seeds = [0, 1, 2].map((value) => pearl.commitWork({ ...work, a: work.a.with(m * k - 1, value) }))
    expect(new Set(seeds.map(({ seedA }) => seedA.join())).size).toBe(3)
    expect(new Set(seeds.map(({ seedB }) => seedB.join())).size).toBe(1)
    for (const next of seeds) accepted(() => pearl.verifyPlainProof(HEADER, pearl.openTile(next, 9, 33)))
  })

  test('or for one hash: an unopened subtree may be 32 bytes that no operand has', () => {
    const work = committed(SMALL)
    const opened = pearl.openTile(work, 1, 33) // rows 1 and 5: the last sibling stands for chunks 16..23
    const siblings = opened.a.siblings.with(-1, bytes32(0xee))
    const { leafIndices, leafData, totalLeaves } = opened.a
    const root = pearl.rootOfChunks(work.jobKey, totalLeaves, leafIndices, leafData, siblings)
    const proof = { ...opened, a: { ...opened.a, siblings, root } }
    expect(proof.a.root).not.toEqual(opened.a.root)
    accepted(() => pearl.verifyPlainProof(HEADER, proof))
  })

  test('the same operands under the next header: work that is mined again', () => {
    const work = workOf(SMALL)
    for (const time of [1, 2]) {
      const header = { ...HEADER, time }
      const again = pearl.commitWork({ ...work, header })
      accepted(() => pearl.verifyPlainProof(header, pearl.openTile(again, 9, 33)))
    }
  })

  test('B5: a unit of a parent has one prompt and one set of draws', () => {
    const { unit: descriptor } = one.block.header
    const id = unitId(descriptor, one.miner.publicKey)
    const next = unitId({ ...descriptor, parentId: bytes32(9) }, one.miner.publicKey)
    expect(next).not.toEqual(id)
    const task = assignedTask(one.context, one.block.header)
    const header = { ...one.block.header, parentId: bytes32(9), unit: { ...descriptor, parentId: bytes32(9) } }
    expect(assignedTask(one.context, header).promptTokens).not.toEqual(task.promptTokens)
  })

  test('B5, B6: another value anywhere in the trace is a new draw, and re-execution refuses it', () => {
    const changed = blockOf((trace) => {
      const h = trace.h.map((rows) => rows.slice())
      h.at(-1)!.set([h.at(-1)!.at(-1)! + 1], h.at(-1)!.length - 1)
      return { ...trace, h }
    })
    expect(changed.header.traceRoot).not.toEqual(one.block.header.traceRoot)
    accepted(() => one.checkUpToReplay(changed))
    rejected('BLOCK_REPLAY_TRACE', () => checkWinner(one.context, changed))
  })
})

describe('draws before the work is done', () => {
  test('a tile draws alone: the rest of the product need not exist', () => {
    const work = committed(SMALL)
    const tile = pearl.drawTile(work, 9, 33)
    expect(pearl.ticketHash(tile.state, work.seedA)).toEqual(tile.ticket)
    accepted(() => pearl.verifyPlainProof(HEADER, pearl.openTile(work, 9, 33)))
  })

  test('B4: no ticket has a key before the last token is in the trace root', () => {
    const { traceRoot } = one.block.header
    const key = ticketKey({ unitId: UNIT_ID, traceRoot })
    expect(key).not.toEqual(ticketKey({ unitId: UNIT_ID, traceRoot: flipped(traceRoot) }))
    const unit = fixtureUnit()
    const input = proofInput(unit, unit.tickets[0]!)
    rejected('TICKET_PROOF_OPENING', () => verifyTicketProof({ ...input, traceRoot: flipped(input.traceRoot) }))
  })
})

test('what holds in both: a ticket above the bound loses', () => {
  const work = committed(SMALL, { header: HARDEST })
  rejected('PEARL_LOSES', () => pearl.verifyPlainProof(HARDEST, pearl.openTile(work, 9, 33)))
})
