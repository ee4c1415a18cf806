/** Which traces a node opens for others, and where they come from (AUD-3). */
import { type FullNode, NodeError, type TreeNode } from '@nacre/node'
import {
  type AuditedUnit,
  answeringRoot,
  auditedTask,
  bytesToHex,
  check,
  claimedTask,
  decodeTransaction,
  equalBytes,
  hexToBytes,
  isTransactionOfKind,
  ProtocolError,
  readAuditedUnit,
  readPrompt,
  type Trace,
} from '@nacre/protocol'
import { type Plants, plantedTrace } from './plants.ts'
import type { TraceFiles } from './trace-files.ts'
import type { TraceShelf } from './trace-shelf.ts'
import type { ReplayedUnit, UnitRunner } from './unit-runner.ts'

/** Units remembered that did not replay here. */
const MAX_FAILURES = 64

export interface OwedTracesOptions {
  readonly node: FullNode
  readonly runner: Pick<UnitRunner, 'replayTrace'>
  readonly shelf: TraceShelf
  /** Traces of units that were delivered here, from before a restart too. */
  readonly files?: TraceFiles | undefined
  /** Which of the units have a planted fault (AUD-8). */
  readonly plants?: Pick<Plants, 'of' | 'jobOf'> | undefined
}

/**
 * Traces of units of the best chain: of winners until maturity, of delivered ones as long as they can be audited. Recent ones come
 * from the shelf, those that were delivered here from disk; another one is executed again, because a trace is a function of the unit and the
 * model (UNT-1). One execution of a unit for all who ask, and none again of one that did not replay.
 */
export class OwedTraces {
  readonly #options: OwedTracesOptions
  /** Executions under way by id: many who ask for one unit cost one execution. */
  readonly #pending = new Map<string, Promise<Trace>>()
  readonly #failures = new Map<string, ProtocolError>()

  constructor(options: OwedTracesOptions) {
    this.#options = options
  }

  /**
   * The trace of a unit, under the root of its receipt.
   * @param id of the block that it won, or of the job that it delivered; or the root of the honest trace that a plant answers for.
   * Rejects with BLOCK_PARENT_UNKNOWN (neither), STEP_OUT_OF_RANGE (openings of the block have ended), or why it does not replay.
   */
  async of(id: Uint8Array): Promise<Trace> {
    const { node } = this.#options
    const at = node.chain.tree.get(id)
    const unit = at === undefined ? readAuditedUnit(node.chain.reader, id) : undefined
    if (unit !== undefined) {
      const honest = await this.#honest(id, unit)
      return this.#isPlanted(id, unit) ? plantedTrace(honest) : honest
    }
    const plantedJob = at === undefined ? this.#options.plants?.jobOf(id) : undefined
    if (plantedJob !== undefined && this.#answersFor(hexToBytes(plantedJob), id))
      return this.answering(hexToBytes(plantedJob))
    const block = this.#owed(at)
    return this.#again(id, () => this.#replayBlock(block))
  }

  /** Before the reveal nobody is told that a root is that of an honest trace: the unit would be known as a plant. */
  #answersFor(jobId: Uint8Array, honestRoot: Uint8Array): boolean {
    const { reader } = this.#options.node.chain
    const unit = readAuditedUnit(reader, jobId)
    return unit !== undefined && equalBytes(answeringRoot(reader, jobId, unit), honestRoot)
  }

  /** The trace that a delivered unit answers for: once it has been shown to be a plant, the honest one (AUD-8). Rejects like {@link of}. */
  async answering(jobId: Uint8Array): Promise<Trace> {
    const { reader } = this.#options.node.chain
    const unit = readAuditedUnit(reader, jobId)
    if (unit === undefined || equalBytes(answeringRoot(reader, jobId, unit), unit.traceRoot)) return this.of(jobId)
    return this.#honest(jobId, unit)
  }

  async #honest(jobId: Uint8Array, unit: AuditedUnit): Promise<Trace> {
    // A trace of another miner's unit is never kept under a job: that shelf has what was executed here to be delivered.
    const hex = bytesToHex(jobId)
    const kept = this.#options.shelf.paid(hex) ?? (await this.#onDisk(hex))
    return kept ?? this.#again(jobId, () => this.#replayJob(jobId, unit))
  }

  /** A file that is spoilt costs an execution. @param jobId hex. */
  async #onDisk(jobId: string): Promise<Trace | undefined> {
    const { node, files } = this.#options
    try {
      return await files?.get(jobId)
    } catch (error) {
      if (!(error instanceof NodeError)) throw error
      node.log.error({ event: 'trace_unreadable', jobId, code: error.code, error: error.message })
      return undefined
    }
  }

  #isPlanted(jobId: Uint8Array, { traceRoot }: AuditedUnit): boolean {
    const planted = this.#options.plants?.of(bytesToHex(jobId))
    return planted !== undefined && equalBytes(planted.plantedRoot, traceRoot)
  }

  /** AUD-3: openings are owed until maturity. A block off the best chain pays nobody, and its unit need not be valid. */
  #owed(at: TreeNode | undefined): TreeNode {
    const { chain, context } = this.#options.node
    const { maturityBlocks } = context.params.block
    if (at === undefined || !chain.isOnBestChain(at))
      throw new ProtocolError(
        'BLOCK_PARENT_UNKNOWN',
        'no block on the best chain and no unit open to audits has this id',
      )
    const depth = chain.tip.header.height - at.header.height
    check(depth <= maturityBlocks, 'STEP_OUT_OF_RANGE', `the block is ${depth} deep, openings end at ${maturityBlocks}`)
    return at
  }

  async #again(id: Uint8Array, replay: () => Promise<ReplayedUnit>): Promise<Trace> {
    const { shelf } = this.#options
    const kept = shelf.get(id)
    if (kept !== undefined) return kept
    const hex = bytesToHex(id)
    const failure = this.#failures.get(hex)
    if (failure !== undefined) throw failure
    const execution = this.#pending.get(hex) ?? this.#execute(id, replay).finally(() => this.#pending.delete(hex))
    this.#pending.set(hex, execution)
    return execution
  }

  async #execute(id: Uint8Array, replay: () => Promise<ReplayedUnit>): Promise<Trace> {
    try {
      const { trace } = await replay()
      this.#options.shelf.putReplayed(id, trace)
      return trace
    } catch (error) {
      // Replaying again gives the same (UNT-1). A full queue or a dead thread says nothing about the unit.
      if (error instanceof ProtocolError) this.#remember(bytesToHex(id), error)
      throw error
    }
  }

  #remember(hex: string, error: ProtocolError): void {
    this.#failures.set(hex, error)
    if (this.#failures.size > MAX_FAILURES) this.#failures.delete(this.#failures.keys().next().value!)
  }

  #replayBlock(at: TreeNode): Promise<ReplayedUnit> {
    const { node, runner } = this.#options
    const block = node.chain.block(at)
    if (block === undefined) throw new ProtocolError('BLOCK_PARENT_UNKNOWN', 'the block is not here')
    return runner.replayTrace(block.header.unit.modelId, claimedTask(node.context, block), block.body.tokens)
  }

  /** Whoever delivered it: an honest unit gives the same trace here. Of a forged one this node has no opening. */
  async #replayJob(jobId: Uint8Array, unit: AuditedUnit): Promise<ReplayedUnit> {
    const { node, runner } = this.#options
    const { reader } = node.chain
    const tokens = [...readPrompt(reader, jobId), ...this.#answerOf(jobId, unit)]
    const replayed = await runner.replayTrace(unit.modelId, auditedTask(reader, jobId, unit), tokens)
    const honestRoot = this.#isPlanted(jobId, unit)
      ? this.#options.plants!.of(bytesToHex(jobId))!.honestRoot
      : unit.traceRoot
    check(
      equalBytes(replayed.traceRoot, honestRoot),
      'BLOCK_REPLAY_TRACE',
      'the unit has another trace here than its receipt commits to',
    )
    return replayed
  }

  #answerOf(jobId: Uint8Array, { receiptHeight }: AuditedUnit): readonly number[] {
    const { chain } = this.#options.node
    const at = chain.atHeight(receiptHeight)
    for (const bytes of (at && chain.block(at)?.body.transactions) ?? []) {
      if (!isTransactionOfKind(bytes, 'receipt')) continue
      const { body } = decodeTransaction(bytes)
      if (body.kind === 'receipt' && equalBytes(body.jobId, jobId)) return body.tokens
    }
    throw new ProtocolError('BLOCK_PARENT_UNKNOWN', 'the block with the receipt is not here')
  }
}
