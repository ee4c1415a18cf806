// WRK-7: ticket proofs: honest ones pass, every tampered field gives its named code, the encoding is bounded.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { equalBytes, f32ToBytes } from '../src/bytes.ts'
import { type ErrorCode, ProtocolError } from '../src/errors.ts'
import { type KeyedHash, keyedHash } from '../src/hash.ts'
import { MAX_TICKET_PROOF_BYTES } from '../src/limits.ts'
import {
  buildTicketProof,
  checkHeaderTicket,
  checkTicketProofFits,
  noiseWeights,
  type Ticket,
  type TicketPosition,
  type TicketProof,
  type TicketProofInput,
  ticketProofBytes,
  ticketProofCodec,
  ticketProofHash,
  verifyTicketProof,
} from '../src/lottery/index.ts'
import type { ModelDims } from '../src/model/types.ts'
import { OP_GATE_UP, OP_QKV } from '../src/trace/types.ts'
import { bytes, fixtureCommitment, fixtureTrace, fixtureUnit, PROMPT, proofInput } from './lottery-fixture.ts'

const unit = fixtureUnit()
const at = (position: TicketPosition): Ticket =>
  unit.tickets.find((ticket) => JSON.stringify(ticket.position) === JSON.stringify(position))!
const ticket = at({ layer: 1, op: OP_GATE_UP, tileRow: 2, tileColumn: 3 })
const honest = proofInput(unit, ticket)

function codeOf(act: () => unknown): { code: ErrorCode; cause: ErrorCode | undefined } | 'accepted' {
  try {
    act()
    return 'accepted'
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return { code: error.code, cause: error.cause instanceof ProtocolError ? error.cause.code : undefined }
  }
}

const rejected = (input: TicketProofInput, code: ErrorCode, cause?: ErrorCode): void => {
  expect(codeOf(() => verifyTicketProof(input))).toEqual({ code, cause })
}
const withProof = (change: Partial<TicketProof>): TicketProofInput => ({
  ...honest,
  proof: { ...honest.proof, ...change },
})
const withPosition = (change: Record<string, number>): TicketProofInput => ({
  ...honest,
  ticket: { ...ticket, position: { ...ticket.position, ...change } as TicketPosition },
})
const flip = (data: Uint8Array, index = 0): Uint8Array => data.with(index, data[index]! ^ 1)

describe('honest proofs', () => {
  test('every ticket of the unit proves itself, and the verifier returns it', () => {
    for (const each of unit.tickets) expect(verifyTicketProof(proofInput(unit, each))).toEqual(each.hash)
  })

  test('kept weights, whole or the tile alone, give the same verdict with fewer hashes', () => {
    const count = (beacon: Uint8Array | undefined, firstColumn?: number, columns?: number): number => {
      let calls = 0
      const counting: KeyedHash = (key, data) => {
        calls++
        return keyedHash(key, data)
      }
      const kept = beacon && noiseWeights({ ...honest, ...ticket.position, parentBeacon: beacon }, firstColumn, columns)
      expect(verifyTicketProof(honest, () => kept, counting)).toEqual(ticket.hash)
      return calls
    }
    const fresh = count(undefined)
    expect(count(honest.parentBeacon)).toBeLessThan(fresh)
    expect(count(honest.parentBeacon, 24, 8)).toBe(count(honest.parentBeacon))
    // Another tile's columns or another parent's are not used.
    expect(count(honest.parentBeacon, 16, 8)).toBe(fresh)
    expect(count(honest.parentBeacon, 32, 8)).toBe(fresh)
    expect(count(bytes(9))).toBe(fresh)
  })
})

describe('tampering', () => {
  test('position: outside the full tiles', () => {
    for (const change of [
      { layer: 2 },
      { layer: -1 },
      { layer: 0.5 },
      { op: 2 },
      { op: Number.NaN },
      { tileRow: 4 },
      { tileRow: -1 },
      { tileColumn: 16 },
      { tileColumn: 1.5 },
    ]) {
      rejected(withPosition(change), 'TICKET_POSITION')
    }
    rejected({ ...honest, promptTokens: 3 }, 'TICKET_POSITION')
    rejected({ ...honest, modelParams: { ...honest.modelParams, tileColumns: 129 } }, 'TICKET_POSITION')
  })

  test('position: another full tile of the unit', () => {
    rejected(withPosition({ layer: 0 }), 'TICKET_PROOF_OPENING', 'MERKLE_PROOF_LENGTH')
    rejected(withPosition({ op: OP_QKV }), 'TICKET_PROOF_OPENING', 'MERKLE_PROOF_LENGTH')
    rejected(withPosition({ tileRow: 1 }), 'TICKET_PROOF_OPENING', 'MERKLE_ROOT_MISMATCH')
    rejected(withPosition({ tileRow: 3 }), 'TICKET_PROOF_OPENING', 'MERKLE_ROOT_MISMATCH')
    rejected(withPosition({ tileColumn: 4 }), 'TICKET_STATE_MISMATCH')
  })

  test('a losing ticket, also by its header alone', () => {
    rejected({ ...honest, target: 1n }, 'TICKET_LOSES')
    const header = { ...honest, ...ticket, dims: honest.model.config }
    expect(checkHeaderTicket(header)).toEqual(ticket.hash)
    expect(codeOf(() => checkHeaderTicket({ ...header, target: 1n }))).toMatchObject({ code: 'TICKET_LOSES' })
    expect(codeOf(() => checkHeaderTicket({ ...header, promptTokens: 3 }))).toMatchObject({ code: 'TICKET_POSITION' })
  })

  test('the threshold is exact: the ticket wins one above its value per MAC and not at it', () => {
    const perTicket = BigInt(Math.floor((PROMPT * 2 * (4 * 8 * 2 + 2 * 8 * 2 + 3 * 64) * 32) / (2 * (32 + 64))))
    const value = BigInt(
      `0x${[...ticket.hash]
        .reverse()
        .map((b) => b.toString(16).padStart(2, '0'))
        .join('')}`,
    )
    const atValue = value / perTicket
    rejected({ ...honest, target: atValue }, 'TICKET_LOSES')
    expect(verifyTicketProof({ ...honest, target: atValue + 1n })).toEqual(ticket.hash)
  })

  test('fold state: each word, and another length', () => {
    for (let word = 0; word < 16; word++) {
      const foldState = ticket.foldState.with(word, ticket.foldState[word]! ^ 1)
      rejected({ ...honest, ticket: { ...ticket, foldState } }, 'TICKET_STATE_MISMATCH')
    }
    for (const length of [0, 15, 17]) {
      rejected({ ...honest, ticket: { ...ticket, foldState: new Uint32Array(length) } }, 'TICKET_PROOF_SHAPE')
    }
  })

  test('what the seeds commit to: beacon, unit, miner, model id, dimensions', () => {
    rejected({ ...honest, parentBeacon: bytes(9) }, 'TICKET_STATE_MISMATCH')
    rejected({ ...honest, unitId: bytes(9) }, 'TICKET_STATE_MISMATCH')
    rejected({ ...honest, minerKey: bytes(9) }, 'TICKET_STATE_MISMATCH')
    rejected({ ...honest, model: { ...honest.model, modelId: bytes(9) } }, 'TICKET_STATE_MISMATCH')
    for (const noiseRank of [4, 16]) {
      rejected({ ...honest, modelParams: { ...honest.modelParams, noiseRank } }, 'TICKET_STATE_MISMATCH')
    }
    rejected({ ...honest, modelParams: { ...honest.modelParams, tileColumns: 4 } }, 'TICKET_STATE_MISMATCH')
    rejected({ ...honest, modelParams: { ...honest.modelParams, tileRows: 2 } }, 'TICKET_PROOF_SHAPE')
    rejected({ ...honest, promptTokens: PROMPT + 1 }, 'TICKET_PROOF_OPENING', 'MERKLE_ROOT_MISMATCH')
  })

  test('weights: one changed value of the tile', () => {
    const layers = honest.model.layers.map((layer) => ({
      ...layer,
      gateUp: { ...layer.gateUp, q: layer.gateUp.q.with(24 * 32, layer.gateUp.q[24 * 32]! === 5 ? 6 : 5) },
    }))
    rejected({ ...honest, model: { ...honest.model, layers } }, 'TICKET_STATE_MISMATCH')
  })

  test('trace root and pre-root', () => {
    rejected({ ...honest, traceRoot: bytes(9) }, 'TICKET_PROOF_OPENING', 'MERKLE_ROOT_MISMATCH')
    rejected(withProof({ preRoot: flip(honest.proof.preRoot) }), 'TICKET_PROOF_OPENING', 'MERKLE_ROOT_MISMATCH')
  })

  test('rows: number, length, values', () => {
    const { rows } = honest.proof
    rejected(withProof({ rows: [] }), 'TICKET_PROOF_SHAPE')
    rejected(withProof({ rows: rows.slice(1) }), 'TICKET_PROOF_SHAPE')
    rejected(withProof({ rows: [...rows, rows[0]!] }), 'TICKET_PROOF_SHAPE')
    rejected(withProof({ rows: rows.with(1, rows[1]!.subarray(4)) }), 'TICKET_PROOF_SHAPE')
    rejected(withProof({ rows: rows.with(1, new Uint8Array(0)) }), 'TICKET_PROOF_SHAPE')
    rejected(withProof({ rows: rows.with(1, flip(rows[1]!)) }), 'TICKET_PROOF_OPENING', 'MERKLE_ROOT_MISMATCH')
    const swapped = [rows[1]!, rows[0]!, ...rows.slice(2)]
    rejected(withProof({ rows: swapped }), 'TICKET_PROOF_OPENING', 'MERKLE_ROOT_MISMATCH')
  })

  test('rows: a committed row that is not finite', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const trace = fixtureTrace(honest.model.config, PROMPT)
      trace.x[1]![9 * 32 + 3] = value
      const { subroots, top } = fixtureCommitment(trace)
      const proof = buildTicketProof(trace, subroots, top, ticket.position, 4)
      rejected({ ...honest, traceRoot: top.root, proof }, 'TICKET_PROOF_SHAPE')
    }
  })

  test('rows: committed, but not the ones whose tile was folded', () => {
    const trace = fixtureTrace(honest.model.config, PROMPT)
    trace.x[1]![9 * 32 + 3]! += 100
    const { subroots, top } = fixtureCommitment(trace)
    const proof = buildTicketProof(trace, subroots, top, ticket.position, 4)
    expect(proof.rows[1]).toEqual(f32ToBytes(trace.x[1]!.subarray(9 * 32, 10 * 32)))
    rejected({ ...honest, traceRoot: top.root, proof }, 'TICKET_STATE_MISMATCH')
  })

  test('openings: missing, surplus, changed and misplaced hashes', () => {
    for (const field of ['rowProof', 'topProof'] as const) {
      const proof = honest.proof[field]
      expect(proof.length).toBeGreaterThan(1)
      rejected(withProof({ [field]: proof.slice(1) }), 'TICKET_PROOF_OPENING', 'MERKLE_PROOF_LENGTH')
      rejected(withProof({ [field]: [...proof, bytes(0)] }), 'TICKET_PROOF_OPENING', 'MERKLE_PROOF_LENGTH')
      rejected(withProof({ [field]: proof.with(0, flip(proof[0]!)) }), 'TICKET_PROOF_OPENING', 'MERKLE_ROOT_MISMATCH')
      rejected(withProof({ [field]: proof.toReversed() }), 'TICKET_PROOF_OPENING', 'MERKLE_ROOT_MISMATCH')
    }
  })
})

describe('encoding', () => {
  const encoded = ticketProofCodec.encode(honest.proof)

  test('round trip, and a hash that every byte changes', () => {
    expect(ticketProofCodec.decode(encoded)).toEqual(honest.proof)
    const hash = ticketProofHash(honest.proof)
    expect(equalBytes(ticketProofHash({ ...honest.proof, preRoot: flip(honest.proof.preRoot, 31) }), hash)).toBe(false)
  })

  test('trailing bytes, truncation and oversize are typed', () => {
    const code = (data: Uint8Array) => codeOf(() => ticketProofCodec.decode(data))
    expect(code(Uint8Array.of(...encoded, 0))).toMatchObject({ code: 'CODEC_TRAILING_BYTES' })
    expect(code(encoded.subarray(0, -1))).toMatchObject({ code: 'CODEC_MALFORMED' })
    expect(code(new Uint8Array(0))).toMatchObject({ code: 'CODEC_MALFORMED' })
    expect(code(Uint8Array.of(1, 1, 0, 0))).toMatchObject({ code: 'CODEC_MALFORMED' })
    expect(code(new Uint8Array(MAX_TICKET_PROOF_BYTES + 1))).toMatchObject({ code: 'CODEC_TOO_LARGE' })
    const tooMany = { ...honest.proof, rows: new Array<Uint8Array>(257).fill(new Uint8Array(1)) }
    expect(codeOf(() => ticketProofCodec.encode(tooMany))).toMatchObject({ code: 'CODEC_MALFORMED' })
  })

  test('garbage and damaged encodings only ever give a ProtocolError, in decoder and verifier', () => {
    const garbage = fc.uint8Array({ maxLength: 400 })
    const damaged = fc
      .array(fc.tuple(fc.nat(encoded.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((edits) => {
        const data = encoded.slice()
        for (const [index, value] of edits) data[index] = value
        return data
      })
    fc.assert(
      fc.property(fc.oneof(garbage, damaged), (data) => {
        if (equalBytes(data, encoded)) return
        const result = codeOf(() => verifyTicketProof({ ...honest, proof: ticketProofCodec.decode(data) }))
        expect(result).not.toBe('accepted')
      }),
      { numRuns: 500 },
    )
  })

  test('the devnet model: under 48 KiB, and the bound holds for every tile', () => {
    const dims: ModelDims = {
      dModel: 192,
      nLayers: 6,
      nHeads: 6,
      nKvHeads: 3,
      headDim: 32,
      ffnDim: 512,
      vocabSize: 512,
      maxSeqLen: 256,
    }
    const lottery = { noiseRank: 32, tileRows: 16, tileColumns: 32 }
    const trace = fixtureTrace(dims, 64)
    const { subroots, top } = fixtureCommitment(trace)
    const bound = ticketProofBytes(dims, lottery, 64)
    expect(bound).toBeLessThan(48 * 1024)
    for (let tileRow = 0; tileRow < 4; tileRow++) {
      const proof = buildTicketProof(trace, subroots, top, { layer: 5, op: OP_GATE_UP, tileRow, tileColumn: 0 }, 16)
      const size = ticketProofCodec.encode(proof).length
      expect(size).toBeLessThanOrEqual(bound)
      expect(size).toBeGreaterThan(16 * 192 * 4)
    }
  })

  test('the bound holds at awkward tile heights and prompt lengths', () => {
    const dims: ModelDims = { ...honest.model.config, dModel: 8, nLayers: 1 }
    for (const promptTokens of [1, 2, 3, 7, 18, 33]) {
      for (const tileRows of [1, 3, 5, 7]) {
        const trace = fixtureTrace(dims, promptTokens)
        const { subroots, top } = fixtureCommitment(trace)
        const bound = ticketProofBytes(dims, { noiseRank: 8, tileRows, tileColumns: 1 }, promptTokens)
        for (let tileRow = 0; (tileRow + 1) * tileRows <= promptTokens; tileRow++) {
          const position: TicketPosition = { layer: 0, op: OP_QKV, tileRow, tileColumn: 0 }
          const proof = buildTicketProof(trace, subroots, top, position, tileRows)
          expect(ticketProofCodec.encode(proof).length).toBeLessThanOrEqual(bound)
        }
      }
    }
  })

  test('a model whose winners could not be proved is refused', () => {
    const dims = { ...honest.model.config, dModel: 4096 }
    const lottery = { noiseRank: 128, tileRows: 16, tileColumns: 16 }
    expect(() => checkTicketProofFits(dims, lottery, 512)).toThrow('PARAM_CONTRADICTION')
    checkTicketProofFits(dims, { ...lottery, tileRows: 8 }, 512)
  })
})
