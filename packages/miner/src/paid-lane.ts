/** The paid lane of a miner: which assigned job is next, what it answered, and the receipts of both (UNT-2, ECO-4). */
import type { AccountAgent, FullNode, TreeNode } from '@nacre/node'
import {
  type Assignment,
  assignmentsOf,
  bytesToHex,
  equalBytes,
  hexToBytes,
  type JobRecord,
  type KeyPair,
  LANE_PAID,
  paidTask,
  type Receipt,
  readJob,
  type StateReader,
  type Trace,
  type UnitDescriptor,
  type UnitTask,
} from '@nacre/protocol'
import { type Answer, AnswerBook } from './answers.ts'
import type { Plants } from './plants.ts'
import type { TraceFiles } from './trace-files.ts'
import type { TraceShelf } from './trace-shelf.ts'

/** An assigned job that is to be executed now. */
export interface PaidUnit {
  /** Hex. */
  readonly jobId: string
  readonly rank: number
  readonly task: UnitTask
  readonly unit: UnitDescriptor
  /** Of the block that opened the assignment. */
  readonly openedHeight: number
  /** The tip, where the unit draws in the block after it (UNT-2). */
  readonly drawsOn: TreeNode | undefined
}

/** A job that was assigned to this miner, until it is known what became of it. */
interface Tracked {
  readonly rank: number
  /** End of the own window, after which an undelivered job costs weight, and of the last one, until which it may be delivered (ECO-4). */
  readonly dueHeight: number
  readonly lastHeight: number
  readonly openedId: string
  /** Height of the block that contains our receipt. */
  deliveredHeight: number | undefined
  isMissed: boolean
}

export interface PaidLaneOptions {
  readonly node: FullNode
  readonly keys: KeyPair
  readonly agent: AccountAgent
  readonly shelf: TraceShelf
  /** Where traces of delivered units outlast this process. */
  readonly files?: TraceFiles | undefined
  /** Planted faults, if this miner has any (AUD-8). */
  readonly plants?: Plants | undefined
}

/** Jobs whose execution failed here so often are given up until the next start: another try would fail too. */
const MAX_FAILURES = 3
/** Jobs remembered because they failed. */
const MAX_FAILED_JOBS = 256

/**
 * Follows the tip. Each assignment whose window is open is executed once, whatever the tip does meanwhile; its answer is kept by job, so
 * that a branch on which the same job is assigned again gets a receipt of its own without another execution.
 */
export class PaidLane {
  readonly stats: { jobsDelivered: number; jobsMissed: number } = { jobsDelivered: 0, jobsMissed: 0 }
  readonly #options: PaidLaneOptions
  readonly #answers: AnswerBook
  readonly #running = new Set<string>()
  readonly #failures = new Map<string, number>()
  readonly #tracked = new Map<string, Tracked>()
  /** Assignments that the block after the tip may deliver, and the tip that they are of. */
  #open: { readonly tip: TreeNode; readonly assignments: readonly Assignment[] } | undefined
  #unsubscribe: (() => void) | undefined

  constructor(options: PaidLaneOptions) {
    this.#options = options
    this.#answers = new AnswerBook(options.node.store)
  }

  start(): void {
    this.#unsubscribe ??= this.#options.node.events.on('tip', () => this.#follow())
    this.#follow()
  }

  stop(): void {
    this.#unsubscribe?.()
  }

  /** Whether {@link take} has a job to give. */
  get hasWork(): boolean {
    return this.#toDo().length > 0
  }

  #toDo(): readonly Assignment[] {
    if (this.#open?.tip !== this.#options.node.chain.tip) return []
    return this.#open.assignments.filter(({ jobId }) => this.#isToDo(bytesToHex(jobId)))
  }

  /** The job to execute next, which counts as under way from now on: one that draws first, then the one that is due first. */
  take(): PaidUnit | undefined {
    const { node } = this.#options
    const { reader } = node.chain
    const next = this.#toDo().toSorted((a, b) => Number(b.draws) - Number(a.draws) || a.dueHeight - b.dueHeight)[0]
    const job = next && readJob(reader, next.jobId)
    if (next === undefined || job === undefined) return undefined
    const jobId = bytesToHex(next.jobId)
    this.#running.add(jobId)
    const unit = this.#unitOf(next.jobId, job)
    const { openedHeight } = job
    // What earns nothing draws nothing (AUD-8).
    const draws =
      next.draws && node.context.params.jobs.paidDrawPpm > 0 && this.#options.plants?.draws(unit, openedHeight) !== true
    return {
      ...{ jobId, rank: next.rank, task: paidTask(reader, next.jobId, job), unit, openedHeight },
      drawsOn: draws ? node.chain.tip : undefined,
    }
  }

  /** The unit has been executed: its answer is written down, and goes out as a receipt if the job still waits for one. */
  executed(paid: PaidUnit, tokens: readonly number[], traceRoot: Uint8Array, trace: Trace): void {
    const { node, shelf, files, plants } = this.#options
    this.#running.delete(paid.jobId)
    // Before the answer is there, which is sent as soon as anything asks for it.
    if (plants?.draws(paid.unit, paid.openedHeight)) plants.plant(paid.jobId, paid.openedHeight, trace, traceRoot)
    this.#answers.put(paid.jobId, { tokens: tokens.slice(paid.task.promptTokens.length), traceRoot })
    const { block, jobs } = node.context.params
    const windows = jobs.assignmentWindowBlocks * (1 + jobs.fallbacks)
    const untilHeight = node.chain.tip.header.height + windows + block.maturityBlocks
    shelf.putPaid(paid.jobId, trace, untilHeight)
    void files?.put(paid.jobId, paid.unit.modelId, trace, untilHeight)
  }

  /** The execution failed: it is tried again, but not for ever. */
  failed(paid: PaidUnit): void {
    this.#running.delete(paid.jobId)
    this.#failures.set(paid.jobId, (this.#failures.get(paid.jobId) ?? 0) + 1)
    if (this.#failures.size > MAX_FAILED_JOBS) this.#failures.delete(this.#failures.keys().next().value!)
  }

  /** The receipt of an executed unit. */
  receiptOf({ jobId, unit, openedHeight }: PaidUnit): Receipt {
    return this.#receipt(unit, openedHeight, this.#answers.get(jobId)!)
  }

  /** Sends the receipts of all open assignments that have an answer. */
  deliver(): void {
    const { node, agent } = this.#options
    const { reader } = node.chain
    for (const { jobId, lastHeight } of this.#open?.assignments ?? []) {
      const hex = bytesToHex(jobId)
      const answer = this.#answers.get(hex)
      const job = readJob(reader, jobId)
      if (answer === undefined || job === undefined || job.delivery !== undefined) continue
      const unit = this.#unitOf(jobId, job)
      agent.want({
        key: `receipt/${hex}`,
        body: this.#receipt(unit, job.openedHeight, answer),
        isOver: (state, tip) => tip.header.height >= lastHeight || !this.#isWaiting(state, unit),
      })
    }
  }

  #isToDo(jobId: string): boolean {
    const isAnswered = this.#answers.get(jobId) !== undefined
    return !isAnswered && !this.#running.has(jobId) && (this.#failures.get(jobId) ?? 0) < MAX_FAILURES
  }

  #receipt(unit: UnitDescriptor, openedHeight: number, { tokens, traceRoot: honestRoot }: Answer): Receipt {
    const { jobId, parentId } = unit
    const traceRoot = this.#options.plants?.rootOf(unit, openedHeight, honestRoot) ?? honestRoot
    return { kind: 'receipt', jobId, unitParentId: parentId, traceRoot, tokens }
  }

  /** UNT-1: the parent is the block of the best chain that opened the assignment. */
  #unitOf(jobId: Uint8Array, { modelId, openedHeight }: JobRecord): UnitDescriptor {
    return {
      lane: LANE_PAID,
      modelId,
      parentId: this.#options.node.chain.atHeight(openedHeight)!.id,
      jobId,
      counter: 0,
    }
  }

  /** Whether the job still waits for this unit on the best chain. */
  #isWaiting(reader: StateReader, { jobId, parentId }: UnitDescriptor): boolean {
    const job = readJob(reader, jobId)
    if (job === undefined || job.delivery !== undefined || job.openedHeight === 0) return false
    const opened = this.#options.node.chain.atHeight(job.openedHeight)
    return opened !== undefined && equalBytes(opened.id, parentId)
  }

  #follow(): void {
    const { node, keys, shelf, files } = this.#options
    const { chain, context } = node
    const { tip } = chain
    const { reader } = chain
    const { height } = tip.header
    const all = assignmentsOf(context.params, reader, height, keys.publicKey)
    const open = all.filter(({ firstHeight }) => firstHeight <= height + 1)
    for (const assignment of open) this.#track(reader, assignment)
    this.#open = { tip, assignments: open }
    this.#conclude(reader, height)
    shelf.expire(height)
    void files?.expire(height)
    if (!node.isSyncing) this.deliver()
  }

  #track(reader: StateReader, { jobId, rank, firstHeight, dueHeight, lastHeight }: Assignment): void {
    const hex = bytesToHex(jobId)
    const openedId = this.#options.node.chain.atHeight(readJob(reader, jobId)!.openedHeight)!.hex
    if (this.#tracked.get(hex)?.openedId === openedId) return
    this.#tracked.set(hex, { rank, dueHeight, lastHeight, openedId, deliveredHeight: undefined, isMissed: false })
    this.#options.node.log.info({ event: 'job_assigned', jobId: hex, rank, firstHeight, dueHeight })
  }

  /** What has become of the jobs that were assigned here. */
  #conclude(reader: StateReader, height: number): void {
    const { node, keys } = this.#options
    for (const [jobId, tracked] of this.#tracked) {
      const job = readJob(reader, hexToBytes(jobId))
      const { rank } = tracked
      const isOurs = job?.delivery?.rank === rank && equalBytes(job.ranks[rank]!, keys.publicKey)
      if (isOurs && tracked.deliveredHeight === undefined) {
        tracked.deliveredHeight = job.delivery!.height
        this.stats.jobsDelivered++
        node.log.info({ event: 'job_delivered', jobId, rank, height: job.delivery!.height })
      }
      const isUndelivered = tracked.deliveredHeight === undefined && job?.delivery === undefined
      if (height >= tracked.dueHeight && isUndelivered && !tracked.isMissed && job?.openedHeight !== 0) {
        tracked.isMissed = true
        this.stats.jobsMissed++
        node.log.warn({ event: 'job_missed', jobId, rank, height })
      }
      // Until then it may still be delivered, and a reorganisation may bring the job back.
      if (height >= tracked.lastHeight) this.#tracked.delete(jobId)
    }
  }
}
