/**
 * Each field of a block, tampered with in turn, has its own rejection (sections 8 and 9). A tampered header is signed again by
 * its miner, so that the signature never hides the rule under test.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import {
  type Ancestry,
  assembleBlock,
  type Block,
  type BlockHeader,
  bestTicket,
  bitsFromTarget,
  blockCodec,
  blockId,
  bodyRoot,
  buildTicketProof,
  checkBody,
  checkHeaderForm,
  checkHeaderInContext,
  checkTicketProof,
  checkTransition,
  checkWinner,
  commitTrace,
  drawUnit,
  type ErrorCode,
  headerCodec,
  headerTicketHash,
  LANE_BOOTSTRAP,
  nextBeacon,
  ProtocolError,
  signHeader,
  type TicketProof,
  type Trace,
  ticketProofHash,
  unitId,
} from '../src/index.ts'
import { easyContext as context, MemoryState, mineBlock, testKeys } from './chain-fixture.ts'

const keys = testKeys(1)
const genesis = context.genesis
const ancestry: Ancestry = { recent: [genesis.header], first: undefined }
const timeMs = genesis.header.timeMs + 1000
const nowMs = timeMs
let block: Block<TicketProof>
let state: MemoryState

beforeAll(() => {
  state = new MemoryState(context)
  block = mineBlock({ context, ancestry, parentId: genesis.id, state, timeMs, keys }).block
})

/** Everything a node checks, in its order. */
function validate(candidate: Block): void {
  checkHeaderForm(context, candidate.header)
  checkHeaderInContext(context, candidate.header, ancestry, nowMs)
  checkBody(context, candidate)
  checkTicketProof(context, candidate, genesis.header.beacon)
  checkTransition(context, candidate, state, state.ltHash)
  checkWinner(context, candidate)
}

function codeOf(run: () => void): ErrorCode | 'accepted' {
  try {
    run()
    return 'accepted'
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
}

const resigned = (header: BlockHeader): BlockHeader => signHeader(header, keys)
const withHeader = (change: Partial<BlockHeader>): Block => ({
  ...block,
  header: resigned({ ...block.header, ...change }),
})
const flip = (bytes: Uint8Array, at = 0): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))

test('the valid block is accepted, and re-encodes to the same bytes', () => {
  expect(codeOf(() => validate(block))).toBe('accepted')
  const bytes = blockCodec.encode(block)
  expect(blockCodec.encode(blockCodec.decode(bytes))).toEqual(bytes)
})

describe('header fields (BLK-1, BLK-2, BLK-6, BLK-7)', () => {
  const cases: [string, () => Block, ErrorCode | ErrorCode[]][] = [
    ['version', () => withHeader({ version: 2 }), 'BLOCK_VERSION'],
    ['chain id', () => withHeader({ chainId: flip(genesis.chainId) }), 'BLOCK_CHAIN'],
    ['height', () => withHeader({ height: 2 }), 'BLOCK_HEIGHT'],
    ['parent', () => withHeader({ parentId: flip(genesis.id) }), 'UNIT_PARENT'],
    ['time too old', () => withHeader({ timeMs: genesis.header.timeMs }), 'BLOCK_TIME_TOO_OLD'],
    [
      'time in the future',
      () => withHeader({ timeMs: nowMs + context.params.block.maxFutureMs + 1 }),
      'BLOCK_TIME_FUTURE',
    ],
    ['bits', () => withHeader({ bits: block.header.bits - 1 }), 'BLOCK_BITS'],
    ['bits easier than the easiest', () => withHeader({ bits: bitsFromTarget(2n ** 254n) }), 'BLOCK_BITS'],
    ['bits that are no target', () => withHeader({ bits: 0x04800000 }), 'BLOCK_BITS'],
    ['beacon', () => withHeader({ beacon: flip(block.header.beacon) }), 'BLOCK_BEACON'],
    ['body root', () => withHeader({ bodyRoot: flip(block.header.bodyRoot) }), 'BLOCK_BODY_ROOT'],
    ['state root', () => withHeader({ stateRoot: flip(block.header.stateRoot) }), 'BLOCK_STATE_ROOT'],
    [
      'ticket proof hash',
      () => withHeader({ ticketProofHash: flip(block.header.ticketProofHash) }),
      'TICKET_PROOF_HASH',
    ],
    ['paid lane', () => withHeader({ unit: { ...block.header.unit, lane: 1 } }), 'UNIT_LANE'],
    [
      'model',
      () => withHeader({ unit: { ...block.header.unit, modelId: flip(block.header.unit.modelId) } }),
      'UNIT_MODEL',
    ],
    ['unit parent', () => withHeader({ unit: { ...block.header.unit, parentId: flip(genesis.id) } }), 'UNIT_PARENT'],
    [
      'job id in the bootstrap lane',
      () => withHeader({ unit: { ...block.header.unit, jobId: new Uint8Array(32).fill(1) } }),
      'UNIT_LANE',
    ],
    ['ticket layer', () => withHeader({ ticket: { ...block.header.ticket, layer: 2 } }), 'TICKET_POSITION'],
    ['ticket row', () => withHeader({ ticket: { ...block.header.ticket, tileRow: 6 } }), 'TICKET_POSITION'],
    ['ticket column', () => withHeader({ ticket: { ...block.header.ticket, tileColumn: 60_000 } }), 'TICKET_POSITION'],
  ]
  test.each(cases)('%s', (_name, make, expected) => {
    expect([expected].flat()).toContain(codeOf(() => validate(make())))
  })

  test('a signature by somebody else', () => {
    const stolen = { ...block, header: signHeader(block.header, testKeys(2)) }
    expect(codeOf(() => validate(stolen))).toBe('SIGNATURE_INVALID')
  })

  test('a stolen ticket under the thief’s key is another unit, with another prompt', () => {
    const thief = testKeys(2)
    const header = signHeader({ ...block.header, minerKey: thief.publicKey }, thief)
    expect(['TICKET_LOSES', 'BLOCK_BEACON', 'UNIT_PROMPT']).toContain(codeOf(() => validate({ ...block, header })))
  })
})

/** A header changed so that its ticket still wins and its beacon still follows: only the rule under test can refuse it. */
function luckyHeader(change: (attempt: number) => Partial<BlockHeader>): BlockHeader {
  for (let attempt = 0; attempt < 10_000; attempt++) {
    const header = { ...block.header, ...change(attempt) }
    const signed = resigned({ ...header, beacon: expectedBeacon(header) })
    if (codeOf(() => checkHeaderForm(context, signed)) === 'accepted') return signed
  }
  throw new Error('no winning header found')
}

const expectedBeacon = (header: BlockHeader): Uint8Array => nextBeacon(genesis.header.beacon, headerTicketHash(header))

describe('garbage under a lucky ticket (B3, B4, B6)', () => {
  test('a fold state that no tile has is refused by the ticket proof', () => {
    const header = luckyHeader((attempt) => ({
      foldState: block.header.foldState.map((word) => (word + attempt + 1) >>> 0),
    }))
    expect(codeOf(() => validate({ ...block, header }))).toBe('TICKET_STATE_MISMATCH')
  })

  test('another trace root does not contain the opened rows', () => {
    const header = luckyHeader((attempt) => ({
      traceRoot: block.header.traceRoot.map((byte, i) => (i < 4 ? (byte + 1 + (attempt >>> (8 * i))) & 255 : byte)),
    }))
    expect(codeOf(() => validate({ ...block, header }))).toBe('TICKET_PROOF_OPENING')
  })

  test('wrong generated tokens are refused by re-execution', () => {
    const tokens = [...block.body.tokens]
    tokens[tokens.length - 1] = (tokens.at(-1)! + 1) % 256
    const body = { ...block.body, tokens }
    const candidate = { ...block, body, header: resigned({ ...block.header, bodyRoot: bodyRoot(body) }) }
    expect(codeOf(() => validate(candidate))).toBe('BLOCK_REPLAY_TOKENS')
  })
})

describe('body (B1, UNT-3)', () => {
  const withTokens = (tokens: number[]): Block => {
    const body = { ...block.body, tokens }
    return { ...block, body, header: resigned({ ...block.header, bodyRoot: bodyRoot(body) }) }
  }
  test('a chosen prompt', () => {
    expect(codeOf(() => validate(withTokens(block.body.tokens.map((t, i) => (i === 3 ? t ^ 1 : t)))))).toBe(
      'UNIT_PROMPT',
    )
  })
  test('one token too few', () => {
    expect(codeOf(() => validate(withTokens(block.body.tokens.slice(0, -1))))).toBe('UNIT_SHAPE')
  })
  test('a token outside the vocabulary', () => {
    expect(codeOf(() => validate(withTokens([...block.body.tokens.slice(0, -1), 70_000])))).toBe('BLOCK_TOKENS')
  })
  test('garbage in place of a transaction', () => {
    const body = { ...block.body, transactions: [new Uint8Array([1, 2, 3])] }
    const candidate = { ...block, body, header: resigned({ ...block.header, bodyRoot: bodyRoot(body) }) }
    expect(codeOf(() => validate(candidate))).toBe('CODEC_MALFORMED')
  })
})

describe('ticket proof (WRK-7)', () => {
  const withProof = (proof: TicketProof): Block => ({
    ...block,
    proof,
    header: resigned({ ...block.header, ticketProofHash: ticketProofHash(proof) }),
  })
  test('one residual row changed', () => {
    const rows = block.proof.rows.map((row, i) => (i === 0 ? flip(row) : row))
    expect(codeOf(() => validate(withProof({ ...block.proof, rows })))).toBe('TICKET_PROOF_OPENING')
  })
  test('one row missing', () => {
    expect(codeOf(() => validate(withProof({ ...block.proof, rows: block.proof.rows.slice(1) })))).toBe(
      'TICKET_PROOF_SHAPE',
    )
  })
  test('pre-root of another layer', () => {
    expect(codeOf(() => validate(withProof({ ...block.proof, preRoot: flip(block.proof.preRoot) })))).toBe(
      'TICKET_PROOF_OPENING',
    )
  })
  test('a proof swapped after signing', () => {
    expect(codeOf(() => validate({ ...block, proof: { ...block.proof, preRoot: flip(block.proof.preRoot) } }))).toBe(
      'TICKET_PROOF_HASH',
    )
  })
})

test('a trace that is wrong in one value under an otherwise valid block is refused by re-execution (B6, BLK-4)', () => {
  // A miner that changes one committed value and mines with it: the tile is honest, the trace is not.
  const mined = mineForged()
  expect(codeOf(() => validate(mined))).toBe('BLOCK_REPLAY_TRACE')
})

/** Like an honest miner, but one value of the last layer's output rows is off by one bit before committing. */
function mineForged(): Block {
  const honest = mineBlock({ context, ancestry, parentId: genesis.id, state, timeMs, keys, counter: 7 })
  const last = honest.trace.h.at(-1)!
  const bits = new Uint32Array(last.buffer, last.byteOffset, last.length)
  bits[last.length - 1]! ^= 1
  return remine(honest.trace)
}

function remine(trace: Trace): Block {
  const { model, params: modelParams } = context.bootstrap
  const unit = {
    lane: LANE_BOOTSTRAP,
    modelId: model.modelId,
    parentId: genesis.id,
    jobId: new Uint8Array(32),
    counter: 7,
  } as const
  const commitment = commitTrace(trace)
  const input = {
    modelParams,
    model,
    parentBeacon: genesis.header.beacon,
    unitId: unitId(unit, keys.publicKey),
    minerKey: keys.publicKey,
  }
  const ticket = bestTicket(drawUnit({ ...input, trace, traceRoot: commitment.traceRoot }))!
  const proof = buildTicketProof(trace, commitment.subroots, commitment.top, ticket.position, modelParams.tileRows)
  const won = { unit, tokens: [...trace.tokens], traceRoot: commitment.traceRoot, ticket, proof }
  return assembleBlock({ context, ancestry, timeMs, won, transactions: [], reader: state, ltHash: state.ltHash, keys })
}

test('a block id covers every header field but the signature', () => {
  const other = headerCodec.decode(headerCodec.encode({ ...block.header, signature: new Uint8Array(64) }))
  expect(blockId(other)).toEqual(blockId(block.header))
  expect(blockId({ ...block.header, timeMs: timeMs + 1 })).not.toEqual(blockId(block.header))
})
