/**
 * UNT-2: a paid unit draws only for the miner of rank 0, only on the block whose beacon opened its assignment. Its block executes the
 * job and nothing else, and contains its own receipt. Everybody else, and everybody later, earns the fee but no draw.
 *
 *   1 fund - 2 register - 3 ask - 4 job, cleared - 5 its beacon assigns - 6 paid block of rank 0
 *                                                                        \ 6' another block - 7 too late for a draw
 */
import { beforeAll, expect, test } from 'vitest'
import {
  accountOf,
  type Block,
  type BlockHeader,
  blockCodec,
  bodyRoot,
  bytesToHex,
  checkBody,
  checkHeaderForm,
  checkHeaderInContext,
  checkHeaderTicket,
  checkTicketProof,
  checkTransition,
  checkWinner,
  claimedTask,
  decodeTransaction,
  encodeTransaction,
  headerTicketHash,
  LANE_BOOTSTRAP,
  LANE_PAID,
  type Lane,
  nextBeacon,
  readJob,
  signHeader,
  signTransaction,
  ticketMacs,
  unitId,
} from '../../src/index.ts'
import { easyContext as context, mineBlock, minePaidBlock, TestChain, testKeys } from '../chain-fixture.ts'
import { FAUCET, MODEL, transfer } from '../ledger-fixture.ts'
import { askBody, jobBody, market, PRICE } from '../market-fixture.ts'
import { accepted, filled, flipped, rejected } from './verbs.ts'

const miner = testKeys(1)
const other = testKeys(2)
const NOW_MS = context.genesis.header.timeMs + 60_000

/** A chain whose last block assigned a job to {@link miner} as rank 0. */
function assigned(): { chain: TestChain; jobId: Uint8Array } {
  const chain = new TestChain()
  chain.mine(other, chain.tx(FAUCET, transfer(accountOf(miner.publicKey), 10n ** 10n)))
  chain.mine(other, chain.tx(miner, { kind: 'minerRegister' }))
  chain.mine(other, chain.tx(miner, askBody()))
  const { summary } = chain.mine(other, chain.tx(FAUCET, jobBody({ expiryHeight: 20, maxPrice: 100n * PRICE })))
  const jobId = summary.clearings[0]!.jobIds[0]!
  chain.mine(other)
  return { chain, jobId }
}

/** Everything that a node checks, in its order. */
function validate(chain: TestChain, block: Block): void {
  checkHeaderForm(context, block.header)
  checkHeaderInContext(context, block.header, chain.ancestry, NOW_MS)
  checkBody(context, block)
  checkTicketProof(context, block, chain.ancestry.recent.at(-1)!.beacon)
  checkTransition(context, block, chain.state, chain.state.ltHash)
  checkWinner(context, block)
}

let chain: TestChain
let jobId: Uint8Array
let paid: Block
beforeAll(() => {
  ;({ chain, jobId } = assigned())
  paid = minePaidBlock({ ...chain.base, keys: miner, jobId }).block
})

/** The paid block with changes, to which its header commits again. */
function changed(header: Partial<BlockHeader>, body: Partial<Block['body']> = {}, keys = miner): Block {
  const newBody = { ...paid.body, ...body }
  const unsigned = { ...paid.header, bodyRoot: bodyRoot(newBody), ...header, minerKey: keys.publicKey }
  const beacon = nextBeacon(chain.ancestry.recent.at(-1)!.beacon, headerTicketHash(unsigned))
  return { ...paid, header: signHeader({ ...unsigned, beacon }, keys), body: newBody }
}

test('the paid block of rank 0 on the block that assigned its job is valid, and travels', () => {
  accepted(() => validate(chain, paid))
  const received = blockCodec.decode(blockCodec.encode(paid))
  accepted(() => validate(chain, received))
  expect(paid.header.unit).toMatchObject({ lane: LANE_PAID, jobId, counter: 0, parentId: paid.header.parentId })
  expect(claimedTask(context, received).promptTokens).toEqual(jobBody().promptTokens)
})

test('its tickets count the part jobs.paidDrawPpm of bootstrap tickets (WRK-4)', () => {
  const { params: modelParams } = context.bootstrap
  const worth = (lane: Lane) => ticketMacs(context.params, lane, MODEL.config, modelParams)
  expect(worth(LANE_PAID)).toBe(Math.floor((worth(LANE_BOOTSTRAP) * context.params.jobs.paidDrawPpm) / 1e6))
  // The easiest target at which the paid block's own ticket still wins, and the next.
  const value = BigInt(`0x${Buffer.from(headerTicketHash(paid.header).toReversed()).toString('hex')}`)
  const check = (target: bigint, lane: Lane) => (): unknown =>
    checkHeaderTicket({
      ...{ unitId: unitId(paid.header.unit, miner.publicKey), traceRoot: paid.header.traceRoot, target },
      ...{ foldState: paid.header.foldState, position: paid.header.ticket, promptTokens: paid.header.promptTokens },
      ...{ modelParams, dims: MODEL.config, ticketMacs: worth(lane) },
    })
  const hardest = value / BigInt(worth(LANE_PAID)) + 1n
  accepted(check(hardest, LANE_PAID))
  rejected('TICKET_LOSES', check(hardest - 1n, LANE_PAID))
  accepted(check(hardest - 1n, LANE_BOOTSTRAP))
  const hard = changed({ bits: 0x1d00ffff })
  rejected('TICKET_LOSES', () => checkHeaderForm(context, hard.header))
})

test('what the header claims is checked without any state', () => {
  const { unit } = paid.header
  rejected('UNIT_LANE', () => validate(chain, changed({ unit: { ...unit, counter: 1 } })))
  rejected('UNIT_LANE', () => validate(chain, changed({ unit: { ...unit, jobId: new Uint8Array(32) } })))
  rejected('UNIT_PARENT', () => validate(chain, changed({ unit: { ...unit, parentId: flipped(unit.parentId) } })))
  rejected('UNIT_MODEL', () => validate(chain, changed({ unit: { ...unit, modelId: flipped(unit.modelId) } })))
  for (const promptTokens of [0, 33])
    rejected('UNIT_SHAPE', () => checkHeaderForm(context, changed({ promptTokens }).header))
  const { block } = mineBlock({ ...chain.base, keys: other })
  rejected('UNIT_SHAPE', () => checkHeaderForm(context, { ...block.header, promptTokens: 23 }))
  rejected('UNIT_SHAPE', () => validate(chain, changed({}, { task: undefined })))
})

test('it contains its own receipt, with its tokens and its trace', () => {
  rejected('BLOCK_RECEIPT', () => checkBody(context, changed({}, { transactions: [] })))
  rejected('BLOCK_RECEIPT', () => checkBody(context, changed({ traceRoot: flipped(paid.header.traceRoot) })))
  const { tokens } = paid.body
  const wrong = [...tokens.slice(0, -1), (tokens.at(-1)! + 1) % 256]
  rejected('BLOCK_RECEIPT', () => checkBody(context, changed({}, { tokens: wrong })))
  rejected('BLOCK_RECEIPT', () =>
    checkTransition(context, { ...paid, body: { ...paid.body, transactions: [] } }, chain.state, chain.state.ltHash),
  )
})

test('the header commits to the task', () => {
  const task = { ...paid.body.task!, maxNewTokens: 5 }
  expect(bodyRoot({ ...paid.body, task })).not.toEqual(paid.header.bodyRoot)
  rejected('BLOCK_BODY_ROOT', () => checkBody(context, { ...paid, body: { ...paid.body, task } }))
})

test("the receipt in it is the miner's own, not somebody else's of the same unit", () => {
  const [receipt] = paid.body.transactions.map((bytes) => decodeTransaction(bytes).body)
  const { chainId } = context.genesis
  const foreign = encodeTransaction(signTransaction({ chainId, nonce: 0n, fee: 1000n, body: receipt! }, other))
  rejected('BLOCK_RECEIPT', () => checkBody(context, changed({}, { transactions: [foreign] })))
})

test('the ledger alone refuses a paid block with another model or prompt length, or without its receipt', () => {
  const ledger = market()
  const job = ledger.post()
  ledger.block()
  const keys = ledger.rank(job, 0)
  const win = ledger.paid(job)
  const receipt = ledger.tx(keys, ledger.receiptBody(job))
  rejected('UNIT_SHAPE', () => ledger.preview([receipt], keys, { ...win, promptTokens: 15 }))
  rejected('UNIT_MODEL', () => ledger.preview([receipt], keys, { ...win, unit: { ...win.unit!, modelId: filled(4) } }))
  rejected('BLOCK_RECEIPT', () => ledger.preview([], keys, win))
  accepted(() => ledger.preview([receipt], keys, win))
})

test('it executes the job: another prompt, length or decoding is not the assigned one (B1)', () => {
  const check = (block: Block) => () => checkTransition(context, block, chain.state, chain.state.ltHash)
  const { tokens, task } = paid.body
  rejected('UNIT_PROMPT', check(changed({}, { tokens: [tokens[0]! + 1, ...tokens.slice(1)] })))
  rejected('UNIT_PROMPT', check(changed({ promptTokens: 15 })))
  const { decoding } = task!
  const others = [
    { ...task!, maxNewTokens: 5 },
    { ...task!, decoding: { ...decoding, temperatureMilli: 1 } },
    { ...task!, decoding: { ...decoding, stopAtEos: false } },
    { ...task!, decoding: { ...decoding, seed: flipped(decoding.seed) } },
  ]
  for (const each of others) rejected('UNIT_SHAPE', check(changed({}, { task: each })))
  rejected('UNIT_JOB', check(changed({ unit: { ...paid.header.unit, jobId: flipped(jobId) } })))
})

test('only rank 0 draws', () => {
  rejected('UNIT_RANK', () => checkTransition(context, changed({}, {}, other), chain.state, chain.state.ltHash))
})

test('only on the block whose beacon opened the assignment: later the unit earns its fee, but no draw', () => {
  const late = assigned()
  late.chain.mine(other)
  const { base } = late.chain
  const job = readJob(late.chain.state, late.jobId)!
  rejected('UNIT_PARENT', () => minePaidBlock({ ...base, keys: miner, jobId: late.jobId }))
  expect(bytesToHex(job.ranks[0]!)).toBe(bytesToHex(miner.publicKey))
  const receipt = late.chain.tx(miner, {
    kind: 'receipt',
    jobId: late.jobId,
    unitParentId: late.chain.blocks.at(-1)!.header.parentId,
    traceRoot: paid.header.traceRoot,
    tokens: paid.body.tokens.slice(16),
  })
  accepted(() => late.chain.mine(other, receipt))
  expect(readJob(late.chain.state, late.jobId)?.delivery).toMatchObject({ rank: 0 })
})

test('a false answer does not survive the execution (BLK-4)', () => {
  const { traceRoot } = paid.header
  const forged = { ...paid, header: { ...paid.header, traceRoot: flipped(traceRoot) } }
  rejected('BLOCK_REPLAY_TRACE', () => checkWinner(context, forged))
  const { tokens } = paid.body
  const wrong = { ...paid, body: { ...paid.body, tokens: [...tokens.slice(0, -1), (tokens.at(-1)! + 1) % 256] } }
  rejected('BLOCK_REPLAY_TOKENS', () => checkWinner(context, wrong))
})

test('a paid block is no larger than a job may be (JOB-3)', () => {
  const task = { ...paid.body.task!, maxNewTokens: 17 }
  rejected('UNIT_SHAPE', () => checkBody(context, changed({}, { task })), 'JOB-3')
})

test('a chain with jobs.paidDrawPpm at 0 refuses the header of a paid block by itself, however its job stands', () => {
  const { chain, jobId } = assigned()
  const { header } = minePaidBlock({ ...chain.base, keys: miner, jobId }).block
  const jobs = { ...context.params.jobs, paidDrawPpm: 0 }
  accepted(() => checkHeaderForm(context, header))
  rejected('UNIT_LANE', () => checkHeaderForm({ ...context, params: { ...context.params, jobs } }, header))
})
