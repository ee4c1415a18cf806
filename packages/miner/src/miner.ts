import { type AccountAgent, type FullNode, NodeError, sleep } from '@nacre/node'
import {
  type Ancestry,
  bootstrapTask,
  bytesToHex,
  encodeTransaction,
  type KeyPair,
  LANE_BOOTSTRAP,
  registeredModel,
  requiredBits,
  signTransaction,
  targetFromBits,
  ticketMacs,
  ticketThreshold,
  type UnitDescriptor,
  type UnitTask,
  unitId,
} from '@nacre/protocol'
import { BlockMaker } from './block-maker.ts'
import type { OpenLane } from './open-lane.ts'
import { PaidLane, type PaidUnit } from './paid-lane.ts'
import type { Plants } from './plants.ts'
import { reportEquivocation } from './report-equivocation.ts'
import type { TraceFiles } from './trace-files.ts'
import type { TraceShelf } from './trace-shelf.ts'
import type { UnitRunner } from './unit-runner.ts'

export interface MinerOptions {
  readonly node: FullNode
  readonly runner: UnitRunner
  readonly keys: KeyPair
  /** Sends receipts and reports: the only user of `keys` for transactions. */
  readonly agent: AccountAgent
  readonly shelf: TraceShelf
  /** Traces of delivered units on disk. */
  readonly files?: TraceFiles | undefined
  /** Part of the time spent on units that nobody asked for, in (0, 1]: several miners can share a machine. Paid jobs are executed at once. */
  readonly dutyCycle: number
  /** Units at once: as many as the runner has threads keep all of them busy. Default 1. */
  readonly unitsInFlight?: number
  /** Under provenance `open`: what draws instead of bootstrap units (chapter 12). */
  readonly open?: OpenLane
  /** Planted faults among its paid units (AUD-8). */
  readonly plants?: Plants | undefined
}

export interface MinerStats {
  units: number
  /** Of the units: those of paid jobs. */
  paidUnits: number
  tokens: number
  tickets: number
  blocks: number
  /** Assigned jobs whose receipt is on the chain, and those whose window passed without. */
  jobsDelivered: number
  jobsMissed: number
}

/** Longest pause between two looks at a chain that cannot be mined on. */
const IDLE_MS = 250

/** Runs the jobs assigned to it, and bootstrap units on the tip, some at a time, and turns a winning one into a block. */
export class Miner {
  readonly #stats = { units: 0, paidUnits: 0, tokens: 0, tickets: 0, blocks: 0 }
  readonly #options: MinerOptions
  readonly #abort = new AbortController()
  readonly #blocks: BlockMaker
  readonly #paid: PaidLane
  #counter: number
  /** Undefined before the first unit. */
  #fastestUnitMs: number | undefined
  #loop: Promise<void> | undefined
  #unsubscribe: (() => void) | undefined

  constructor(options: MinerOptions) {
    if (!(options.dutyCycle > 0 && options.dutyCycle <= 1))
      throw new NodeError('CONFIG', 'the duty cycle is a number above 0 and at most 1')
    const { node, keys, shelf, agent, unitsInFlight = 1 } = options
    if (!Number.isInteger(unitsInFlight) || unitsInFlight < 1)
      throw new NodeError('CONFIG', 'units in flight are counted from 1')
    this.#options = options
    // A random start, so that a restarted miner does not run units again that it ran before (B5).
    this.#counter = node.random.below(2 ** 32)
    const maxReceiptBytes = largestReceiptBytes(node.context.params.units.maxNewTokens, keys)
    const onBest = (): void => {
      this.#stats.blocks++
    }
    this.#blocks = new BlockMaker({ node, keys, shelf, signal: this.#abort.signal, maxReceiptBytes, onBest })
    this.#paid = new PaidLane({ node, keys, agent, shelf, files: options.files, plants: options.plants })
  }

  get stats(): MinerStats {
    return { ...this.#stats, ...this.#paid.stats }
  }

  start(): void {
    if (this.#loop !== undefined) return
    const { node, agent } = this.#options
    this.#unsubscribe = node.events.on('equivocation', ({ evidence }) => reportEquivocation(agent, evidence))
    this.#paid.start()
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    this.#paid.stop()
    this.#abort.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { unitsInFlight = 1 } = this.#options
    await this.#blocks.takeUpLastSigned()
    await Promise.all(Array.from({ length: unitsInFlight }, () => this.#mine()))
  }

  /** One unit after the other until the miner stops. Somebody waits for paid ones: they go first. */
  async #mine(): Promise<void> {
    const { node, dutyCycle, open } = this.#options
    const { signal } = this.#abort
    const { network } = node.context.params
    const launchMs = network.genesisTimeMs + network.launchDelayMs
    while (!signal.aborted) {
      const nowMs = node.clock.nowMs()
      if (nowMs < launchMs || node.isSyncing) {
        await sleep(node.clock, nowMs < launchMs ? Math.min(IDLE_MS, launchMs - nowMs) : IDLE_MS, signal)
        continue
      }
      const paid = this.#paid.take()
      try {
        if (paid !== undefined) await this.#minePaid(paid, signal)
        else if (open !== undefined) await this.#mineOpen(open, signal)
        else await this.#mineBootstrap(signal)
      } catch (error) {
        if (signal.aborted) return
        const message = error instanceof Error ? error.message : String(error)
        node.log.error({ event: 'unit_failed', jobId: paid?.jobId, error: message })
        await sleep(node.clock, IDLE_MS, signal)
      }
      if (paid === undefined) await this.#rest(this.#workedMs(node.clock.nowMs() - nowMs) * (1 / dutyCycle - 1), signal)
    }
  }

  /**
   * What a unit costs by the clock: the first one, which starts the engine, nothing, and none more than twice the fastest, because the
   * rest was spent waiting for the processor.
   */
  #workedMs(elapsedMs: number): number {
    const fastestMs = this.#fastestUnitMs
    this.#fastestUnitMs = fastestMs === undefined ? Number.POSITIVE_INFINITY : Math.min(fastestMs, elapsedMs)
    return fastestMs === undefined ? 0 : Math.min(elapsedMs, 2 * this.#fastestUnitMs)
  }

  /** Until the time is over, or somebody waits for a paid unit. */
  async #rest(restMs: number, signal: AbortSignal): Promise<void> {
    const { node } = this.#options
    const wake = new AbortController()
    // The paid lane has followed the tip before.
    const unsubscribe = node.events.on('tip', () => {
      if (this.#paid.hasWork) wake.abort()
    })
    try {
      await sleep(node.clock, restMs, AbortSignal.any([signal, wake.signal]))
    } finally {
      unsubscribe()
    }
  }

  async #mineBootstrap(signal: AbortSignal): Promise<void> {
    const { node, runner, keys } = this.#options
    const { context, chain } = node
    const parent = chain.tip
    const ancestry = chain.ancestry(parent)
    const unit: UnitDescriptor = {
      lane: LANE_BOOTSTRAP,
      modelId: context.bootstrap.model.modelId,
      parentId: parent.id,
      jobId: new Uint8Array(32),
      counter: this.#nextCounter(),
    }
    const { bindings } = context.params
    const id = unitId(unit, keys.publicKey, bindings.singleUse)
    const task = bootstrapTask(context.params, id, context.bootstrap.corpus)
    const startMs = node.clock.nowMs()
    const running = runner.runUnit(this.#draw(unit, task, ancestry), signal)
    // While the unit runs elsewhere: after a win every millisecond is a chance for others.
    void this.#blocks.select('bootstrap', parent, ancestry)
    const { tokens, tickets, won } = await running
    this.#count(id, tokens.length - task.promptTokens.length, tickets, won !== undefined, startMs)
    if (won !== undefined) await this.#blocks.publish({ parent, ancestry, unit, task, tokens, won })
  }

  async #mineOpen(open: OpenLane, signal: AbortSignal): Promise<void> {
    const { chain, clock } = this.#options.node
    const parent = chain.tip
    const ancestry = chain.ancestry(parent)
    const startMs = clock.nowMs()
    const running = open.draw(parent.id, ancestry, signal)
    void this.#blocks.select('bootstrap', parent, ancestry)
    const { unit, id, newTokens, tickets, won } = await running
    this.#count(id, newTokens, tickets, won !== undefined, startMs)
    if (won !== undefined) await this.#blocks.publish({ parent, ancestry, unit, tokens: [], won })
  }

  async #minePaid(paid: PaidUnit, signal: AbortSignal): Promise<void> {
    const { node } = this.#options
    const { keys } = this.#options
    const startMs = node.clock.nowMs()
    try {
      const { tokens, tickets, won } = await this.#executePaid(paid, signal)
      const id = unitId(paid.unit, keys.publicKey, node.context.params.bindings.singleUse)
      this.#count(id, tokens.length - paid.task.promptTokens.length, tickets, won, startMs)
      this.#stats.paidUnits++
    } catch (error) {
      this.#paid.failed(paid)
      throw error
    } finally {
      this.#paid.deliver()
    }
  }

  async #executePaid(paid: PaidUnit, signal: AbortSignal) {
    const { node, runner, agent } = this.#options
    const { drawsOn: parent, unit, task } = paid
    if (parent === undefined) {
      const { tokens, traceRoot, trace } = await runner.executeUnit(unit.modelId, task, signal)
      this.#paid.executed(paid, tokens, traceRoot, trace)
      return { tokens, tickets: 0, won: false }
    }
    const ancestry = node.chain.ancestry(parent)
    const running = runner.runUnit({ ...this.#draw(unit, task, ancestry), wantTrace: true }, signal)
    void this.#blocks.select('paid', parent, ancestry)
    const { tokens, tickets, traceRoot, won, trace } = await running
    this.#paid.executed(paid, tokens, traceRoot, trace!)
    if (won !== undefined && node.chain.tip === parent) {
      const receipt = agent.signForBlock(this.#paid.receiptOf(paid))
      await this.#blocks.publish({ parent, ancestry, unit, tokens, won, task, receipt })
    }
    return { tokens, tickets, won: won !== undefined }
  }

  #count(id: Uint8Array, newTokens: number, tickets: number, won: boolean, startMs: number): void {
    const { events, clock } = this.#options.node
    this.#stats.units++
    this.#stats.tokens += newTokens
    this.#stats.tickets += tickets
    events.emit('unit', {
      unitId: bytesToHex(id),
      tokens: newTokens,
      tickets,
      won,
      unitMs: clock.nowMs() - startMs,
    })
  }

  #nextCounter(): number {
    const counter = this.#counter
    this.#counter = (counter + 1) >>> 0
    return counter
  }

  /** A unit with its lottery in the block after the ancestry's last. */
  #draw(unit: UnitDescriptor, task: UnitTask, ancestry: Ancestry) {
    const { node, keys } = this.#options
    const { context } = node
    const { model, params } = registeredModel(context, unit.modelId)
    const { bindings } = context.params
    const target = targetFromBits(requiredBits(context, ancestry))
    const threshold = ticketThreshold(target, ticketMacs(context.params, unit.lane, model.config, params))
    return {
      modelId: unit.modelId,
      task,
      unitId: unitId(unit, keys.publicKey, bindings.singleUse),
      counter: unit.counter,
      bindings,
      minerKey: keys.publicKey,
      parentBeacon: ancestry.recent.at(-1)!.beacon,
      threshold,
    }
  }
}

/** Encoded bytes of a receipt with so many tokens. */
function largestReceiptBytes(tokens: number, keys: KeyPair): number {
  const zero = new Uint8Array(32)
  const body = {
    kind: 'receipt',
    jobId: zero,
    unitParentId: zero,
    traceRoot: zero,
    tokens: Array(tokens).fill(0),
  } as const
  return encodeTransaction(signTransaction({ chainId: zero, nonce: 0n, fee: 0n, body }, keys)).length
}
