/** AUD-8: once a plant is revealed its unit answers for its honest trace, of which some steps are run here. */
import type { FullNode } from '@nacre/node'
import {
  type AuditedUnit,
  bytesToHex,
  FIXED_STEPS,
  hexToBytes,
  readAuditedUnit,
  readSuspicion,
  registeredModel,
  sampleSteps,
} from '@nacre/protocol'
import type { Accuser } from './accuser.ts'
import type { OpeningsSource } from './openings-source.ts'
import { receiptStepCheck } from './receipt-step-check.ts'
import { Tries } from './tries.ts'

/** Drawn steps of one plant, by local randomness: its miner knows by now what secrets have drawn. */
const STEPS_PER_PLANT = 14
/** Plants looked at for each tip. */
const CHECKS_PER_TIP = 2
/** A plant for which nobody has openings is asked for so often. */
const MAX_TRIES = 3
/** Plants remembered; the oldest are forgotten, and may be looked at again. */
const MAX_REMEMBERED = 4_096

export interface PlantChecksOptions {
  readonly node: FullNode
  readonly openings: OpeningsSource
  readonly accuser: Accuser
  readonly signal: AbortSignal
}

/** Looks at each plant once. What is wrong is accused; who gives no openings earns nothing from it and is left alone. */
export class PlantChecks {
  readonly #options: PlantChecksOptions
  /** By honest root, hex. */
  readonly #tries = new Tries(MAX_TRIES, MAX_REMEMBERED)

  constructor(options: PlantChecksOptions) {
    this.#options = options
  }

  /** Looks at some plants among these units. @param jobs hex. */
  async look(jobs: Iterable<string>): Promise<void> {
    const { node, signal } = this.#options
    let checks = 0
    for (const job of jobs) {
      if (checks >= CHECKS_PER_TIP || signal.aborted) return
      const jobId = hexToBytes(job)
      const unit = readAuditedUnit(node.chain.reader, jobId)
      const root = readSuspicion(node.chain.reader, jobId)?.honestRoot
      if (unit === undefined || unit.isCondemned || root === undefined) continue
      if (!this.#tries.isOpen(bytesToHex(root))) continue
      checks++
      await this.#check(job, jobId, { ...unit, traceRoot: root })
    }
  }

  /** @param unit with the root of its honest trace. */
  async #check(job: string, jobId: Uint8Array, unit: AuditedUnit): Promise<void> {
    const { node, openings, accuser, signal } = this.#options
    const { promptTokens, newTokens, traceRoot } = unit
    const { model } = registeredModel(node.context, unit.modelId)
    const shape = { promptTokens, newTokens, dims: model.config }
    const steps = [...FIXED_STEPS, ...sampleSteps(node.random.bytes(32), shape, STEPS_PER_PLANT)]
    const check = receiptStepCheck(node, jobId, unit)
    const asked = await openings.ask({ id: traceRoot, minerKey: unit.minerKey }, steps, check, signal)
    if (signal.aborted) return
    const name = bytesToHex(traceRoot)
    if (asked.outcome === 'unanswered') this.#tries.fail(name)
    else this.#tries.settle(name)
    if (asked.outcome === 'fraud') {
      const isTaken = accuser.accuse(job, unit, asked.fraud.opening)
      node.log.warn({ event: 'plant', jobId: job, outcome: 'fraud', reason: asked.fraud.message, isAccused: isTaken })
    } else node.log.info({ event: 'plant', jobId: job, outcome: asked.outcome })
  }
}
