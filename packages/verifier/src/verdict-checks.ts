/** AUD-5: verdicts of others whose secrets are revealed, checked by a few of their steps and disputed where they are false. */
import type { AccountAgent, FullNode } from '@nacre/node'
import {
  type AuditedUnit,
  auditedSteps,
  bytesToHex,
  epochOf,
  equalBytes,
  FIXED_STEPS,
  hexToBytes,
  isSameStep,
  readAuditedUnit,
  readAuditor,
  readSuspicion,
  readVerdicts,
  registeredModel,
  type StepOpening,
  type StepRef,
  type StepView,
  stepAccumulators,
  stepDigest,
  type VerdictRecord,
  wasSelected,
} from '@nacre/protocol'
import type { Accuser } from './accuser.ts'
import type { OpeningsSource } from './openings-source.ts'
import { receiptStepCheck } from './receipt-step-check.ts'
import { Tries } from './tries.ts'

/** Verdicts looked at for each tip: whoever gives many false ones is found by any of them. */
const CHECKS_PER_TIP = 4
/** Steps opened of one verdict. One that was not looked for is false in each, a copied one too. */
const STEPS_PER_CHECK = 2
/** A verdict about whose steps nobody gives openings is left alone after so many tips. */
const MAX_TRIES = 3
/** Verdicts remembered as checked; the oldest are forgotten, and may be drawn again. */
const MAX_REMEMBERED = 8_192

export interface VerdictChecksOptions {
  readonly node: FullNode
  readonly agent: AccountAgent
  readonly openings: OpeningsSource
  readonly accuser: Accuser
  readonly signal: AbortSignal
}

/** A verdict that can still be shown false. */
interface Doubted {
  readonly job: string
  readonly jobId: Uint8Array
  readonly unit: AuditedUnit
  readonly verdict: VerdictRecord
  readonly secret: Uint8Array
  readonly name: string
}

/** A step of the unit as it was opened. */
interface Opened {
  readonly opening: StepOpening
  readonly view: StepView
}

/**
 * After each tip it draws some of the verdicts that nobody here has looked at, by local randomness, and runs some of their steps. What
 * it has seen is in memory only: after a restart the same verdicts are drawn again, and a proof under way is on disk.
 */
export class VerdictChecks {
  readonly #options: VerdictChecksOptions
  /** By unit and verifier. */
  readonly #tries = new Tries(MAX_TRIES, MAX_REMEMBERED)

  constructor(options: VerdictChecksOptions) {
    this.#options = options
  }

  /** Looks at some verdicts on these units. @param jobs hex. */
  async look(jobs: Iterable<string>): Promise<void> {
    const { node, signal } = this.#options
    const doubted = [...jobs].flatMap((job) => this.#doubtedOf(job))
    for (let i = 0; i < CHECKS_PER_TIP && doubted.length > 0 && !signal.aborted; i++) {
      const [next] = doubted.splice(node.random.below(doubted.length), 1)
      // A proof that went out meanwhile may concern the same verifier.
      if (!this.#isDisputed(next!)) await this.#check(next!)
    }
  }

  #doubtedOf(job: string): Doubted[] {
    const { node, agent } = this.#options
    const { reader, tip } = node.chain
    const { params } = node.context
    const jobId = hexToBytes(job)
    const unit = readAuditedUnit(reader, jobId)
    if (unit === undefined) return []
    // The accusation is in the next block at the earliest, and its proof has to come before the record ends.
    const proven = tip.header.height + 1 + params.audits.accusationDelayBlocks
    if (unit.endHeight > 0 && proven >= unit.endHeight) return []
    const epoch = epochOf(params, unit.receiptHeight)
    return readVerdicts(reader, jobId).flatMap((verdict) => {
      const { verifier } = verdict
      const secret = readAuditor(reader, epoch, verifier)?.secret
      if (secret === undefined || equalBytes(verifier, agent.keys.publicKey)) return []
      const name = `${bytesToHex(unit.unitId)}/${bytesToHex(verifier)}`
      const doubted = { job, jobId, unit, verdict, secret, name }
      const isOpen = this.#tries.isOpen(name) && !this.#isDisputed(doubted)
      // What its secret did not choose earns nothing, right or false.
      return isOpen && wasSelected(params, reader, secret, unit) ? [doubted] : []
    })
  }

  /** One proof takes a verifier's place in the epoch; more of the same change nothing. */
  #isDisputed({ unit, verdict: { verifier } }: Doubted): boolean {
    return this.#options.accuser.disputesIn(epochOf(this.#options.node.context.params, unit.receiptHeight), verifier)
  }

  async #check(doubted: Doubted): Promise<void> {
    const { node, openings, signal } = this.#options
    const { jobId, unit, secret, name } = doubted
    const { model } = registeredModel(node.context, unit.modelId)
    const steps = auditedSteps(node.context.params, model.config, secret, unit)
    const wanted = this.#draw(steps)
    const viewOf = receiptStepCheck(node, jobId, unit)
    const check = (opening: StepOpening): Opened => ({ opening, view: viewOf(opening) })
    const asked = await openings.ask({ id: jobId, minerKey: unit.minerKey }, wanted, check, signal)
    if (signal.aborted) return
    if (asked.outcome === 'unanswered') {
      if (asked.asked > 0) this.#tries.fail(name)
      return
    }
    this.#tries.settle(name)
    if (asked.outcome === 'fraud') {
      const { opening } = asked.fraud
      this.#dispute(doubted, steps, opening)
      // What is suspected already, or was shown to be a plant, is no news (AUD-8).
      if (!unit.isCondemned && readSuspicion(node.chain.reader, jobId) === undefined)
        this.#options.accuser.accuse(doubted.job, unit, opening)
      return
    }
    const wrong = asked.value.find(({ opening, view }) => !this.#isTrue(doubted, steps, opening, view))
    if (wrong !== undefined) this.#dispute(doubted, steps, wrong.opening)
    else node.log.debug({ event: 'verdict_checked', jobId: doubted.job, outcome: 'true' })
  }

  /** Some of the drawn steps, each at most once. */
  #draw(steps: readonly StepRef[]): StepRef[] {
    const rest = steps.slice(FIXED_STEPS.length)
    const drawn: StepRef[] = []
    while (drawn.length < STEPS_PER_CHECK && rest.length > 0) {
      const [step] = rest.splice(this.#options.node.random.below(rest.length), 1)
      if (!drawn.some((each) => isSameStep(each, step!))) drawn.push(step!)
    }
    return drawn
  }

  /** The same step can be drawn more than once, each time with a digest of its own. */
  #isTrue(
    { unit, secret, verdict }: Doubted,
    steps: readonly StepRef[],
    opening: StepOpening,
    view: StepView,
  ): boolean {
    const draw = drawOf(steps, opening.ref)
    const digest = stepDigest(verdict.verifier, secret, unit.unitId, draw, stepAccumulators(view))
    return equalBytes(digest, verdict.digests[draw]!)
  }

  #dispute({ job, unit, verdict: { verifier } }: Doubted, steps: readonly StepRef[], opening: StepOpening): void {
    const { accuser, node } = this.#options
    const step = FIXED_STEPS.length + drawOf(steps, opening.ref)
    const isTaken = accuser.dispute(job, unit, { verifier, step }, opening)
    node.log.warn({ event: 'false_verdict', jobId: job, verifier: bytesToHex(verifier), step, isAccused: isTaken })
  }
}

/** The first draw of a step in an audit. */
function drawOf(steps: readonly StepRef[], ref: StepRef): number {
  return steps.slice(FIXED_STEPS.length).findIndex((each) => isSameStep(each, ref))
}
