/**
 * Provenance `open` (chapter 12): blocks are won by plain proofs over matrices of the miner's choice, and by nothing else.
 *
 *   genesis - a1 - a2        each with random operands, checked in a node's order; then each rule is broken in turn
 */
import { describe, expect, test } from 'vitest'
import {
  type Block,
  type BlockHeader,
  bigintFromLe,
  bitsFromTarget,
  blockCodec,
  blockProofHash,
  bodyRoot,
  checkBody,
  checkEquivocationEvidence,
  checkHeaderForm,
  checkHeaderInContext,
  checkTicketProof,
  checkTransition,
  checkWinner,
  claimedTask,
  concatBytes,
  createContext,
  type ErrorCode,
  headerCodec,
  headerTicketHash,
  isWinnerExecuted,
  MAX_GOSSIP_BYTES,
  MAX_HEADER_BYTES,
  MAX_OPEN_PROOF_BYTES,
  nextBeacon,
  openConfiguration,
  overrideParams,
  type ProtocolError,
  pearl,
  readWork,
  signHeader,
  unitCorpus,
  unitModel,
  usefulSharePpm,
  workOfTarget,
} from '../src/index.ts'
import { easyContext, MemoryState, mineBlock, TestChain, testKeys } from './chain-fixture.ts'
import { openContext as context, mineOpen, type OpenMined } from './open-fixture.ts'
import { bytes32, randomOperand, SMALL, spaced } from './pearl-fixture.ts'
import { accepted, flipped, rejected } from './rules/verbs.ts'

const keys = testKeys(1)
const { genesis } = context
const state = new MemoryState(context)
const ancestry = { recent: [genesis.header], first: undefined }
const timeMs = genesis.header.timeMs + 1000
const base = { ancestry, parentId: genesis.id, state, timeMs, keys }
const { block, plain } = mineOpen(base)

function validate(candidate: Block, on = context): void {
  checkHeaderForm(on, candidate.header)
  checkHeaderInContext(on, candidate.header, ancestry, timeMs)
  checkBody(on, candidate)
  checkTicketProof(on, candidate, genesis.header.beacon)
  checkTransition(on, candidate, state, state.ltHash)
  checkWinner(on, candidate)
}

/** A changed header, signed again, with the beacon that its ticket gives. */
function withHeader(change: Partial<BlockHeader>): Block {
  const header = { ...block.header, ...change }
  const beacon = nextBeacon(genesis.header.beacon, headerTicketHash(header))
  return { ...block, header: signHeader({ ...header, beacon }, keys) }
}

/** Another proof, to which the header commits. */
function withProof(proof: Uint8Array): Block {
  return { ...withHeader({ ticketProofHash: blockProofHash(proof) }), proof }
}

const withUnit = (change: Partial<BlockHeader['unit']>): Block =>
  withHeader({ unit: { ...block.header.unit, ...change } })

/** The configuration of the block with some of its bytes changed. */
function withConfiguration(...changes: [at: number, value: number][]): Block {
  const jobId = block.header.unit.jobId.slice()
  for (const [at, value] of changes) jobId[at] = value
  return withUnit({ jobId })
}

test('a block over random matrices is valid, and comes back from its bytes', () => {
  accepted(() => validate(block))
  const bytes = blockCodec.encode(block)
  expect(blockCodec.decode(bytes)).toEqual(block)
  expect([context, easyContext].map(({ params }) => isWinnerExecuted(params))).toEqual([false, true])
  rejected('UNIT_LANE', () => claimedTask(context, block))
})

test('each network knows its own lanes only', () => {
  // A header of the other network fails earlier, by its chain id.
  const { chainId } = easyContext.genesis
  const foreign = signHeader({ ...block.header, chainId }, keys)
  rejected('UNIT_LANE', () => checkHeaderForm(easyContext, foreign), 'bindings.provenance')
  const onUnit = {
    ...base,
    context: easyContext,
    parentId: easyContext.genesis.id,
    state: new MemoryState(easyContext),
  }
  const bootstrap = mineBlock({ ...onUnit, ancestry: { recent: [easyContext.genesis.header], first: undefined } }).block
  const closed = signHeader({ ...bootstrap.header, chainId: genesis.chainId }, keys)
  rejected('UNIT_LANE', () => checkHeaderForm(context, closed), 'open lane')
})

test('operands with which a GPU would do nothing useful are as good: zeros, and all rows equal', () => {
  const { m, n, k } = SMALL
  const row = randomOperand(3n, k)
  const equal = (rows: number): Int8Array => Int8Array.from({ length: rows * k }, (_, t) => row[t % k]!)
  for (const [a, b] of [
    [new Int8Array(m * k), new Int8Array(n * k)],
    [equal(m), equal(n)],
  ] as const)
    accepted(() => validate(mineOpen({ ...base, work: { a, b } }).block))
})

describe('the switches of Pearl’s later rules', () => {
  const networkOf = (...lines: string[]) => {
    const on = createContext(overrideParams(context.params, lines), unitModel(), unitCorpus())
    const recent = { recent: [on.genesis.header], first: undefined }
    const mine = { ...base, ancestry: recent, parentId: on.genesis.id, state: new MemoryState(on) }
    const validateOn = (candidate: Block): void => {
      checkHeaderForm(on, candidate.header)
      checkBody(on, candidate)
      checkTicketProof(on, candidate, on.genesis.header.beacon)
      checkTransition(on, candidate, mine.state, mine.state.ltHash)
    }
    /** The same block with a proof that claims so many rows of A. */
    const claiming = (mined: OpenMined, rows: number): Block => {
      const { plain: proved } = mined
      const proof = pearl.encodePlainProof({ ...proved, m: rows, a: { ...proved.a, totalLeaves: rows } })
      const header = { ...mined.block.header, ticketProofHash: blockProofHash(proof) }
      return { ...mined.block, header: signHeader(header, keys), proof }
    }
    return { on, mine, validateOn, claiming }
  }

  test('open.seedRule=legacy: one ticket is valid for sixteen numbers of rows; version 3 takes only the true one', () => {
    const legacy = networkOf('open.seedRule=legacy')
    const old = mineOpen(legacy.mine, legacy.on)
    for (let rows = 17; rows <= 32; rows++) accepted(() => legacy.validateOn(legacy.claiming(old, rows)))
    rejected('PEARL_OPENING', () => legacy.validateOn(legacy.claiming(old, 33)))
    const deployed = networkOf('open.seedRule=version-3')
    const now = mineOpen(deployed.mine, deployed.on)
    for (const rows of [17, 23, 25, 32])
      rejected('TICKET_STATE_MISMATCH', () => deployed.validateOn(deployed.claiming(now, rows)))
    accepted(() => deployed.validateOn(deployed.claiming(now, SMALL.m)))
  })

  test('each network refuses what was drawn under the other’s rule', () => {
    const work = { rule: 'legacy' } as const
    const deployed = networkOf()
    rejected('TICKET_STATE_MISMATCH', () =>
      deployed.validateOn(mineOpen({ ...deployed.mine, work }, deployed.on).block),
    )
    const legacy = networkOf('open.seedRule=legacy')
    const v3 = { rule: 'v3' } as const
    rejected('TICKET_STATE_MISMATCH', () => legacy.validateOn(mineOpen({ ...legacy.mine, work: v3 }, legacy.on).block))
  })

  test('open.rankPenalty=on: the rank that the miner likes is refused below 128, and above it counts for less', () => {
    const off = networkOf('open.rankPenalty=off')
    const on = networkOf('open.rankPenalty=on')
    accepted(() => off.validateOn(mineOpen(off.mine, off.on).block))
    rejected('PEARL_RANK', () => on.validateOn(mineOpen(on.mine, on.on).block))
    // Rank 256 at half the chance: what lies between the two bounds wins without the penalty and loses with it.
    const shape = { ...SMALL, k: 4096, rank: 256 }
    const bits = bitsFromTarget(2n ** 255n / BigInt(2 * 16 * shape.k))
    const [half, whole] = ['on', 'off'].map((mode) => {
      const network = networkOf(`open.rankPenalty=${mode}`, `difficulty.genesisBits=${bits}`)
      const outcomes = Array.from({ length: 24 }, (_, counter) => {
        const { block: drawn } = mineOpen({ ...network.mine, shape, counter }, network.on)
        const ticket = bigintFromLe(headerTicketHash(drawn.header))
        try {
          network.validateOn(drawn)
          return { ticket, code: undefined }
        } catch (error) {
          return { ticket, code: (error as ProtocolError).code }
        }
      })
      return outcomes
    }) as [{ ticket: bigint; code: string | undefined }[], { ticket: bigint; code: string | undefined }[]]
    for (const { ticket, code } of half) expect(code).toBe(ticket <= 2n ** 254n ? undefined : 'TICKET_LOSES')
    for (const { ticket, code } of whole) expect(code).toBe(ticket <= 2n ** 255n ? undefined : 'TICKET_LOSES')
    for (const outcomes of [half, whole])
      expect(new Set(outcomes.map(({ code }) => code))).toEqual(new Set([undefined, 'TICKET_LOSES']))
  })
})

describe('the header', () => {
  const { unit } = block.header
  test.each<[string, ErrorCode, () => Block]>([
    ['a model', 'UNIT_LANE', () => withUnit({ modelId: bytes32(1) })],
    ['another parent in its unit', 'UNIT_PARENT', () => withUnit({ parentId: bytes32(1) })],
    ['a prompt', 'UNIT_SHAPE', () => withHeader({ promptTokens: 1 })],
    ['a layer', 'TICKET_POSITION', () => withHeader({ ticket: { ...block.header.ticket, layer: 1 } })],
    ['a tile column', 'TICKET_POSITION', () => withHeader({ ticket: { ...block.header.ticket, tileColumn: 1 } })],
    ['a product type', 'PEARL_CONFIGURATION', () => withConfiguration([6, 1])],
    ['a reserved byte', 'PEARL_CONFIGURATION', () => withConfiguration([31, 1])],
    ['a pattern that has another spelling', 'PEARL_PATTERN', () => withConfiguration([10, 5])],
    ['a rank that is no power of two', 'PEARL_RANK', () => withConfiguration([4, 48])],
    ['a rank of 16', 'PEARL_RANK', () => withConfiguration([4, 16])],
    ['a k that is no multiple of 64', 'PEARL_K', () => withConfiguration([0, 1])],
    ['a k above 4 r^2', 'PEARL_K', () => withConfiguration([1, 0x11])],
    ['a tile of odd height', 'PEARL_TILE', () => withConfiguration([9, 2])],
    ['a tile of 128 rows', 'PEARL_TILE', () => withConfiguration([9, 127])],
    ['a target above the easiest', 'BLOCK_BITS', () => withHeader({ bits: 0x20200000 })],
    ['bits that are no target', 'BLOCK_BITS', () => withHeader({ bits: 0 })],
    ['a ticket that loses', 'TICKET_LOSES', () => withHeader({ bits: 0x03000001 + 0x00100000 })],
  ])('with %s: %s', (_, code, make) => {
    rejected(code, () => checkHeaderForm(context, make().header))
  })

  test('a signature of somebody else', () => {
    const header = signHeader(block.header, testKeys(2))
    rejected('SIGNATURE_INVALID', () => checkHeaderForm(context, header))
  })

  test('says what the ticket is worth: h w (k - k mod r) products', () => {
    const { k, rank, rows, columns } = openConfiguration(unit)
    const work = { h: pearl.patternSize(rows), w: pearl.patternSize(columns), k, rank }
    expect(work).toEqual({ h: 2, w: 16, k: 1024, rank: 32 })
    const ticket = pearl.ticketHash(block.header.foldState, block.header.traceRoot)
    expect(headerTicketHash(block.header)).toEqual(ticket)
    expect(pearl.ticketBound(1n, work)).toBe(32n * 1024n)
  })
})

describe('the body', () => {
  const withBody = (change: Partial<Block['body']>): Block => {
    const body = { ...block.body, ...change }
    return { ...withHeader({ bodyRoot: bodyRoot(body) }), body }
  }
  test('has no tokens, no task, and the root that the header says', () => {
    const task = { maxNewTokens: 1, decoding: { temperatureMilli: 0, seed: bytes32(0), stopAtEos: false } }
    rejected('UNIT_SHAPE', () => validate(withBody({ tokens: [1] })))
    rejected('UNIT_SHAPE', () => validate(withBody({ task })))
    rejected('BLOCK_BODY_ROOT', () => validate({ ...block, body: { ...block.body, transactions: [bytes32(1)] } }))
    const transactions = new Array<Uint8Array>(context.params.block.maxTransactions + 1).fill(bytes32(1))
    rejected('BLOCK_TOO_MANY_TRANSACTIONS', () => validate(withBody({ transactions })))
  })
})

describe('the proof', () => {
  test('is the one that the header commits to', () => {
    const proof = flipped(block.proof)
    rejected('TICKET_PROOF_HASH', () => validate({ ...block, proof }))
  })

  test('belongs to this parent, this miner and this counter', () => {
    rejected('PEARL_OPENING', () => validate(withUnit({ counter: 1 })))
    const other = mineOpen({ ...base, keys: testKeys(2) }).block
    rejected('PEARL_OPENING', () => validate({ ...withProof(other.proof), proof: other.proof }))
    const elsewhere = mineOpen({ ...base, parentId: bytes32(7) }).block
    rejected('PEARL_OPENING', () => validate(withProof(elsewhere.proof)))
  })

  test('proves the header’s seed and fold state, and no other tile of the same product', () => {
    const { committed } = mineOpen(base)
    const next = pearl.encodePlainProof(pearl.openTile(committed, 0, 0))
    rejected('TICKET_STATE_MISMATCH', () => validate(withProof(next)))
    rejected('TICKET_STATE_MISMATCH', () => validate(withHeader({ foldState: block.header.foldState.with(3, 7) })))
    rejected('TICKET_STATE_MISMATCH', () => validate(withHeader({ traceRoot: bytes32(5) })))
  })

  test('is of the configuration that the header names', () => {
    const { committed } = mineOpen(base)
    const rows = pearl.patternOfIndices([0, 8], SMALL.m).pattern
    const other = pearl.commitWork({ ...committed, configuration: { ...committed.configuration, rows } })
    const proof = pearl.encodePlainProof(pearl.openTile(other, 1, 33))
    rejected('PEARL_CONFIGURATION', () => validate(withProof(proof)))
  })

  test('has the one encoding there is', () => {
    rejected('PEARL_PROOF', () => validate(withProof(concatBytes(block.proof, Uint8Array.of(0)))))
    rejected('PEARL_PROOF', () => validate(withProof(new Uint8Array(0))))
    const a = { ...plain.a, totalLeaves: plain.a.totalLeaves + 1 }
    rejected('PEARL_LEAF_COUNT', () => validate(withProof(pearl.encodePlainProof({ ...plain, a }))))
  })

  test('a ticket proof has no place in the open lane, nor a plain proof outside it', () => {
    const ticketProof = { rows: [], rowProof: [], preRoot: bytes32(0), topProof: [] }
    rejected('CODEC_MALFORMED', () => blockCodec.encode({ ...block, proof: ticketProof }))
    const closed = { ...block, header: { ...block.header, unit: { ...block.header.unit, lane: 0 as const } } }
    rejected('CODEC_MALFORMED', () => blockCodec.encode(closed))
  })

  test('of the largest k with the narrowest tile fits a block, and with it a gossip message', () => {
    const k = pearl.MAX_K
    const configuration = {
      k,
      rank: 128,
      rows: pearl.patternOfIndices(spaced(4, 1), 12).pattern,
      columns: pearl.patternOfIndices(spaced(8, 1), 16).pattern,
    }
    const work = { configuration, m: 12, n: 16, a: new Int8Array(12 * k), b: new Int8Array(16 * k) }
    const large = pearl.encodePlainProof(pearl.openTile(pearl.commitWork({ ...work, header: pearlHeader() }), 4, 8))
    // 24 siblings at each end of 12 rows are the most that operands of 2^24 rows need.
    expect(large.length + 12 * 2 * 24 * 32).toBeLessThan(MAX_OPEN_PROOF_BYTES)
    expect(MAX_OPEN_PROOF_BYTES + MAX_HEADER_BYTES).toBeLessThan(MAX_GOSSIP_BYTES - 128 * 1024)
    accepted(() => blockCodec.encode(withProof(large)))
    rejected('CODEC_MALFORMED', () => blockCodec.encode(withProof(new Uint8Array(MAX_OPEN_PROOF_BYTES + 1))))
  })
})

const pearlHeader = (): pearl.PearlHeader => ({
  version: 1,
  previousBlock: bytes32(1),
  merkleRoot: bytes32(2),
  time: 0,
  bits: 0x207fffff,
})

test('P5: two wins of one unit with other operands are no equivocation, two headers of one ticket are', () => {
  const second = mineOpen({ ...base, work: { a: randomOperand(9n, SMALL.m * SMALL.k) } }).block
  const later = mineOpen({ ...base, timeMs: timeMs + 1 }).block
  const [a, b, c] = [block, second, later].map(({ header }) => headerCodec.encode(header))
  rejected('TX_EQUIVOCATION', () => checkEquivocationEvidence(context, a!, b!))
  expect(checkEquivocationEvidence(context, a!, c!).minerKey).toEqual(keys.publicKey)
})

test('a chain of them: the whole subsidy to the miner, the work in a lane of its own, nothing useful', () => {
  const chain = new TestChain(context)
  for (let counter = 0; counter < 3; counter++) {
    const { ancestry: recent, parentId, state: at, timeMs: time } = chain.base
    const next = mineOpen({ ancestry: recent, parentId, state: at, timeMs: time, keys, counter }).block
    accepted(() => checkHeaderForm(context, next.header))
    accepted(() => checkTicketProof(context, next, recent.recent.at(-1)!.beacon))
    const { summary } = chain.add(next)
    expect(summary.subsidy).toBeGreaterThan(0n)
  }
  const { maxTargetBits } = context.params.difficulty
  expect(maxTargetBits).toBe(block.header.bits)
  expect(readWork(chain.state, 2)).toBe(3n * workOfTarget(2n ** 252n))
  expect(readWork(chain.state, 0)).toBe(0n)
  expect(usefulSharePpm(chain.state)).toBe(0n)
})
