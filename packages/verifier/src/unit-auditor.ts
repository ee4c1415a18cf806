/** Audits delivered units: which of them, which steps, and what is said about it on the chain (AUD-1 to AUD-5). */
import type { AccountAgent, FullNode, TreeNode } from '@nacre/node'
import {
  type AuditedUnit,
  auditedSteps,
  bytesToHex,
  decodeTransaction,
  deliveryId,
  epochOf,
  epochWindows,
  equalBytes,
  FIXED_STEPS,
  hexToBytes,
  isTransactionOfKind,
  lastChallengeHeight,
  readAuditedUnit,
  readVerdicts,
  registeredModel,
  verdictDigests,
  wasSelected,
} from '@nacre/protocol'
import { Accuser } from './accuser.ts'
import { atOnce } from './at-once.ts'
import { challengeUnit, isMoot, isSameDelivery, type UnopenedUnit } from './challenge-unit.ts'
import { EpochSecrets } from './epoch-secrets.ts'
import type { OpeningsSource } from './openings-source.ts'
import { PlantChecks } from './plant-checks.ts'
import { receiptStepCheck } from './receipt-step-check.ts'
import { VerdictChecks } from './verdict-checks.ts'

/** Delivered units that are followed at once; the oldest give way, and settle unaudited by this verifier. */
const MAX_UNITS = 4_096
/** Units asked for at once: a miner that does not answer holds up none of the others. */
const MAX_AT_ONCE = 4
/** So many tips after nobody had good openings the miner is asked on the chain, if nobody has them then either, */
const PATIENCE_TIPS = 2
/** and after so many even while peers may still answer. */
const MOST_PATIENCE_TIPS = 4

/** What this process knows of a delivered unit. */
interface Followed {
  /** Of the unit that the rest is about: a reorganisation may deliver another one for the job. */
  unit: AuditedUnit | undefined
  /** Height of the tip when its openings were asked for last. */
  askedHeight: number | undefined
  /** Tips looked at when they were asked for first, of those that nobody has brought yet. */
  missingSince: number | undefined
  /** Of a unit that is right in all audited steps. */
  digests: readonly Uint8Array[] | undefined
}

/** A unit that this verifier's secret has chosen. */
interface ChosenUnit extends UnopenedUnit {
  readonly secret: Uint8Array
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
 * keeps nothing that it could not find out again.
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
  #checking: Promise<void> | undefined
  #isStale = false
  /** Tips looked at so far, each higher than those before: while this node was cut off or behind, nobody could be asked. */
  #tips = 0
  #highest = 0
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
    await this.#checking
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
      this.#followed.set(job, { unit: undefined, askedHeight: undefined, missingSince: undefined, digests: undefined })
      if (this.#followed.size > MAX_UNITS) this.#followed.delete(this.#followed.keys().next().value!)
    }
  }

  #look(): void {
    if (this.#node.isSyncing) return
    this.#secrets.look()
    this.#accuser.look()
    const { height } = this.#node.chain.tip.header
    if (height > this.#highest) this.#tips++
    this.#highest = Math.max(this.#highest, height)
    this.#challengeOverdue()
    this.#isStale = true
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined
      if (this.#isStale && !this.#abort.signal.aborted) this.#look()
    })
  }

  async #work(): Promise<void> {
    while (this.#isStale && !this.#abort.signal.aborted) {
      this.#isStale = false
      const inTurn = [...this.#followed].sort(([, a], [, b]) => (a.askedHeight ?? -1) - (b.askedHeight ?? -1))
      await atOnce(inTurn, MAX_AT_ONCE, async ([job, followed]) => {
        // With a new tip the order is another one: units that nobody opens must not keep newer ones waiting, nor these them.
        if (this.#abort.signal.aborted || this.#isStale) return
        await this.#audit(job, followed).catch((error: unknown) => this.#onError(error, job))
      })
      this.#checking ??= this.#checkVerdicts().finally(() => {
        this.#checking = undefined
      })
    }
  }

  /** Once for each tip, unless it takes longer: own audits do not wait for it, their time is short. */
  async #checkVerdicts(): Promise<void> {
    const { height } = this.#node.chain.tip.header
    if (this.#abort.signal.aborted || this.#checkedHeight === height) return
    this.#checkedHeight = height
    try {
      await this.#verdicts.look(this.#followed.keys())
      await this.#plants.look(this.#followed.keys())
    } catch (error) {
      this.#onError(error)
    }
  }

  #onError(error: unknown, jobId?: string): void {
    if (this.#abort.signal.aborted) return
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#node.log.error({ event: 'internal_error', jobId, error: text })
  }

  async #audit(job: string, followed: Followed): Promise<void> {
    const chosen = this.#chosen(job, followed)
    if (chosen === undefined) return
    if (followed.digests === undefined) await this.#ask(chosen)
    if (followed.digests !== undefined && isSameDelivery(followed.unit!, chosen.unit))
      this.#sayRight(chosen, followed.digests)
  }

  /** Peers that are silent, as many as they like, must not use up the time in which a unit can be challenged. */
  #challengeOverdue(): void {
    for (const [job, followed] of this.#followed) {
      const { missingSince } = followed
      if (missingSince === undefined || this.#tips - missingSince < MOST_PATIENCE_TIPS) continue
      const chosen = this.#chosen(job, followed)
      if (chosen !== undefined) challengeUnit(this.#node, this.#agent, chosen)
    }
  }

  /** The unit of a job as the state has it now, if there is something to be found out about it. */
  #chosen(job: string, followed: Followed): ChosenUnit | undefined {
    const jobId = hexToBytes(job)
    const unit = readAuditedUnit(this.#node.chain.reader, jobId)
    if (unit === undefined) {
      // Ended, or its block has left: with another block it comes again.
      this.#followed.delete(job)
      return undefined
    }
    if (followed.unit === undefined || !isSameDelivery(followed.unit, unit))
      Object.assign(followed, { unit, askedHeight: undefined, missingSince: undefined, digests: undefined })
    return unit.isCondemned || this.#accuser.has(job) ? undefined : this.#choose(job, jobId, unit, followed)
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
    const { chain, log, network } = this.#node
    const { height } = chain.tip.header
    if (followed.askedHeight === height) return
    followed.askedHeight = height
    if (network.peers().length > 0) followed.missingSince ??= this.#tips
    const asked = await this.#openings.ask(
      { id: jobId, minerKey: unit.minerKey },
      steps,
      receiptStepCheck(this.#node, jobId, unit),
      this.#abort.signal,
    )
    // Meanwhile another unit may have been delivered for the job, or this one in another epoch.
    const now = readAuditedUnit(chain.reader, jobId)
    const isThere = (each: AuditedUnit | undefined): boolean => each !== undefined && isSameDelivery(each, unit)
    if (this.#abort.signal.aborted || !isThere(now) || !isThere(followed.unit)) return
    if (asked.outcome === 'right') {
      const drawn = asked.value.slice(FIXED_STEPS.length)
      followed.digests = verdictDigests(this.#agent.keys.publicKey, secret, unit, drawn)
      followed.missingSince = undefined
      log.info({ event: 'audit', jobId: job, outcome: 'right', steps: steps.length })
    } else if (asked.outcome === 'fraud') {
      const { message, opening } = asked.fraud
      const isTaken = this.#accuser.accuse(job, unit, opening)
      log.warn({ event: 'audit', jobId: job, outcome: 'fraud', reason: message, isAccused: isTaken })
    } else if (asked.asked > 0) {
      log.warn({ event: 'audit', jobId: job, outcome: 'unanswered', reason: asked.reason })
      if (this.#tips - (followed.missingSince ?? this.#tips) >= PATIENCE_TIPS)
        challengeUnit(this.#node, this.#agent, chosen)
    }
  }

  #sayRight({ job, jobId, unit }: ChosenUnit, digests: readonly Uint8Array[]): void {
    const { chain, context } = this.#node
    const { publicKey } = this.#agent.keys
    const { revealFrom } = epochWindows(context.params, epochOf(context.params, unit.receiptHeight))
    if (chain.tip.header.height + 1 >= revealFrom) return
    this.#agent.want({
      key: `verdict/${job}`,
      body: { kind: 'verdict', jobId, delivery: deliveryId(unit), digests },
      isOver: (state, tip) =>
        isMoot(state, jobId, unit) ||
        tip.header.height + 1 >= revealFrom ||
        readVerdicts(state, jobId).some(({ verifier }) => equalBytes(verifier, publicKey)),
    })
  }
}
