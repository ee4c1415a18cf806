/** Audits delivered units: which of them, which steps, and what is said about it on the chain (AUD-1 to AUD-5). */
import type { AccountAgent, FullNode, TreeNode } from '@nacre/node'
import {
  type AuditedUnit,
  auditedSteps,
  bytesToHex,
  challengeBond,
  decodeTransaction,
  epochOf,
  epochWindows,
  equalBytes,
  FIXED_STEPS,
  hexToBytes,
  isSameStep,
  isTransactionOfKind,
  lastChallengeHeight,
  MAX_UNIT_CHALLENGES,
  readAuditedUnit,
  readChallenges,
  readVerdicts,
  registeredModel,
  type StateReader,
  type StepRef,
  verdictDigests,
  wasSelected,
} from '@nacre/protocol'
import { Accuser } from './accuser.ts'
import { EpochSecrets } from './epoch-secrets.ts'
import type { OpeningsSource } from './openings-source.ts'
import { PlantChecks } from './plant-checks.ts'
import { receiptStepCheck } from './receipt-step-check.ts'
import { VerdictChecks } from './verdict-checks.ts'

/** Delivered units that are followed at once; the oldest give way, and settle unaudited by this verifier. */
const MAX_UNITS = 4_096
/** After so many blocks without good openings from any peer the miner is asked on the chain. */
const PATIENCE_BLOCKS = 2

/** What this process knows of a delivered unit. */
interface Followed {
  /** Of the unit that the rest is about: a reorganisation may deliver another one for the job. */
  unitId: string
  /** Height of the tip when its openings were asked for last, and when they were missed first. */
  askedHeight: number | undefined
  missedHeight: number | undefined
  /** Of a unit that is right in all audited steps. */
  digests: readonly Uint8Array[] | undefined
}

/** A unit that this verifier's secret has chosen. */
interface ChosenUnit {
  /** Hex. */
  readonly job: string
  readonly jobId: Uint8Array
  readonly unit: AuditedUnit
  readonly secret: Uint8Array
  readonly steps: readonly StepRef[]
  readonly followed: Followed
}

export interface UnitAuditorOptions {
  readonly node: FullNode
  /** Of the registered key. */
  readonly agent: AccountAgent
  readonly openings: OpeningsSource
}

/**
 * A registered verifier at work. After each tip it asks the state what is to be done; besides secrets and proofs, which are on disk, it
 * keeps nothing that it could not find out again. One unit is looked at after the other.
 */
export class UnitAuditor {
  readonly #node: FullNode
  readonly #agent: AccountAgent
  readonly #openings: OpeningsSource
  readonly #secrets: EpochSecrets
  readonly #accuser: Accuser
  readonly #verdicts: VerdictChecks
  readonly #plants: PlantChecks
  /** By job, hex, in the order of their receipts. */
  readonly #followed = new Map<string, Followed>()
  readonly #abort = new AbortController()
  #unsubscribe: (() => void) | undefined
  #running: Promise<void> | undefined
  #isStale = false
  /** Height of the tip after which verdicts of others were looked at last. */
  #checkedHeight: number | undefined

  constructor({ node, agent, openings }: UnitAuditorOptions) {
    this.#node = node
    this.#agent = agent
    this.#openings = openings
    this.#secrets = new EpochSecrets(node, agent)
    this.#accuser = new Accuser(node, agent)
    const { signal } = this.#abort
    this.#verdicts = new VerdictChecks({ node, agent, openings, accuser: this.#accuser, signal })
    this.#plants = new PlantChecks({ node, openings, accuser: this.#accuser, signal })
  }

  start(): void {
    if (this.#node.context.params.audits.mode === 'off' || this.#unsubscribe !== undefined) return
    this.#unsubscribe = this.#node.events.on('tip', ({ joined }) => {
      for (const block of joined) this.#follow(block)
      this.#look()
    })
    this.#followRecent()
    this.#look()
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    this.#abort.abort()
    await this.#running
  }

  /** The units that were delivered before this process began: until maturity what others said about them can be disputed. */
  #followRecent(): void {
    const { chain, context } = this.#node
    const { height } = chain.tip.header
    for (let at = Math.max(1, height - context.params.block.maturityBlocks); at <= height; at++)
      this.#follow(chain.atHeight(at)!)
  }

  #follow(block: TreeNode): void {
    for (const bytes of this.#node.chain.block(block)?.body.transactions ?? []) {
      if (!isTransactionOfKind(bytes, 'receipt')) continue
      const { body } = decodeTransaction(bytes)
      if (body.kind !== 'receipt') continue
      const job = bytesToHex(body.jobId)
      if (this.#followed.has(job)) continue
      this.#followed.set(job, { unitId: '', askedHeight: undefined, missedHeight: undefined, digests: undefined })
      if (this.#followed.size > MAX_UNITS) this.#followed.delete(this.#followed.keys().next().value!)
    }
  }

  #look(): void {
    if (this.#node.isSyncing) return
    this.#secrets.look()
    this.#accuser.look()
    this.#isStale = true
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined
      if (this.#isStale && !this.#abort.signal.aborted) this.#look()
    })
  }

  async #work(): Promise<void> {
    while (this.#isStale && !this.#abort.signal.aborted) {
      this.#isStale = false
      for (const [job, followed] of [...this.#followed]) {
        if (this.#abort.signal.aborted) return
        try {
          await this.#audit(job, followed)
        } catch (error) {
          if (this.#abort.signal.aborted) return
          const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
          this.#node.log.error({ event: 'internal_error', jobId: job, error: text })
        }
      }
      await this.#checkVerdicts()
    }
  }

  /** Own audits go first: their time is short. Once for each tip. */
  async #checkVerdicts(): Promise<void> {
    const { height } = this.#node.chain.tip.header
    if (this.#abort.signal.aborted || this.#checkedHeight === height) return
    this.#checkedHeight = height
    try {
      await this.#verdicts.look(this.#followed.keys())
      await this.#plants.look(this.#followed.keys())
    } catch (error) {
      if (this.#abort.signal.aborted) return
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#node.log.error({ event: 'internal_error', error: text })
    }
  }

  async #audit(job: string, followed: Followed): Promise<void> {
    const { chain } = this.#node
    const jobId = hexToBytes(job)
    const unit = readAuditedUnit(chain.reader, jobId)
    if (unit === undefined) {
      // Ended, or its block has left: with another block it comes again.
      this.#followed.delete(job)
      return
    }
    const unitId = bytesToHex(unit.unitId)
    if (followed.unitId !== unitId)
      Object.assign(followed, { unitId, askedHeight: undefined, missedHeight: undefined, digests: undefined })
    const chosen = unit.isCondemned || this.#accuser.has(job) ? undefined : this.#choose(job, jobId, unit, followed)
    if (chosen === undefined) return
    if (followed.digests === undefined) await this.#ask(chosen)
    if (followed.digests !== undefined) this.#sayRight(chosen, followed.digests)
  }

  /** A unit that is chosen, and about which something can still be said. */
  #choose(job: string, jobId: Uint8Array, unit: AuditedUnit, followed: Followed): ChosenUnit | undefined {
    const { chain, context } = this.#node
    const { params } = context
    const { publicKey } = this.#agent.keys
    const { reader } = chain
    const height = chain.tip.header.height + 1
    const epoch = epochOf(params, unit.receiptHeight)
    const isLate = height >= epochWindows(params, epoch).revealFrom && height > lastChallengeHeight(params, unit)
    if (isLate || equalBytes(unit.minerKey, publicKey)) return undefined
    const secret = this.#secrets.of(epoch)
    if (secret === undefined || !wasSelected(params, reader, secret, unit)) return undefined
    if (readVerdicts(reader, jobId).some(({ verifier }) => equalBytes(verifier, publicKey))) return undefined
    const { model } = registeredModel(context, unit.modelId)
    return { job, jobId, unit, secret, followed, steps: auditedSteps(params, model.config, secret, unit) }
  }

  /** Once for each tip. */
  async #ask(chosen: ChosenUnit): Promise<void> {
    const { job, jobId, unit, secret, steps, followed } = chosen
    const { chain, log } = this.#node
    const { height } = chain.tip.header
    if (followed.askedHeight === height) return
    followed.askedHeight = height
    const asked = await this.#openings.ask(
      { id: jobId, minerKey: unit.minerKey },
      steps,
      receiptStepCheck(this.#node, jobId, unit),
      this.#abort.signal,
    )
    if (this.#abort.signal.aborted) return
    if (asked.outcome === 'right') {
      const drawn = asked.value.slice(FIXED_STEPS.length)
      followed.digests = verdictDigests(this.#agent.keys.publicKey, secret, unit, drawn)
      log.info({ event: 'audit', jobId: job, outcome: 'right', steps: steps.length })
    } else if (asked.outcome === 'fraud') {
      const { message, opening } = asked.fraud
      const isTaken = this.#accuser.accuse(job, unit, opening)
      log.warn({ event: 'audit', jobId: job, outcome: 'fraud', reason: message, isAccused: isTaken })
    } else if (asked.asked > 0) {
      followed.missedHeight ??= height
      log.warn({ event: 'audit', jobId: job, outcome: 'unanswered', reason: asked.reason })
      if (chain.tip.header.height - followed.missedHeight >= PATIENCE_BLOCKS) this.#challenge(chosen)
    }
  }

  #sayRight({ job, jobId, unit }: ChosenUnit, digests: readonly Uint8Array[]): void {
    const { chain, context } = this.#node
    const { publicKey } = this.#agent.keys
    const { revealFrom } = epochWindows(context.params, epochOf(context.params, unit.receiptHeight))
    if (chain.tip.header.height + 1 >= revealFrom) return
    this.#agent.want({
      key: `verdict/${job}`,
      body: { kind: 'verdict', jobId, digests },
      isOver: (state, tip) =>
        isMoot(state, jobId, unit) ||
        tip.header.height + 1 >= revealFrom ||
        readVerdicts(state, jobId).some(({ verifier }) => equalBytes(verifier, publicKey)),
    })
  }

  /** AUD-3: one step after the other, each once the last one has been answered, as often as one challenger may. */
  #challenge({ job, jobId, unit, steps }: ChosenUnit): void {
    const { chain, context, log } = this.#node
    const { params } = context
    const { publicKey } = this.#agent.keys
    const last = lastChallengeHeight(params, unit)
    const all = readChallenges(chain.reader, jobId)
    const own = all.filter(({ challenger }) => equalBytes(challenger, publicKey))
    if (chain.tip.header.height >= last || all.some(({ dueHeight }) => dueHeight > 0)) return
    if (own.length >= params.audits.maxChallengesPerUnit || all.length >= MAX_UNIT_CHALLENGES) return
    const drawn = steps.slice(FIXED_STEPS.length)
    const ref = drawn.find((step) => !all.some((each) => isSameStep(each.ref, step)))
    const bond = challengeBond(params, unit)
    if (ref === undefined) return
    if (this.#agent.spendable() < bond + params.fees.minTransactionGrains) {
      log.warn({ event: 'challenge_unaffordable', jobId: job, bondGrains: bond.toString() })
      return
    }
    this.#agent.want({
      key: `challenge/${job}/${own.length}`,
      body: { kind: 'challenge', jobId, ref, bond },
      isOver: (state, tip) =>
        isMoot(state, jobId, unit) ||
        tip.header.height >= last ||
        readChallenges(state, jobId).some((each) => isSameStep(each.ref, ref)),
    })
  }
}

/** Whether nothing more can be said about a unit: it has ended, is condemned, or the branch has another one in its place. */
function isMoot(reader: StateReader, jobId: Uint8Array, { unitId }: AuditedUnit): boolean {
  const now = readAuditedUnit(reader, jobId)
  return now === undefined || now.isCondemned || !equalBytes(now.unitId, unitId)
}
