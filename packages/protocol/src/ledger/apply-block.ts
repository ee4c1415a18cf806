/** The state transition of one block (ECO-1 to ECO-8); the order of its steps is docs/spec/10-ledger.md. */
import { type AuditSummary, auditSummary } from '../audit/block-audits.ts'
import { closeChallenges } from '../audit/challenges.ts'
import { closePlants } from '../audit/plant-ends.ts'
import { bytesToHex, equalBytes, hexToBytes } from '../bytes.ts'
import { targetFromBits, workOfTarget } from '../difficulty/bits.ts'
import { bootstrapCoinbase, type CoinbaseParts, paidCoinbase } from '../emission/coinbase.ts'
import { check, ProtocolError } from '../errors.ts'
import { accountOf } from '../keys.ts'
import { drawMacs } from '../lottery/tickets.ts'
import { type LtHash, stateRootOf } from '../lthash.ts'
import { clearMarkets, type MarketClearing, returnExpired } from '../market/clear-markets.ts'
import { type JobRecord, readJob, writeWon } from '../market/entries.ts'
import { type MarketRules, modelOf } from '../market/models.ts'
import { closeWindows } from '../market/receipts.ts'
import type { Settlement } from '../market/settle.ts'
import { LANE_PAID } from '../unit/types.ts'
import { checkLane } from '../unit/unit-id.ts'
import { type ApplyContext, applyTransaction } from './apply-transaction.ts'
import { type BlockInput, beginBlock } from './begin-block.ts'
import { checkTransactionCounts } from './block-limits.ts'
import { addAmount, addImmature, isBarred, readAmount } from './entries.ts'
import type { Forfeiture } from './forfeit.ts'
import { addWork, boundedWork } from './published.ts'
import { applyChanges, type StateChange, type StateDraft, type StateReader } from './state.ts'
import { decodeTransaction, transactionIdOfBytes } from './transactions.ts'

/** What a block did, in grains. */
export interface BlockSummary {
  readonly transactionIds: readonly Uint8Array[]
  /** Coinbases, receipt payments and bonds that became spendable. */
  readonly matured: bigint
  readonly fees: bigint
  readonly subsidy: bigint
  readonly verifierShare: bigint
  readonly teamShare: bigint
  readonly deferred: bigint
  readonly release: bigint
  /** What the miner gets after maturity: its part of the subsidy, release and fees. */
  readonly minerReward: bigint
  /** Of it, what a paid block earns on top of a bootstrap block (ECO-3). */
  readonly premium: bigint
  readonly forfeitures: readonly Forfeiture[]
  /** Jobs whose assignment the block's beacon opened. */
  readonly assigned: readonly Uint8Array[]
  readonly settled: readonly Settlement[]
  /** Miners that missed their windows. */
  readonly missed: readonly { readonly jobId: Uint8Array; readonly minerKey: Uint8Array }[]
  /** Jobs that ended without delivery: without a miner, missed by every rank, or expired in the book. */
  readonly returned: readonly Uint8Array[]
  readonly clearings: readonly MarketClearing[]
  readonly audits: AuditSummary
}

export interface AppliedBlock {
  /** Sorted by key: the undo journal. */
  readonly changes: readonly StateChange[]
  readonly ltHash: LtHash
  readonly stateRoot: Uint8Array
  readonly summary: BlockSummary
}

/**
 * The state after a block. Pure; `reader` is only read.
 *
 * Any ProtocolError proves that a block with this content is invalid after this parent. The verdict of a TX_*, JOB_*, ASK_* or
 * RECEIPT_* code judges the lone transaction, not the block: a nonce gap is `ignore` in the mempool and an invalid block here.
 * Throws BLOCK_HEIGHT, BLOCK_KEY_BARRED, BLOCK_TOO_MANY_TRANSACTIONS, BLOCK_TOO_MANY_ACCUSATIONS, BLOCK_RECEIPT, KEY_INVALID, LEDGER_OVERFLOW, what
 * {@link checkPaidUnit} throws, and what {@link decodeTransaction} and {@link applyTransaction} throw.
 */
export function applyBlock(input: BlockInput): AppliedBlock {
  const { params, height, minerKey, transactions } = input
  const begun = beginBlock(input)
  checkTransactionCounts(params, transactions)
  checkLane(input.unit, params.bindings.singleUse)
  const job = input.unit.lane === LANE_PAID ? checkPaidUnit(input, input.reader) : undefined

  const { context } = begun
  const { draft, books } = context
  const { fees, transactionIds, forfeitures } = applyTransactions(context, transactions)
  forfeitures.push(...closeChallenges(context, transactions), ...closePlants(context))
  check(!isBarred(draft, minerKey), 'BLOCK_KEY_BARRED', 'the block bars its own miner')
  if (job !== undefined) checkOwnReceipt(input, draft)
  const closed = closeWindows(context)
  const expired = returnExpired(input, draft, books, height)
  const clearings = clearMarkets(input, draft, books, height)
  books.flush(draft)
  const paid = payCoinbase(input, draft, fees, job)

  const changes = draft.finish()
  const ltHash = applyChanges(input.ltHash, changes)
  const { assigned, returned, matured, settled } = begun
  const summary: BlockSummary = {
    transactionIds,
    matured,
    fees,
    ...paid,
    forfeitures,
    assigned,
    settled,
    missed: closed.missed,
    returned: [...returned, ...closed.returned, ...expired],
    clearings,
    audits: auditSummary(context.audits),
  }
  return { changes, ltHash, stateRoot: stateRootOf(ltHash), summary }
}

/**
 * UNT-2: a paid unit draws only for rank 0, only on the block whose beacon opened its assignment, which is the parent.
 * Returns its job. Throws UNIT_JOB (no such job, or not assigned), UNIT_PARENT (opened by another block), UNIT_RANK (the miner
 * is not rank 0), UNIT_MODEL, UNIT_SHAPE (another prompt length).
 * @param reader the state after the parent.
 */
export function checkPaidUnit(
  input: Pick<BlockInput, 'params' | 'height' | 'parentId' | 'unit' | 'promptTokens' | 'minerKey'>,
  reader: StateReader,
): JobRecord {
  const { params, height, parentId, unit, promptTokens, minerKey } = input
  const job = readJob(reader, unit.jobId)
  if (job === undefined || job.openedHeight === 0)
    throw new ProtocolError('UNIT_JOB', `no job ${bytesToHex(unit.jobId)} is assigned after the parent`)
  check(
    job.openedHeight === height - 1 && equalBytes(unit.parentId, parentId),
    'UNIT_PARENT',
    'a paid unit draws only on the block whose beacon opened its assignment (UNT-2)',
  )
  check(equalBytes(job.ranks[0]!, minerKey), 'UNIT_RANK', 'a paid unit draws only for rank 0 (UNT-2)')
  check(equalBytes(job.modelId, unit.modelId), 'UNIT_MODEL', 'the job is for another model')
  const isAssigned = params.bindings.assignedInputs === 'on'
  check(
    !isAssigned || job.promptTokens === promptTokens,
    'UNIT_SHAPE',
    `the job's prompt has ${job.promptTokens} tokens`,
  )
  return job
}

/** UNT-2: a paid winning block contains its own receipt. Throws BLOCK_RECEIPT. */
function checkOwnReceipt(input: Pick<BlockInput, 'height' | 'unit'>, draft: StateDraft): void {
  const delivery = readJob(draft, input.unit.jobId)?.delivery
  check(
    delivery !== undefined && delivery.rank === 0 && delivery.height === input.height,
    'BLOCK_RECEIPT',
    'the block of a paid unit lacks the receipt of that unit (UNT-2)',
  )
}

function applyTransactions(
  context: ApplyContext,
  transactions: readonly Uint8Array[],
): { fees: bigint; transactionIds: Uint8Array[]; forfeitures: Forfeiture[] } {
  let fees = 0n
  const transactionIds: Uint8Array[] = []
  const forfeitures: Forfeiture[] = []
  for (const [i, bytes] of transactions.entries()) {
    try {
      const transaction = decodeTransaction(bytes)
      const forfeiture = applyTransaction(context, transaction)
      if (forfeiture !== undefined) forfeitures.push(forfeiture)
      fees += transaction.fee
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause
      const reason = cause.message.slice(cause.code.length + 2)
      throw new ProtocolError(cause.code, `transaction ${i}: ${reason}`, { cause })
    }
    transactionIds.push(transactionIdOfBytes(bytes))
  }
  return { fees, transactionIds, forfeitures }
}

/** WRK-4: the MACs that the tickets of a job's unit stand for together. */
function jobDrawMacs(rules: MarketRules, job: JobRecord): number {
  const modelId = bytesToHex(job.modelId)
  const lottery = rules.params.models.find((each) => each.modelId === modelId)!
  return drawMacs(rules.params, LANE_PAID, modelOf(rules, job.modelId), lottery, job.promptTokens)
}

/** ECO-3: the division of the block's subsidy; a paid block has the premium that burns allow. */
function coinbaseOf(input: BlockInput, draft: StateDraft, work: bigint, job: JobRecord | undefined): CoinbaseParts {
  const { params, height } = input
  const deferredBefore = readAmount(draft, 'deferred')
  if (job === undefined) return bootstrapCoinbase(params, height, deferredBefore)
  const win = {
    promptBurn: job.promptBurn,
    work,
    drawMacs: jobDrawMacs(input, job),
    mintable: readAmount(draft, 'mintable'),
  }
  return paidCoinbase(params, height, deferredBefore, win)
}

/** ECO-2, ECO-3: emits the subsidy, pays the miner and the team after maturity, updates the counters. */
function payCoinbase(
  input: BlockInput,
  draft: StateDraft,
  fees: bigint,
  job: JobRecord | undefined,
): Omit<CoinbaseParts, 'minerSubsidy'> & { readonly minerReward: bigint } {
  const { params, height, minerKey } = input
  const work = workOfTarget(targetFromBits(input.bits))
  const parts = coinbaseOf(input, draft, work, job)
  const created = readAmount(draft, 'premine') + readAmount(draft, 'faucet') + readAmount(draft, 'emitted')
  check(created + parts.subsidy < 1n << 64n, 'LEDGER_OVERFLOW', 'the supply would exceed 2^64 - 1 grains (CNV-4)')

  const minerReward = parts.minerSubsidy + parts.release + fees
  const matures = height + params.block.maturityBlocks
  addImmature(draft, matures, [
    { account: accountOf(minerKey), grains: minerReward, minerKey },
    { account: hexToBytes(params.emission.teamAccount), grains: parts.teamShare, minerKey: new Uint8Array(0) },
  ])
  writeWon(draft, matures, { minerKey, work: boundedWork(work) })
  addWork(draft, input.unit.lane, work)
  addAmount(draft, 'emitted', parts.subsidy)
  addAmount(draft, 'verifierPool', parts.verifierShare)
  addAmount(draft, 'deferred', parts.deferred - parts.release)
  addAmount(draft, 'mintable', -parts.premium)
  const { subsidy, verifierShare, teamShare, deferred, release, premium } = parts
  return { subsidy, verifierShare, teamShare, deferred, release, premium, minerReward }
}
