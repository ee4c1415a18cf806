import { type FullNode, NetworkError, NodeError, type OfferResult, sleep, type TreeNode } from '@nacre/node'
import {
  type Ancestry,
  assembleBlock,
  type Block,
  blockCodec,
  blockId,
  bootstrapTask,
  bytesToHex,
  equalBytes,
  type KeyPair,
  LANE_BOOTSTRAP,
  medianTimePast,
  ProtocolError,
  requiredBits,
  targetFromBits,
  ticketMacs,
  ticketThreshold,
  type UnitDescriptor,
  unitId,
} from '@nacre/protocol'
import { reportEquivocation } from './report-equivocation.ts'
import { BlockSelection } from './select-transactions.ts'
import type { TraceShelf } from './trace-shelf.ts'
import type { UnitOutcome, UnitRunner } from './unit-runner.ts'

export interface MinerOptions {
  readonly node: FullNode
  readonly runner: UnitRunner
  readonly keys: KeyPair
  readonly shelf: TraceShelf
  /** Part of the time spent on units, in (0, 1]: several miners can share a machine. */
  readonly dutyCycle: number
  /** Units at once: as many as the runner has threads keep all of them busy. Default 1. */
  readonly unitsInFlight?: number
}

export interface MinerStats {
  units: number
  tokens: number
  tickets: number
  blocks: number
}

/** Longest pause between two looks at a chain that cannot be mined on. */
const IDLE_MS = 250
/** How often a won block is offered while the node is busy, and the pause before the next time: two seconds of work lost at most. */
const OFFER_ATTEMPTS = 8
const OFFER_RETRY_MS = 250
/** Note in the store: the last block this miner signed (BLK-3). */
const LAST_SIGNED = 'miner/last-signed'

/** Runs bootstrap units on the tip, some at a time, and turns a winning one into a block. */
export class Miner {
  readonly stats: MinerStats = { units: 0, tokens: 0, tickets: 0, blocks: 0 }
  readonly #options: MinerOptions
  readonly #abort = new AbortController()
  /** What the next block will contain, as far as it is known, and the tip that it builds on. */
  #selected: { readonly parent: TreeNode; readonly selection: BlockSelection } | undefined
  #isSelecting = false
  /** The parent of the block that is being published: a second one on it would only compete with the first. */
  #publishedOn: TreeNode | undefined
  #counter: number
  #loop: Promise<void> | undefined
  #unsubscribe: (() => void) | undefined

  constructor(options: MinerOptions) {
    if (!(options.dutyCycle > 0 && options.dutyCycle <= 1))
      throw new NodeError('CONFIG', 'the duty cycle is a number above 0 and at most 1')
    const { unitsInFlight = 1 } = options
    if (!Number.isInteger(unitsInFlight) || unitsInFlight < 1)
      throw new NodeError('CONFIG', 'units in flight are counted from 1')
    this.#options = options
    // A random start, so that a restarted miner does not run units again that it ran before (B5).
    this.#counter = options.node.random.below(2 ** 32)
  }

  start(): void {
    if (this.#loop !== undefined) return
    const { node, keys } = this.#options
    this.#unsubscribe = node.events.on('equivocation', ({ evidence }) => void reportEquivocation(node, keys, evidence))
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    this.#abort.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { unitsInFlight = 1 } = this.#options
    await this.#takeUpLastSigned()
    await Promise.all(Array.from({ length: unitsInFlight }, () => this.#mine()))
  }

  /** One unit after the other until the miner stops. */
  async #mine(): Promise<void> {
    const { node, dutyCycle } = this.#options
    const { signal } = this.#abort
    const { network } = node.context.params
    const launchMs = network.genesisTimeMs + network.launchDelayMs
    while (!signal.aborted) {
      const nowMs = node.clock.nowMs()
      if (nowMs < launchMs || node.isSyncing) {
        await sleep(node.clock, nowMs < launchMs ? Math.min(IDLE_MS, launchMs - nowMs) : IDLE_MS, signal)
        continue
      }
      try {
        await this.#mineOne(signal)
      } catch (error) {
        if (signal.aborted) return
        const message = error instanceof Error ? error.message : String(error)
        node.log.error({ event: 'unit_failed', error: message })
        await sleep(node.clock, IDLE_MS, signal)
      }
      const busyMs = node.clock.nowMs() - nowMs
      await sleep(node.clock, busyMs * (1 / dutyCycle - 1), signal)
    }
  }

  async #mineOne(signal: AbortSignal): Promise<void> {
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
    const id = unitId(unit, keys.publicKey)
    const task = bootstrapTask(context.params, id, context.bootstrap.corpus)
    const threshold = this.#threshold(ancestry)
    const startMs = node.clock.nowMs()
    const running = runner.runUnit(
      { task, unitId: id, minerKey: keys.publicKey, parentBeacon: parent.header.beacon, threshold },
      signal,
    )
    // While the unit runs elsewhere: after a win every millisecond is a chance for others.
    void this.#select(parent, ancestry, signal)
    const outcome = await running
    this.stats.units++
    this.stats.tokens += outcome.tokens.length - task.promptTokens.length
    this.stats.tickets += outcome.tickets
    node.events.emit('unit', {
      unitId: bytesToHex(id),
      tokens: outcome.tokens.length - task.promptTokens.length,
      tickets: outcome.tickets,
      won: outcome.won !== undefined,
      unitMs: node.clock.nowMs() - startMs,
    })
    if (outcome.won === undefined || chain.tip !== parent || this.#publishedOn === parent) return
    this.#publishedOn = parent
    try {
      await this.#publish(parent, ancestry, unit, outcome)
    } finally {
      this.#publishedOn = undefined
    }
  }

  /** Adds what waits now to the selection for the block after `parent`; starts afresh after a change of the tip. */
  async #select(parent: TreeNode, ancestry: Ancestry, signal: AbortSignal): Promise<void> {
    const { node, keys } = this.#options
    // One that goes on since an earlier unit notices a new tip itself; the next unit starts the next one.
    if (this.#isSelecting) return
    this.#isSelecting = true
    try {
      if (this.#selected?.parent !== parent) {
        this.#selected = undefined
        const { reader } = node.chain.tipState()
        const base = {
          height: parent.header.height + 1,
          parentId: parent.id,
          bits: requiredBits(node.context, ancestry),
          minerKey: keys.publicKey,
        }
        const selection = new BlockSelection(node.context, base, node.mempool, reader)
        this.#selected = { parent, selection }
      }
      for (const _ of this.#selected.selection.extend()) {
        await sleep(node.clock, 0, signal)
        if (signal.aborted || node.chain.tip !== parent) return
      }
    } catch (error) {
      node.log.error({ event: 'selection_failed', error: error instanceof Error ? error.message : String(error) })
    } finally {
      this.#isSelecting = false
    }
  }

  #nextCounter(): number {
    const counter = this.#counter
    this.#counter = (counter + 1) >>> 0
    return counter
  }

  #threshold(ancestry: Ancestry): bigint {
    const { context } = this.#options.node
    const { model, params: modelParams } = context.bootstrap
    const target = targetFromBits(requiredBits(context, ancestry))
    return ticketThreshold(target, ticketMacs(context.params, LANE_BOOTSTRAP, model.config, modelParams))
  }

  async #publish(parent: TreeNode, ancestry: Ancestry, unit: UnitDescriptor, outcome: UnitOutcome): Promise<void> {
    const { node, keys, shelf } = this.#options
    const { context, chain } = node
    const medianMs = medianOf(ancestry)
    const timeMs = Math.max(node.clock.nowMs(), medianMs + 1)
    const { reader, ltHash } = chain.tipState()
    // Whatever is chosen by now: an empty block is better than a late one.
    const transactions = this.#selected?.parent === parent ? this.#selected.selection.transactions : []
    const { trace, traceRoot, ticket, proof } = outcome.won!
    const won = { unit, tokens: outcome.tokens, traceRoot, ticket, proof }
    const block = this.#signOnce(unit, () =>
      assembleBlock({ context, ancestry, timeMs, won, transactions, reader, ltHash, keys }),
    )
    shelf.put(blockId(block.header), trace)
    await this.#offer(block)
  }

  /** Publishes a block. While the node is busy it waits and tries again: a won block is worth too much to be dropped. */
  async #offer(block: Block): Promise<void> {
    const { node } = this.#options
    const { height } = block.header
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await this.#offerOnce(block)
        if (result === 'best') this.stats.blocks++
        node.log.info({ event: 'block_won', height, id: bytesToHex(blockId(block.header)), result })
        return
      } catch (error) {
        if (!(error instanceof ProtocolError || error instanceof NodeError || error instanceof NetworkError))
          throw error
        const isRetried = error.code === 'BUSY' && attempt < OFFER_ATTEMPTS && this.#isWanted(block)
        node.log.warn({ event: 'own_block_refused', height, code: error.code, error: error.message, isRetried })
        if (!isRetried) return
      }
      await sleep(node.clock, OFFER_RETRY_MS, this.#abort.signal)
      if (this.#abort.signal.aborted) return
    }
  }

  async #offerOnce(block: Block): Promise<OfferResult> {
    const { node } = this.#options
    const { chain } = node
    const id = blockId(block.header)
    // A chain that was busy before may have kept the block without validating it; then it must only be told to go on.
    if (chain.tree.get(id) !== undefined && equalBytes(chain.tip.id, block.header.parentId)) await chain.resume()
    const result = await node.publishBlock(block)
    return result === 'known' && equalBytes(chain.tip.id, id) ? 'best' : result
  }

  /** Whether a block that the node was too busy for still helps anybody: its parent or itself is the tip, or nobody knows it. */
  #isWanted({ header }: Block): boolean {
    const { chain } = this.#options.node
    const node = chain.tree.get(blockId(header))
    return node === undefined || equalBytes(chain.tip.id, header.parentId) || chain.isOnBestChain(node)
  }

  /** A block that was signed but never published, because the process died in between, is still worth its work. */
  async #takeUpLastSigned(): Promise<void> {
    const { node, keys } = this.#options
    const note = node.store.note(LAST_SIGNED)
    if (note === undefined) return
    const block = blockCodec.decode(note.subarray(32))
    const { header } = block
    const isOurs = equalBytes(header.minerKey, keys.publicKey)
    if (isOurs && equalBytes(header.parentId, node.chain.tip.id)) await this.#offer(block)
  }

  /** BLK-3: a miner persists what it signs, and never signs two headers for one unit, not even after a crash. */
  #signOnce(unit: UnitDescriptor, build: () => Block): Block {
    const { store } = this.#options.node
    const id = unitId(unit, this.#options.keys.publicKey)
    const note = store.note(LAST_SIGNED)
    if (note !== undefined && equalBytes(note.subarray(0, 32), id)) return blockCodec.decode(note.subarray(32))
    const block = build()
    const bytes = blockCodec.encode(block)
    const record = new Uint8Array(32 + bytes.length)
    record.set(id)
    record.set(bytes, 32)
    store.setNote(LAST_SIGNED, record)
    return block
  }
}

function medianOf(ancestry: Ancestry): number {
  return medianTimePast(ancestry.recent.map((header) => header.timeMs))
}
