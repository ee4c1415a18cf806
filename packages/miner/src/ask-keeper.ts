/** Keeps a miner's asks in the books of the models that it runs (ECO-7). */
import type { AccountAgent, FullNode } from '@nacre/node'
import {
  type Ask,
  displacedBy,
  equalBytes,
  hexToBytes,
  isActiveMiner,
  readAsks,
  readPendingAsks,
  type StandingAsk,
  type StateReader,
  weightAt,
} from '@nacre/protocol'

export interface AskOptions {
  readonly node: FullNode
  readonly agent: AccountAgent
  /** Grains per 10^9 output MACs; at least 1. */
  readonly priceGrains: bigint
  /** MACs that this miner executes per block. */
  readonly capacityMacs: bigint
}

/** How one model's ask stands. */
export interface AskView {
  readonly model: string
  /**
   * `standing`: in the book. `pending`: in a block, takes effect at a later height. `waiting`: to be sent, or on its way into a block.
   * `unregistered`: only registered miners ask. `book-full`: a full book would not take it.
   */
  readonly state: 'standing' | 'pending' | 'waiting' | 'unregistered' | 'book-full'
  readonly priceGrains: string
  readonly capacityMacs: string
}

/**
 * Posts the ask for each registered model, and again when it is lost: a newcomer that did not deliver loses it, a cheaper one pushes it
 * out of a full book, and an older price of this key is replaced. It withdraws nothing when the process ends.
 */
export class AskKeeper {
  readonly #options: AskOptions
  #unsubscribe: (() => void) | undefined

  constructor(options: AskOptions) {
    this.#options = options
  }

  start(): void {
    this.#unsubscribe ??= this.#options.node.events.on('tip', () => this.#look())
    this.#look()
  }

  stop(): void {
    this.#unsubscribe?.()
  }

  get view(): readonly AskView[] {
    const { priceGrains, capacityMacs, node } = this.#options
    const { reader } = node.chain
    return node.context.params.models.map(({ name, modelId }) => ({
      model: name,
      state: this.#state(reader, modelId),
      priceGrains: priceGrains.toString(),
      capacityMacs: capacityMacs.toString(),
    }))
  }

  #look(): void {
    const { node, agent, priceGrains, capacityMacs } = this.#options
    if (node.isSyncing) return
    const { reader } = node.chain
    for (const { modelId } of node.context.params.models) {
      if (this.#state(reader, modelId) !== 'waiting') continue
      const body: Ask = { kind: 'ask', modelId: hexToBytes(modelId), price: priceGrains, capacityMacs }
      agent.want({ key: `ask/${modelId}`, body, isOver: (state) => this.#state(state, modelId) !== 'waiting' })
    }
  }

  #state(reader: StateReader, modelId: string): AskView['state'] {
    const { node, agent } = this.#options
    if (!isActiveMiner(reader, agent.keys.publicKey)) return 'unregistered'
    const { maxAsksPerModel } = node.context.params.jobs
    if (this.#isPending(reader, modelId)) return 'pending'
    const asks = readAsks(reader, modelId)
    const own = asks.find(({ minerKey }) => equalBytes(minerKey, agent.keys.publicKey))
    if (own !== undefined) return this.#isAsWanted(own) ? 'standing' : 'waiting'
    return asks.length >= maxAsksPerModel && !this.#isTaken(reader, asks) ? 'book-full' : 'waiting'
  }

  /** Whether a full book would take the ask in place of another (ECO-7). */
  #isTaken(reader: StateReader, asks: readonly StandingAsk[]): boolean {
    const { node, agent, priceGrains, capacityMacs } = this.#options
    const { height } = node.chain.tip.header
    const ask = { minerKey: agent.keys.publicKey, price: priceGrains, capacityMacs }
    return displacedBy(asks, ask, (key) => weightAt(node.context.params, reader, key, height) > 0n) !== undefined
  }

  /** Of several pending ones the last decides. */
  #isPending(reader: StateReader, modelId: string): boolean {
    const { node, agent } = this.#options
    const { height } = node.chain.tip.header
    const model = hexToBytes(modelId)
    for (let at = height + node.context.params.jobs.askDelayBlocks; at > height; at--) {
      const own = readPendingAsks(reader, at).findLast(
        (ask) => equalBytes(ask.minerKey, agent.keys.publicKey) && equalBytes(ask.modelId, model),
      )
      if (own !== undefined) return this.#isAsWanted(own)
    }
    return false
  }

  #isAsWanted({ price, capacityMacs }: Pick<StandingAsk, 'price' | 'capacityMacs'>): boolean {
    return price === this.#options.priceGrains && capacityMacs === this.#options.capacityMacs
  }
}
