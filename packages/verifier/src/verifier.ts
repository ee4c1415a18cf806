import { type FullNode, type NodeEvents, sleep, type TreeNode } from '@nacre/node'
import {
  type Block,
  checkStep,
  claimedTask,
  FRAUD_CODES,
  LANE_OPEN,
  modelOfUnit,
  outlineOfUnit,
  ProtocolError,
  type StepOpening,
  type StepRef,
  sampleSteps,
  type TraceShape,
} from '@nacre/protocol'
import { FraudError, OpeningsSource } from './openings-source.ts'

export interface VerifierOptions {
  readonly node: FullNode
  /** Steps opened per unit (AUD-2 has 16). */
  readonly stepsPerUnit: number
  /** Shared with whatever else on this node asks for openings. */
  readonly openings?: OpeningsSource
}

/** Blocks that may wait to be sampled; older ones are skipped, they were re-executed in any case. */
const MAX_WAITING = 32
/** Units sampled at once: a miner that does not answer holds up none of the others. */
const MAX_AT_ONCE = 4
/** A node that has just started may know nobody yet who serves openings: it looks again so often, after this pause. */
const MAX_LOOKS = 4
const LOOK_AGAIN_MS = 2_000

type Verdict = NodeEvents['verdict']
type Finding = Pick<Verdict, 'outcome' | 'reason'> & {
  /** No peer that was asked serves openings at all. */
  readonly isUnserved?: boolean
}

/**
 * Samples steps of winning units through openings served by their miners and checks each alone: the path that audits of
 * paid work take. The choice of steps is local randomness, so a miner cannot prepare for it.
 *
 * A verdict is about the unit and has three outcomes:
 * - `right`: somebody's openings hold under the trace root and reproduce every sampled step.
 * - `fraud`: an opening holds under the trace root and its step is wrong (a code of FRAUD_CODES, AUD-4). Only blocks of the best
 *   chain are sampled, and this node has re-executed each of those itself and got the same root (BLK-4). Both cannot be true:
 *   replay or step check of this very node is broken, so it is logged as an error with both facts, and a person has to look.
 * - `unanswered`: nobody gave usable openings. It says nothing about the unit or its miner: anyone can claim the miner's key in
 *   its `status`, so a bad opening counts against the peer that sent it and no one else.
 */
export class Verifier {
  readonly #node: FullNode
  readonly #stepsPerUnit: number
  readonly #waiting: TreeNode[] = []
  readonly #openings: OpeningsSource
  #unsubscribe: (() => void) | undefined
  readonly #active = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  #stopped = false

  constructor(options: VerifierOptions) {
    this.#node = options.node
    this.#stepsPerUnit = options.stepsPerUnit
    this.#openings = options.openings ?? new OpeningsSource(options.node)
  }

  start(): void {
    this.#unsubscribe = this.#node.events.on('block', ({ node }) => {
      this.#waiting.push(node)
      if (this.#waiting.length > MAX_WAITING) this.#waiting.shift()
      this.#resume()
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#abort.abort()
    this.#unsubscribe?.()
    this.#waiting.length = 0
    await Promise.all(this.#active)
  }

  #resume(): void {
    while (this.#active.size < MAX_AT_ONCE && this.#waiting.length > 0 && !this.#stopped) {
      const work = this.#work(this.#waiting.shift()!).finally(() => {
        this.#active.delete(work)
        this.#resume()
      })
      this.#active.add(work)
    }
  }

  async #work(next: TreeNode): Promise<void> {
    try {
      const block = this.#node.chain.block(next)
      if (block !== undefined) await this.#sample(next, block)
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#node.log.error({ event: 'internal_error', blockId: next.hex, error: text })
    }
  }

  async #sample(at: TreeNode, block: Block): Promise<void> {
    const { chain, clock, random } = this.#node
    // Openings are served for the best chain only (AUD-3), and only there has this node re-executed every unit.
    // Open work has no trace to open (chapter 12).
    if (!chain.isOnBestChain(at) || block.header.unit.lane === LANE_OPEN) return
    const steps = sampleSteps(random.bytes(32), this.#shapeOf(block), this.#stepsPerUnit)
    const startMs = clock.nowMs()
    let { isUnserved = false, ...finding } = await this.#check(at, block, steps)
    for (let look = 1; look < MAX_LOOKS && isUnserved && !this.#stopped; look++) {
      await sleep(clock, LOOK_AGAIN_MS, this.#abort.signal)
      ;({ isUnserved = false, ...finding } = await this.#check(at, block, steps))
    }
    if (this.#stopped || (finding.outcome === 'unanswered' && !chain.isOnBestChain(at))) return
    const checkMs = clock.nowMs() - startMs
    this.#report({ blockId: at.hex, height: at.header.height, steps: steps.length, ...finding, checkMs })
  }

  #report(verdict: Verdict): void {
    const { log, events } = this.#node
    if (verdict.outcome === 'right') log.info({ event: 'verdict', ...verdict })
    else if (verdict.outcome === 'unanswered') log.warn({ event: 'verdict', ...verdict })
    else {
      const contradiction =
        'a step of this unit is wrong, yet this node re-executed the unit and got the same trace root'
      log.error({ event: 'verdict', ...verdict, contradiction })
    }
    events.emit('verdict', verdict)
  }

  async #check(at: TreeNode, block: Block, steps: readonly StepRef[]): Promise<Finding> {
    const unit = { id: at.id, minerKey: block.header.minerKey }
    const asked = await this.#openings.ask(unit, steps, this.#stepCheck(block), this.#abort.signal)
    if (asked.outcome === 'right') return { outcome: 'right', reason: undefined }
    if (asked.outcome === 'fraud') return { outcome: 'fraud', reason: asked.fraud.message }
    const { reason, isUnserved } = asked
    return { outcome: 'unanswered', reason, isUnserved }
  }

  /**
   * Throws ProtocolError unless an opening holds under the trace root, FraudError if it does and its step is wrong. Only the step
   * check can tell fraud: the same code from anywhere else is not authenticated.
   */
  #stepCheck(block: Block): (opening: StepOpening) => void {
    const { context } = this.#node
    const task = claimedTask(context, block)
    const { model } = modelOfUnit(context, block.header.unit.modelId)
    return (opening) => {
      try {
        checkStep({ model, task, traceRoot: block.header.traceRoot, opening })
      } catch (error) {
        if (error instanceof ProtocolError && FRAUD_CODES.has(error.code)) throw new FraudError(opening, error)
        throw error
      }
    }
  }

  #shapeOf(block: Block): TraceShape {
    const { promptTokens, unit } = block.header
    const { config } = outlineOfUnit(this.#node.context, unit.modelId)
    return { promptTokens, newTokens: block.body.tokens.length - promptTokens, dims: config }
  }
}
