/** ECO-4, UNT-1: receipts, and the windows of the ranks. */
import { openAuditedUnit } from '../audit/audited-unit.ts'
import { bytesToHex, equalBytes } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import { isBarred } from '../ledger/entries.ts'
import type { StateReader } from '../ledger/state.ts'
import type { Receipt } from '../ledger/transactions.ts'
import type { Params } from '../params/types.ts'
import { endsByRule } from '../unit/length-rule.ts'
import { LANE_PAID, type UnitDescriptor, type UnitTask } from '../unit/types.ts'
import { withdrawAsks } from './asks.ts'
import { type JobRecord, readAssigned, readBlockId, readJob, readPrompt, writeAssigned, writeJob } from './entries.ts'
import { type MarketContext, modelOf } from './models.ts'
import { returnJob, windowBlocks } from './post-job.ts'
import { loseWeight } from './weights.ts'

/** The rank whose window the block at `height` is in: it and those before it may deliver. Below 0 before the first window. */
export function rankAt(params: Params, openedHeight: number, height: number): number {
  return Math.floor((height - openedHeight - 1) / params.jobs.assignmentWindowBlocks)
}

/** UNT-1: the unit that an assigned job makes of each of its miners; its parent is the block whose beacon opened it. */
export function paidUnit(reader: StateReader, jobId: Uint8Array, job: JobRecord): UnitDescriptor | undefined {
  const parentId = readBlockId(reader, job.openedHeight)
  if (job.openedHeight === 0 || parentId === undefined) return undefined
  return { lane: LANE_PAID, modelId: job.modelId, parentId, jobId, counter: 0 }
}

/** A job that a miner may deliver, now or once the ranks before it have not. */
export interface Assignment {
  readonly jobId: Uint8Array
  readonly rank: number
  /** First and last height of the blocks that may contain the receipt. */
  readonly firstHeight: number
  readonly lastHeight: number
  /** Last height of the rank's own window: if nobody has delivered by then, the rank loses weight. */
  readonly dueHeight: number
  /** Whether the unit draws in the block after the tip (UNT-2). */
  readonly draws: boolean
}

/** The assignments of a key that are undelivered and not over at the tip, oldest first. Reads one list for each block of the windows. */
export function assignmentsOf(
  params: Params,
  reader: StateReader,
  tipHeight: number,
  publicKey: Uint8Array,
): readonly Assignment[] {
  const { assignmentWindowBlocks } = params.jobs
  const found: Assignment[] = []
  for (let opened = Math.max(1, tipHeight + 1 - windowBlocks(params)); opened <= tipHeight; opened++) {
    for (const jobId of readAssigned(reader, opened)) {
      const job = readJob(reader, jobId)
      if (job === undefined || job.delivery !== undefined) continue
      const rank = job.ranks.findIndex((key) => equalBytes(key, publicKey))
      const firstHeight = opened + rank * assignmentWindowBlocks + 1
      const dueHeight = firstHeight + assignmentWindowBlocks - 1
      const lastHeight = opened + job.ranks.length * assignmentWindowBlocks
      if (rank < 0 || lastHeight <= tipHeight) continue
      found.push({ jobId, rank, firstHeight, lastHeight, dueHeight, draws: rank === 0 && opened === tipHeight })
    }
  }
  return found
}

/** What the unit of a job executes. */
export function paidTask(reader: StateReader, jobId: Uint8Array, job: JobRecord): UnitTask {
  return { promptTokens: readPrompt(reader, jobId), maxNewTokens: job.maxNewTokens, decoding: job.decoding }
}

/**
 * Checks a receipt; the function it returns writes and cannot fail. The state holds one delivery for each job and nothing of a
 * job that is over, so no unit is paid twice (P2). Throws
 * RECEIPT_JOB (unknown, settled or returned), RECEIPT_UNASSIGNED (no beacon yet), RECEIPT_DOUBLE (delivered already, by whomever),
 * RECEIPT_MINER (the sender has no rank, or is barred), RECEIPT_WINDOW (its window is not open yet), RECEIPT_BRANCH (executed for
 * another branch), RECEIPT_TOKENS (outside the vocabulary, or not ended by the rule of MOD-5).
 */
export function prepareReceipt(context: MarketContext, sender: Uint8Array, receipt: Receipt): () => void {
  const { params, draft, height, books } = context
  const { jobId, tokens, traceRoot } = receipt
  const job = readJob(draft, jobId)
  if (job === undefined) throw new ProtocolError('RECEIPT_JOB', `no job ${bytesToHex(jobId)} waits for a receipt`)
  check(
    job.openedHeight > 0 && job.openedHeight < height,
    'RECEIPT_UNASSIGNED',
    'no block before this one assigned the job',
  )
  check(job.delivery === undefined, 'RECEIPT_DOUBLE', `rank ${job.delivery?.rank} delivered the job`)
  const rank = job.ranks.findIndex((key) => equalBytes(key, sender))
  check(rank >= 0 && !isBarred(draft, sender), 'RECEIPT_MINER', 'the job is not assigned to the sender')
  const open = rankAt(params, job.openedHeight, height)
  check(rank <= open, 'RECEIPT_WINDOW', `the window of rank ${rank} is not open yet, this one is of rank ${open}`)
  const unit = paidUnit(draft, jobId, job)
  if (unit === undefined || !equalBytes(unit.parentId, receipt.unitParentId))
    throw new ProtocolError(
      'RECEIPT_BRANCH',
      'the unit belongs to another branch: its parent did not open the assignment here',
    )
  const model = modelOf(context, job.modelId)
  check(
    tokens.every((token) => token < model.vocabSize),
    'RECEIPT_TOKENS',
    `a token is outside the vocabulary of ${model.vocabSize}`,
  )
  const task: UnitTask = { promptTokens: [], maxNewTokens: job.maxNewTokens, decoding: job.decoding }
  check(
    endsByRule(task, model.eosToken, tokens),
    'RECEIPT_TOKENS',
    `${tokens.length} tokens of at most ${job.maxNewTokens} do not end by the rule (MOD-5)`,
  )
  return () => {
    openAuditedUnit(context, jobId, job, { minerKey: sender, unit, traceRoot, tokens })
    writeJob(draft, jobId, { ...job, delivery: { rank, height, newTokens: tokens.length, traceRoot } })
    books.addDelivered(height + params.jobs.auditWindowBlocks, jobId)
  }
}

/** Jobs that a window's end concerned. */
export interface ClosedWindows {
  /** Miners that did not deliver, with the job. */
  readonly missed: readonly { readonly jobId: Uint8Array; readonly minerKey: Uint8Array }[]
  /** Jobs that no rank delivered. */
  readonly returned: readonly Uint8Array[]
}

/**
 * Windows that end with this block: if nobody has delivered, the rank loses weight, or, if it has none, its ask for the model. It
 * may still deliver until the last window ends, since others may have left its receipt out of their blocks. After the last rank the client gets back what did not burn. Reads one list of assigned jobs for each rank.
 */
export function closeWindows(context: MarketContext): ClosedWindows {
  const { params, draft, height } = context
  const missed: { jobId: Uint8Array; minerKey: Uint8Array }[] = []
  const returned: Uint8Array[] = []
  for (let rank = 0; rank <= params.jobs.fallbacks; rank++) {
    const opened = height - (rank + 1) * params.jobs.assignmentWindowBlocks
    if (opened < 1) continue
    for (const jobId of readAssigned(draft, opened)) {
      const job = readJob(draft, jobId)
      if (job === undefined || job.delivery !== undefined) continue
      const minerKey = job.ranks[rank]!
      missed.push({ jobId, minerKey })
      if (!loseWeight(params, draft, minerKey, height)) withdrawAsks(draft, [bytesToHex(job.modelId)], minerKey)
      if (rank < job.ranks.length - 1) continue
      returnJob(draft, jobId)
      returned.push(jobId)
    }
    if (rank === params.jobs.fallbacks) writeAssigned(draft, opened, [])
  }
  return { missed, returned }
}
