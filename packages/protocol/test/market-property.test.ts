/**
 * P2, P3, P7, P9 of the market: random jobs, asks, receipts, registrations, equivocations, paid and bootstrap blocks, expiries and
 * reorganisations. At every height each grain is accounted for; taking blocks back restores every state; the same blocks give
 * the same root, whichever branch was followed before.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesToHex } from '../src/bytes.ts'
import { cumulativeEmission } from '../src/emission/subsidy.ts'
import { ProtocolError } from '../src/errors.ts'
import { accountOf, type KeyPair } from '../src/keys.ts'
import type { AppliedBlock, BlockSummary } from '../src/ledger/apply-block.ts'
import type { BlockInput } from '../src/ledger/begin-block.ts'
import { ROLE_MINER, ROLE_VERIFIER } from '../src/ledger/keys.ts'
import { type TransactionBody, transactionIdOfBytes } from '../src/ledger/transactions.ts'
import { stateRootOf } from '../src/lthash.ts'
import { readJob } from '../src/market/entries.ts'
import type { Params } from '../src/params/types.ts'
import { accuse, MINER, transfer } from './ledger-fixture.ts'
import {
  askBody,
  CLIENT,
  jobBody,
  type MarketLedger,
  market,
  minerKeys,
  OTHER_CLIENT,
  PRICE,
  params,
  VERIFIER,
} from './market-fixture.ts'

/** Small books and short windows, so that everything that can happen does. */
const PARAMS: Params = params(
  'jobs.maxOpenPerModel=3',
  'jobs.maxClearedPerModel=2',
  'jobs.maxAsksPerModel=2',
  'jobs.maxLifetimeBlocks=9',
  'jobs.assignmentWindowBlocks=1',
  'bonds.unbondingBlocks=3',
  'emission.teamSharePpm=70000',
  `emission.teamAccount=${'ab'.repeat(20)}`,
  'bonds.minerGrains=5003',
  'bonds.verifierGrains=7001',
)
const ACTORS: readonly KeyPair[] = [CLIENT, OTHER_CLIENT, minerKeys(0), minerKeys(1), minerKeys(2), VERIFIER]

const actor = fc.constantFrom(...ACTORS)
/** What somebody wants to do; jobs are chosen among those seen so far. */
type Intent = (
  ledger: MarketLedger,
  jobs: readonly Uint8Array[],
) => { keys: KeyPair; body: TransactionBody } | undefined

const postJob: fc.Arbitrary<Intent> = fc
  .record({
    keys: fc.constantFrom(CLIENT, OTHER_CLIENT, minerKeys(0)),
    maxPrice: fc.constantFrom(1n, PRICE / 2n, PRICE, PRICE + 7n, 3n * PRICE, (1n << 64n) - 1n),
    maxNewTokens: fc.integer({ min: 0, max: 5 }),
    life: fc.integer({ min: 1, max: 10 }),
    prompt: fc.integer({ min: 0, max: 20 }),
  })
  .map(({ keys, maxPrice, maxNewTokens, life, prompt }) => (ledger) => ({
    keys,
    body: jobBody({
      maxPrice,
      maxNewTokens,
      promptTokens: Array.from({ length: prompt }, (_, i) => i),
      expiryHeight: ledger.height + 1 + life,
    }),
  }))
const postAsk: fc.Arbitrary<Intent> = fc
  .record({
    keys: actor,
    price: fc.constantFrom(0n, 1n, PRICE / 3n, PRICE, 2n * PRICE),
    capacityMacs: fc.constantFrom(0n, 1n, 3_000_000n, 10n ** 12n),
  })
  .map(({ keys, price, capacityMacs }) => () => ({ keys, body: askBody({ price, capacityMacs }) }))
/** A receipt, mostly of the rank whose window is open; sometimes by another, for another branch, or twice. */
const deliver: fc.Arbitrary<Intent> = fc
  .record({
    pick: fc.nat(),
    rank: fc.nat(1),
    length: fc.integer({ min: 0, max: 5 }),
    isWrongBranch: fc.boolean(),
    any: actor,
    strange: fc.nat(9),
  })
  .map(({ pick, rank, length, isWrongBranch, any, strange }) => (ledger, jobs) => {
    const jobId = jobs.length === 0 ? new Uint8Array(32) : jobs[jobs.length - 1 - (pick % Math.min(jobs.length, 4))]!
    const job = readJob(ledger, jobId)
    if (job === undefined || job.ranks.length === 0) return undefined
    const keys = strange === 0 ? any : ledger.rank(jobId, Math.min(rank, job.ranks.length - 1))
    const tokens = strange < 3 ? length : job.maxNewTokens
    const branch = strange === 1 && isWrongBranch ? { unitParentId: new Uint8Array(32) } : {}
    return { keys, body: ledger.receiptBody(jobId, { tokens: Array.from({ length: tokens }, () => 5), ...branch }) }
  })
const registry: fc.Arbitrary<Intent> = fc
  .record({
    keys: actor,
    body: fc.constantFrom<TransactionBody>(
      { kind: 'minerRegister' },
      { kind: 'verifierRegister' },
      { kind: 'unbond', role: ROLE_MINER },
      { kind: 'unbond', role: ROLE_VERIFIER },
      transfer(accountOf(CLIENT.publicKey), 12_345n),
    ),
  })
  .map((intent) => () => intent)
const equivocation: fc.Arbitrary<Intent> = fc
  .record({ keys: actor, guilty: fc.constantFrom(minerKeys(1), minerKeys(2), VERIFIER) })
  .map(({ keys, guilty }) => () => ({ keys, body: accuse(guilty.publicKey) }))

const intent: fc.Arbitrary<Intent> = fc.oneof(
  { weight: 8, arbitrary: postJob },
  { weight: 9, arbitrary: deliver },
  { weight: 3, arbitrary: postAsk },
  { weight: 2, arbitrary: registry },
  { weight: 1, arbitrary: equivocation },
)
const blockPlan = fc.record({
  intents: fc.array(intent, { maxLength: 5 }),
  /** Whether to mine a paid unit if one is assigned. */
  isPaid: fc.boolean(),
  miner: fc.constantFrom(MINER, minerKeys(0), minerKeys(1)),
})
const plan = fc.record({
  blocks: fc.array(blockPlan, { minLength: 4, maxLength: 22 }),
  /** Blocks that are taken back and replaced by another branch. */
  fork: fc.record({ depth: fc.integer({ min: 1, max: 8 }), blocks: fc.array(blockPlan, { maxLength: 8 }) }),
})

const seen = {
  cleared: 0,
  paid: 0,
  premium: 0,
  settled: 0,
  returned: 0,
  missed: 0,
  forfeited: 0,
  held: 0,
  receipts: 0,
  double: 0,
}
/** Prompt burns and premiums of each block of a ledger's branch, by height. */
const history = new WeakMap<MarketLedger, { readonly burned: bigint; readonly premium: bigint }[]>()

/** ECO-3: all premiums together are at most kappa times what prompts burned, and `mintable` is what is left of that. */
function checkPremiums(ledger: MarketLedger, { assigned, premium }: BlockSummary, mintable: bigint): void {
  const blocks = history.get(ledger) ?? []
  history.set(ledger, blocks)
  const burns = assigned.map((jobId) => ledger.job(jobId).promptBurn)
  blocks.length = ledger.height
  blocks[ledger.height] = { burned: burns.reduce((sum, burn) => sum + burn, 0n), premium }
  const sumOf = (what: 'burned' | 'premium'): bigint =>
    blocks.reduce((sum, block) => sum + (block === undefined ? 0n : block[what]), 0n)
  expect(sumOf('premium') * 1_000_000n <= BigInt(PARAMS.emission.mintCapPpm) * sumOf('burned')).toBe(true)
  // Each prompt's part is rounded down; PARAMS assigns at most two a block.
  const allowed = (BigInt(PARAMS.emission.mintCapPpm) * sumOf('burned')) / 1_000_000n
  const left = allowed - sumOf('premium')
  expect(mintable <= left && mintable >= left - BigInt(2 * blocks.length)).toBe(true)
  if (premium > 0n) seen.premium++
}

type Block = { transactions: readonly Uint8Array[]; miner: KeyPair; change: Partial<BlockInput> }

/** Includes what applies, as a miner would. Returns the block, which can be applied again. */
function play(
  ledger: MarketLedger,
  jobs: Uint8Array[],
  { intents, isPaid, miner }: typeof blockPlan extends fc.Arbitrary<infer T> ? T : never,
): Block {
  const included: Uint8Array[] = []
  const won = isPaid ? jobs.find((jobId) => isWinnable(ledger, jobId)) : undefined
  let block: Block = { transactions: [], miner, change: {} }
  if (won !== undefined) {
    const keys = ledger.rank(won, 0)
    block = { miner: keys, change: ledger.paid(won), transactions: [] }
    included.push(ledger.tx(keys, ledger.receiptBody(won)))
  }
  for (const each of intents) {
    const wish = each(ledger, jobs)
    if (wish === undefined) continue
    const before = ledger.nonce(wish.keys)
    const bytes = ledger.tx(wish.keys, wish.body)
    try {
      ledger.preview([...included, bytes], block.miner, block.change)
      included.push(bytes)
      if (wish.body.kind === 'job') jobs.push(transactionIdOfBytes(bytes))
      if (wish.body.kind === 'receipt') seen.receipts++
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause
      if (cause.code === 'RECEIPT_DOUBLE') seen.double++
      ledger.unsend(wish.keys)
      expect(ledger.nonce(wish.keys)).toBe(before)
    }
  }
  return apply(ledger, { ...block, transactions: included })
}

function isWinnable(ledger: MarketLedger, jobId: Uint8Array): boolean {
  const job = readJob(ledger, jobId)
  if (job === undefined || job.openedHeight !== ledger.height || job.openedHeight === 0) return false
  return job.delivery === undefined && ledger.get(`barred/${bytesToHex(job.ranks[0]!)}`) === undefined
}

function apply(ledger: MarketLedger, block: Block): Block {
  let applied: AppliedBlock
  let used = block
  try {
    applied = ledger.block(block.transactions, block.miner, block.change)
  } catch (cause) {
    if (!(cause instanceof ProtocolError) || cause.code !== 'BLOCK_KEY_BARRED') throw cause
    ledger.forget()
    used = { transactions: [], miner: MINER, change: {} }
    applied = ledger.block([], MINER)
  }
  const { summary } = applied
  seen.cleared += summary.clearings.length
  seen.settled += summary.settled.length
  seen.returned += summary.returned.length
  seen.missed += summary.missed.length
  seen.forfeited += summary.forfeitures.length
  if (used.change.unit !== undefined) seen.paid++
  const audit = ledger.audit()
  expect(audit.held).toBe(audit.created)
  expect(audit.emitted).toBe(cumulativeEmission(PARAMS, ledger.height))
  checkPremiums(ledger, summary, audit.mintable)
  if (audit.jobs > 0n) seen.held++
  return used
}

test('property (P2, P3, P7, P9, ECO-3): every grain is accounted for at every height, premiums never exceed kappa times what burned, undo restores every root, order of arrival does not matter', () => {
  fc.assert(
    fc.property(plan, ({ blocks, fork }) => {
      const ledger = market({ params: PARAMS, asks: [{}, { price: PRICE / 3n }, { price: PRICE / 4n }] })
      const jobs: Uint8Array[] = []
      const main: { block: Block; root: Uint8Array; entries: Map<string, Uint8Array> }[] = []
      for (const each of blocks) {
        const entries = new Map(ledger.entries)
        const root = stateRootOf(ledger.ltHash)
        main.push({ block: play(ledger, jobs, each), root, entries })
      }
      const tip = stateRootOf(ledger.ltHash)
      expect(stateRootOf(ledger.recomputedLtHash())).toEqual(tip)

      // Back, along another branch with other beacons and ids, and back again.
      const depth = Math.min(fork.depth, main.length)
      for (const { root, entries } of main.slice(-depth).reverse()) {
        ledger.revert()
        expect(stateRootOf(ledger.ltHash)).toEqual(root)
        expect(new Map([...ledger.entries].sort())).toEqual(new Map([...entries].sort()))
      }
      const forkHeight = ledger.height
      ledger.branch = 1
      for (const each of fork.blocks) play(ledger, [...jobs], each)
      while (ledger.height > forkHeight) ledger.revert()
      ledger.branch = 0
      for (const { block } of main.slice(-depth)) ledger.block(block.transactions, block.miner, block.change)
      expect(stateRootOf(ledger.ltHash)).toEqual(tip)
    }),
    { numRuns: 20, seed: 20_270_102, endOnFailure: true },
  )
  for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(0)
})
