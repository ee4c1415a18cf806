/** AUD-3: a miner that is challenged on the chain opens the step there, or loses everything. */
import type { AccountAgent, FullNode } from '@nacre/node'
import {
  answeringRoot,
  auditedTask,
  bytesToHex,
  checkReceiptStep,
  equalBytes,
  fraudOf,
  isSameStep,
  readAuditedUnit,
  readChallenges,
  readChallengesDue,
  registeredModel,
  type StateReader,
  type StepOpening,
  type StepRef,
} from '@nacre/protocol'
import type { OwedTraces } from './owed-traces.ts'
import type { UnitRunner } from './unit-runner.ts'

export interface ChallengeResponderOptions {
  readonly node: FullNode
  readonly agent: AccountAgent
  readonly runner: Pick<UnitRunner, 'openSteps'>
  readonly traces: OwedTraces
}

/** An open challenge of a unit of this miner. */
interface Due {
  readonly jobId: Uint8Array
  readonly ref: StepRef
  readonly dueHeight: number
}

/**
 * Looks after each tip which of its units have open challenges, and sends the openings, those first that are due first. All that it
 * goes by is the state, so nothing is missed after a restart or a reorganisation.
 */
export class ChallengeResponder {
  readonly #options: ChallengeResponderOptions
  #unsubscribe: (() => void) | undefined
  #running: Promise<void> | undefined
  #isStale = false
  #isStopped = false

  constructor(options: ChallengeResponderOptions) {
    this.#options = options
  }

  start(): void {
    const { node } = this.#options
    if (node.context.params.audits.mode === 'off' || this.#unsubscribe !== undefined) return
    this.#unsubscribe = node.events.on('tip', () => this.#look())
    this.#look()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#unsubscribe?.()
    await this.#running
  }

  #look(): void {
    this.#isStale = true
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined
      if (this.#isStale && !this.#isStopped) this.#look()
    })
  }

  async #work(): Promise<void> {
    const { node, agent } = this.#options
    while (this.#isStale && !this.#isStopped) {
      this.#isStale = false
      if (node.isSyncing) return
      const wanted = new Set(agent.waiting.map(({ key }) => key))
      for (const due of this.#due()) {
        if (this.#isStopped) return
        if (wanted.has(wantKey(due))) continue
        try {
          await this.#respond(due)
        } catch (error) {
          // The next tip tries again: until the last block all is at stake.
          const message = error instanceof Error ? error.message : String(error)
          node.log.error({
            event: 'challenge_unanswered',
            jobId: bytesToHex(due.jobId),
            due: due.dueHeight,
            error: message,
          })
        }
      }
    }
  }

  /** A deadline lies at most twice `responseBlocks` ahead, and a height has a bounded list of them. */
  #due(): Due[] {
    const { node, agent } = this.#options
    const { reader, tip } = node.chain
    const { height } = tip.header
    const jobs = new Map<string, Uint8Array>()
    for (let at = height + 1; at <= height + 2 * node.context.params.audits.responseBlocks; at++)
      for (const jobId of readChallengesDue(reader, at)) jobs.set(bytesToHex(jobId), jobId)
    return [...jobs.values()].flatMap((jobId) => {
      const unit = readAuditedUnit(reader, jobId)
      if (unit === undefined || unit.isCondemned || !equalBytes(unit.minerKey, agent.keys.publicKey)) return []
      return readChallenges(reader, jobId)
        .filter(({ dueHeight }) => dueHeight > height)
        .map(({ ref, dueHeight }) => ({ jobId, ref, dueHeight }))
    })
  }

  async #respond(due: Due): Promise<void> {
    const { node, agent, runner, traces } = this.#options
    const { jobId, ref } = due
    const [opening] = await runner.openSteps(await traces.answering(jobId), [ref])
    // A planted step has no answer, and a transaction that no block takes would hold up those behind it, the reveal among them (AUD-8).
    if (!this.#answers(jobId, opening!)) {
      node.log.info({ event: 'challenge_of_plant', jobId: bytesToHex(jobId) })
      return
    }
    agent.want({
      key: wantKey(due),
      body: { kind: 'response', jobId, opening: opening! },
      isOver: (state) => !isOpen(state, due),
    })
  }

  #answers(jobId: Uint8Array, opening: StepOpening): boolean {
    const { chain, context } = this.#options.node
    const unit = readAuditedUnit(chain.reader, jobId)
    if (unit === undefined) return false
    const { model } = registeredModel(context, unit.modelId)
    const answering = { ...unit, traceRoot: answeringRoot(chain.reader, jobId, unit) }
    const check = () => checkReceiptStep(model, answering, auditedTask(chain.reader, jobId, unit), opening)
    return fraudOf(check) === undefined
  }
}

const wantKey = ({ jobId, ref: { kind, layer, group, position } }: Due): string =>
  `response/${bytesToHex(jobId)}/${kind}-${layer}-${group}-${position}`

function isOpen(reader: StateReader, { jobId, ref }: Due): boolean {
  return readChallenges(reader, jobId).some((each) => each.dueHeight > 0 && isSameStep(each.ref, ref))
}
