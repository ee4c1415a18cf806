import {
  type ApplyContext,
  type Block,
  type BlockHeader,
  blockCodec,
  blockId,
  bytesToHex,
  type ConsensusContext,
  equalBytes,
  type KeyPair,
  ProtocolError,
} from '@nacre/protocol'
import { Announcer } from './announcer.ts'
import type { TreeNode } from './chain/block-tree.ts'
import { Chain, type OfferResult, type TipEvent } from './chain/chain.ts'
import { SiblingWatch } from './chain/sibling-watch.ts'
import { NodeError } from './errors.ts'
import { EventHub } from './events.ts'
import { MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, REQUEST_TIMEOUT_MS } from './limits-chain.ts'
import { beginNextBlock } from './market/next-block.ts'
import { type Added, Mempool } from './mempool.ts'
import {
  decodeBlocksRequest,
  decodeHeadersRequest,
  decodeStatus,
  encodeByteList,
  encodeStatus,
  REQUEST,
  type StatusMessage,
} from './messages.ts'
import { type MinerClaim, MinerClaims, signMinerClaim } from './miner-claims.ts'
import { WorkWatch } from './monitor/work-watch.ts'
import type { Clock } from './ports/clock.ts'
import type { Logger } from './ports/log.ts'
import type { GossipVerdict, Network, PeerName } from './ports/network.ts'
import type { Random } from './ports/random.ts'
import { BLOCK_STATUS, type ChainStore } from './ports/store.ts'
import type { BlockWorkers } from './ports/workers.ts'
import { OrphanPool } from './sync/orphans.ts'
import { blocksById, headersAfter } from './sync/serve.ts'
import { Sync } from './sync/sync.ts'

/** Score lost by a peer whose status is malformed or claims a miner that it is not, or whose orphan turned out to be provably bad. */
const BAD_DATA_POINTS = 50

export interface NodeOptions {
  readonly context: ConsensusContext
  readonly network: Network
  readonly store: ChainStore
  readonly workers: BlockWorkers
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Of the miner that runs on this node: they sign what tells peers whom to ask for openings, and are not kept. */
  readonly minerKeys?: KeyPair
}

/** Connected peers, by whether they run a miner. */
export interface PeersFor {
  /** Those that have proven it (NET-6). */
  readonly miners: readonly PeerName[]
  readonly others: readonly PeerName[]
}

/**
 * A full node: everything between the network and the chain. It validates every block completely (header, ticket proof,
 * state, re-execution), whatever role runs on top of it.
 */
export class FullNode {
  readonly context: ConsensusContext
  readonly chain: Chain
  readonly mempool: Mempool
  readonly #announcer: Announcer
  readonly events: EventHub = new EventHub()
  /** What the work of the best chain looks like. */
  readonly work: WorkWatch
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly store: ChainStore
  readonly #minerClaim: MinerClaim | undefined
  readonly #orphans = new OrphanPool()
  readonly #siblings: SiblingWatch
  readonly #sync: Sync
  /** Peers with a block that waits for re-execution and whose miner has nothing at stake (BLK-4): one each. */
  readonly #pendingOthers = new Set<PeerName>()
  readonly #claims: MinerClaims
  readonly #stops: (() => void)[] = []
  #stopped = false
  #next: { readonly tip: TreeNode; readonly context: ApplyContext } | undefined

  constructor(options: NodeOptions) {
    this.context = options.context
    this.network = options.network
    this.clock = options.clock
    this.random = options.random
    this.log = options.log
    this.store = options.store
    const { chainId } = options.context.genesis
    const { minerKeys, network } = options
    this.#minerClaim = minerKeys && signMinerClaim(chainId, network.self, minerKeys)
    this.#claims = new MinerClaims(chainId)
    this.chain = new Chain(options)
    this.mempool = new Mempool(options.context)
    this.#announcer = new Announcer({ network: options.network, mempool: this.mempool, clock: options.clock })
    this.#siblings = new SiblingWatch(options.context.params.bindings)
    this.work = new WorkWatch({ chain: this.chain, events: this.events, log: options.log })
    this.#sync = new Sync({ chain: this.chain, network: options.network, clock: options.clock, log: options.log })
  }

  /** Takes up interrupted work, then joins the network. */
  async start(): Promise<void> {
    this.#stops.push(this.chain.onTip((event) => this.#onTip(event)))
    await this.chain.resume()
    this.work.follow()
    const { network } = this
    network.handle(REQUEST.status, async () => encodeStatus(this.status()), { maxRequestBytes: 1024 })
    network.handle(
      REQUEST.headers,
      async (_, bytes) => encodeByteList(headersAfter(this.chain, decodeHeadersRequest(bytes))),
      { maxRequestBytes: MAX_REQUEST_BYTES },
    )
    network.handle(
      REQUEST.blocks,
      async (_, bytes) => encodeByteList(blocksById(this.chain, this.store, decodeBlocksRequest(bytes))),
      { maxRequestBytes: MAX_REQUEST_BYTES },
    )
    network.subscribe('block', (from, bytes) => this.#onGossipBlock(from, bytes))
    network.subscribe('transaction', async (from, bytes) => this.#onGossipTransaction(from, bytes))
    this.#stops.push(
      network.onPeer((peer, event) => {
        if (event === 'connect') void this.#greet(peer)
        else this.#claims.forget(peer)
      }),
    )
    for (const peer of network.peers()) void this.#greet(peer)
    this.#scheduleGreeting()
  }

  status(): StatusMessage {
    const { tip } = this.chain
    return {
      chainId: this.context.genesis.chainId,
      height: tip.header.height,
      tip: tip.id,
      totalWork: tip.totalWork,
      minerClaim: this.#minerClaim,
    }
  }

  /** Whom to ask about the miner with this key. */
  peersFor(minerKey: Uint8Array): PeersFor {
    const peers = this.network.peers()
    const isMiner = (peer: PeerName): boolean => this.#claims.isMiner(peer, minerKey)
    return { miners: peers.filter(isMiner), others: peers.filter((peer) => !isMiner(peer)) }
  }

  /** True while fetched blocks that re-execute move the tip. */
  get isSyncing(): boolean {
    return this.#sync.isCatchingUp
  }

  /** Offers a block made here and gossips it once it is the best. Rejects like {@link Chain.offer}. */
  async publishBlock(block: Block): Promise<OfferResult> {
    const result = await this.chain.offer(block)
    await this.network.publish('block', blockCodec.encode(block))
    return result
  }

  /** Takes in a transaction from here and gossips it. Throws like {@link Mempool.add}. */
  async publishTransaction(bytes: Uint8Array): Promise<Uint8Array> {
    const { id, isNew } = this.#take(bytes)
    if (isNew) await this.#announcer.announce(id, bytes)
    return id
  }

  /** The block after the tip, begun: what transactions that wait are checked against. Of use until the tip changes. */
  nextBlock(): ApplyContext {
    const { tip, reader } = this.chain
    if (this.#next?.tip !== tip) this.#next = { tip, context: beginNextBlock(this.context, tip, reader) }
    return this.#next.context
  }

  /** Into the mempool; throws like {@link Mempool.add}. */
  #take(bytes: Uint8Array): Added {
    const added = this.mempool.add(bytes, this.chain.reader, this.nextBlock())
    if (added.receiptOf !== undefined) this.events.emit('receipt', { jobId: added.receiptOf })
    return added
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    for (const stop of this.#stops.splice(0)) stop()
    await Promise.all([this.chain.close(), this.network.stop(), this.#sync.stop()])
    this.events.clear()
    this.store.close()
  }

  #onTip(event: TipEvent): void {
    for (const node of event.left) this.#returnTransactions(node)
    this.mempool.prune(this.chain.reader)
    const dropped = this.mempool.dropHopeless(this.nextBlock())
    if (dropped > 0) this.log.debug({ event: 'transactions_dropped', dropped })
    if (event.left.length > 0) {
      this.log.info({ event: 'reorg', left: event.left.length, joined: event.joined.length, tip: event.tip.hex })
      this.events.emit('reorg', { left: event.left, tip: event.tip })
    }
    for (const node of event.joined) {
      const tokens = this.chain.block(node)?.body.tokens ?? []
      const { header } = node
      this.log.info({
        event: 'block',
        height: header.height,
        id: node.hex,
        miner: bytesToHex(header.minerKey).slice(0, 16),
        replayMs: Math.round(event.replayMs / event.joined.length),
      })
      this.events.emit('block', { node, tokens, replayMs: event.replayMs / event.joined.length })
      this.#offerOrphans(node.id)
    }
    this.#repeat()
    this.events.emit('tip', event)
    this.work.follow()
  }

  #repeat(): void {
    this.#announcer.repeat().catch((error: unknown) => {
      if (!this.#stopped) this.log.warn({ event: 'repeat_failed', error: String(error) })
    })
  }

  /** What a block that left the best chain contained waits for a block again, unless the new branch contains it too. */
  #returnTransactions(node: TreeNode): void {
    for (const bytes of this.chain.block(node)?.body.transactions ?? []) {
      try {
        this.#take(bytes)
      } catch (error) {
        if (!(error instanceof ProtocolError || error instanceof NodeError)) throw error
      }
    }
  }

  /** Blocks that waited for this parent. They are bounded by the pool, so BLK-4's bound per peer does not apply again. */
  #offerOrphans(parentId: Uint8Array): void {
    for (const { from, block } of this.#orphans.takeChildren(parentId)) {
      this.chain.offer(block).then(
        (result) => {
          if (result === 'side') this.#offerOrphans(blockId(block.header))
        },
        (error: unknown) => {
          const verdict = this.#verdictOf(from, error, block)
          if (verdict === 'reject') this.network.penalise(from, BAD_DATA_POINTS, 'invalid orphan')
        },
      )
    }
  }

  /** NET-3, first stage: size, shape, header rules, ticket proof. Second stage: state and re-execution. */
  async #onGossipBlock(from: PeerName, bytes: Uint8Array): Promise<GossipVerdict> {
    let block: Block
    try {
      block = blockCodec.decode(bytes)
    } catch (error) {
      return this.#verdictOf(from, error, undefined)
    }
    return this.#offerFrom(from, block, bytes.length)
  }

  async #offerFrom(from: PeerName, block: Block, bytes: number): Promise<GossipVerdict> {
    const isBonded = this.chain.classOf(block.header) === 'bonded'
    if (!isBonded && this.#pendingOthers.has(from)) {
      // Gossip does not bring it again (G8); the headers will tell whether it is missed.
      this.#sync.request(from)
      return 'ignore'
    }
    try {
      if (!isBonded) this.#pendingOthers.add(from)
      const { id, isKnown } = await this.chain.precheck(block)
      if (isKnown || this.#isSurplus(block.header)) return 'ignore'
      const result = await this.chain.settle(id, block)
      if (result === 'side') this.#offerOrphans(id)
      // BLK-4: a node vouches for what it forwards, so only what it has re-executed goes on.
      return result === 'best' ? 'accept' : 'ignore'
    } catch (error) {
      if (error instanceof ProtocolError && error.code === 'BLOCK_PARENT_UNKNOWN') {
        this.#orphans.add(blockId(block.header), block, bytes, from)
        this.#sync.request(from)
        return 'ignore'
      }
      return this.#verdictOf(from, error, block)
    } finally {
      if (!isBonded) this.#pendingOthers.delete(from)
    }
  }

  /** BLK-3: whether two siblings of this header's ticket are known already; announces the evidence when it is complete. */
  #isSurplus(header: BlockHeader): boolean {
    const { isSurplus, evidence } = this.#siblings.see(header)
    if (evidence !== undefined) {
      this.log.warn({ event: 'equivocation', minerKey: bytesToHex(header.minerKey) })
      this.events.emit('equivocation', { evidence })
    }
    return isSurplus
  }

  #onGossipTransaction(from: PeerName, bytes: Uint8Array): GossipVerdict {
    try {
      return this.#take(bytes).isNew ? 'accept' : 'ignore'
    } catch (error) {
      // Whether a nonce is free depends on what each node has seen: an honest peer may relay what another has used.
      const isUsed = error instanceof ProtocolError && error.code === 'TX_NONCE_LOW'
      return isUsed ? 'ignore' : this.#verdictOf(from, error, undefined)
    }
  }

  #verdictOf(from: PeerName, error: unknown, block: Block | undefined): GossipVerdict {
    if (error instanceof NodeError) return 'ignore'
    if (!(error instanceof ProtocolError)) {
      this.log.error({
        event: 'internal_error',
        from,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      })
      return 'ignore'
    }
    const id = block === undefined ? undefined : blockId(block.header)
    const isInvalid = id !== undefined && this.chain.tree.get(id)?.status === BLOCK_STATUS.invalid
    const verdict = isInvalid ? 'reject' : error.verdict
    this.log.debug({ event: 'gossip_refused', from, code: error.code, verdict, error: error.message })
    return verdict
  }

  /** Exchanges status with a peer and starts a synchronisation if it claims more work. */
  async #greet(peer: PeerName): Promise<void> {
    try {
      const answer = await this.network.request(peer, REQUEST.status, new Uint8Array(0), {
        timeoutMs: REQUEST_TIMEOUT_MS,
        maxResponseBytes: MAX_ANSWER_BYTES,
      })
      const status = decodeStatus(answer)
      if (!equalBytes(status.chainId, this.context.genesis.chainId)) {
        this.log.warn({ event: 'peer_on_other_chain', peer, chainId: bytesToHex(status.chainId) })
        return
      }
      // It may have gone since it answered; what it claimed must not stay.
      if (this.network.peers().includes(peer)) this.#claims.take(peer, status.minerClaim)
      if (status.totalWork > this.chain.tip.totalWork) this.#sync.request(peer)
    } catch (error) {
      this.log.debug({ event: 'greeting_failed', peer, error: error instanceof Error ? error.message : String(error) })
      if (error instanceof ProtocolError) this.network.penalise(peer, BAD_DATA_POINTS, error.code)
    }
  }

  /** Every other block time one peer is asked for its status, so that a missed block never keeps a node behind (NET-4). */
  #scheduleGreeting(): void {
    const delayMs = 2 * this.context.params.block.timeMs
    const cancel = this.clock.after(delayMs, () => {
      if (this.#stopped) return
      this.#stops.splice(this.#stops.indexOf(cancel), 1)
      const peers = this.network.peers()
      if (peers.length > 0) void this.#greet(peers[this.random.below(peers.length)]!)
      this.#repeat()
      this.#scheduleGreeting()
    })
    this.#stops.push(cancel)
  }
}
