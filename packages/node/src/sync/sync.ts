import {
  type BlockHeader,
  blockCodec,
  blockId,
  blockWork,
  check,
  equalBytes,
  headerCodec,
  ProtocolError,
} from '@nacre/protocol'
import type { TreeNode } from '../chain/block-tree.ts'
import type { Chain } from '../chain/chain.ts'
import { NodeError } from '../errors.ts'
import {
  MAX_ANSWER_BYTES,
  MAX_BLOCKS_ANSWER_BYTES,
  MAX_BLOCKS_PER_REQUEST,
  MAX_HEADERS_PER_ANSWER,
  MAX_HEADERS_PER_ROUND,
  MAX_PARALLEL_SYNCS,
  MAX_PROVEN_SYNCS,
  MAX_UNPROVEN_SYNCS,
  REQUEST_TIMEOUT_MS,
  SYNC_TURN_MS,
} from '../limits-chain.ts'
import { decodeByteList, encodeBlocksRequest, encodeHeadersRequest, REQUEST } from '../messages.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/log.ts'
import { type Network, NetworkError, type PeerName } from '../ports/network.ts'
import { BLOCK_STATUS } from '../ports/store.ts'
import { PeerFault } from './peer-fault.ts'
import { buildLocator } from './serve.ts'
import { SyncRecord } from './sync-record.ts'

/** Score lost by a peer that sends something provably bad, or headers that lead nowhere. */
const BAD_DATA_POINTS = 50
/** Score lost by a peer that lets a request run into its timeout: the fifth in a row bans. */
const NO_ANSWER_POINTS = 20
/** The node counts as catching up for so long after a fetched block became the tip. */
const CATCHING_UP_MS = 2_000

/** A header that a peer showed: what it claims, not what it proves. */
interface ClaimedBlock {
  readonly id: Uint8Array
  readonly bits: number
}

/**
 * Headers-first synchronisation (NET-4). Headers say where a branch leads and what work it claims, no more: a winning header
 * can be ground without any multiplication, because its fold state is free. So nothing is spent on a claim: blocks are
 * fetched oldest first, each is re-executed as it comes (BLK-4), and the first false one ends the round.
 * Several peers are served at once, and those that have brought valid blocks before have places of their own. While others wait, a
 * turn is short, and whoever answers slowly queues again: nobody who merely connects can keep a node from catching up.
 */
export class Sync {
  readonly #chain: Chain
  readonly #network: Network
  readonly #clock: Clock
  readonly #log: Logger
  readonly #record = new SyncRecord()
  readonly #wanted = new Set<PeerName>()
  readonly #active = new Map<PeerName, Promise<void>>()
  #adoptedAtMs = Number.NEGATIVE_INFINITY
  #stopped = false

  constructor(options: { chain: Chain; network: Network; clock: Clock; log: Logger }) {
    this.#chain = options.chain
    this.#network = options.network
    this.#clock = options.clock
    this.#log = options.log
  }

  /** True while fetched blocks, re-executed here, move the tip: a mere claim does not count. */
  get isCatchingUp(): boolean {
    return this.#active.size > 0 && this.#clock.nowMs() - this.#adoptedAtMs < CATCHING_UP_MS
  }

  /** Asks for a synchronisation with this peer soon; many requests are one, and one that follows an empty round waits. */
  request(peer: PeerName): void {
    if (this.#stopped || this.#record.mustWait(peer, this.#clock.nowMs())) return
    this.#wanted.add(peer)
    this.#start()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#wanted.clear()
    await Promise.all(this.#active.values())
  }

  #start(): void {
    for (let peer = this.#next(); peer !== undefined; peer = this.#next()) {
      const chosen = peer
      this.#wanted.delete(chosen)
      const round = this.#round(chosen).finally(() => {
        this.#active.delete(chosen)
        this.#start()
      })
      this.#active.set(chosen, round)
    }
  }

  /** Peers that wait for a place, those first that have waited for the longest. */
  get #waiting(): PeerName[] {
    return [...this.#wanted].filter((peer) => !this.#active.has(peer))
  }

  /** The next peer to serve, if there is a place for it: proven ones first. */
  #next(): PeerName | undefined {
    if (this.#stopped || this.#active.size >= MAX_PARALLEL_SYNCS) return undefined
    const isProven = (peer: PeerName): boolean => this.#record.isProven(peer)
    const provenPlaces = [...this.#active.keys()].filter(isProven).length
    const proven = provenPlaces < MAX_PROVEN_SYNCS ? this.#waiting.find(isProven) : undefined
    if (proven !== undefined) return proven
    const isRoom = this.#active.size - provenPlaces < MAX_UNPROVEN_SYNCS
    return isRoom ? this.#waiting.find((peer) => !isProven(peer)) : undefined
  }

  /** Whether a turn that ends at `endMs` is over: only if somebody else could have it. */
  #isOver(endMs: number): boolean {
    return this.#clock.nowMs() >= endMs && this.#waiting.length > 0
  }

  async #round(peer: PeerName): Promise<void> {
    const waitUntilMs = (): number => this.#clock.nowMs() + this.#chain.context.params.block.timeMs
    try {
      if (await this.#syncWith(peer)) this.#record.broughtBlocks(peer)
      else this.#record.broughtNothing(peer, waitUntilMs())
    } catch (error) {
      this.#record.failed(peer, waitUntilMs())
      this.#onFailure(peer, error)
    }
  }

  #onFailure(peer: PeerName, error: unknown): void {
    if (error instanceof ProtocolError) {
      this.#log.warn({ event: 'sync_failed', peer, code: error.code, error: error.message })
      if (error.verdict === 'reject') this.#network.penalise(peer, BAD_DATA_POINTS, error.code)
    } else if (error instanceof PeerFault) {
      this.#log.warn({ event: 'sync_failed', peer, code: error.code, error: error.message })
      this.#network.penalise(peer, BAD_DATA_POINTS, error.code)
    } else if (error instanceof NetworkError || error instanceof NodeError) {
      this.#log.debug({ event: 'sync_interrupted', peer, code: error.code })
      if (error.code === 'TIMEOUT') this.#network.penalise(peer, NO_ANSWER_POINTS, error.code)
    } else {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#log.error({ event: 'internal_error', peer, error: text })
    }
  }

  /** One round: resolves with whether it brought a block. */
  async #syncWith(peer: PeerName): Promise<boolean> {
    const endMs = this.#clock.nowMs() + SYNC_TURN_MS
    const branch = await this.#fetchHeaders(peer, endMs)
    if (branch.length === 0) return false
    this.#log.info({ event: 'sync_start', peer, blocks: branch.length })
    let fetched = 0
    while (fetched < branch.length && !this.#stopped) {
      const part = branch.slice(fetched, fetched + MAX_BLOCKS_PER_REQUEST)
      if (!(await this.#fetchBlocks(peer, part, endMs))) break
      fetched += part.length
      if (this.#isOver(endMs)) break
    }
    if (fetched < branch.length || branch.length >= MAX_HEADERS_PER_ROUND) this.#wanted.add(peer)
    this.#log.info({ event: 'sync_done', peer, height: this.#chain.tip.header.height })
    return true
  }

  /** Blocks of a branch that we lack and that claims more work than ours, oldest first; empty if the peer has none. */
  async #fetchHeaders(peer: PeerName, endMs: number): Promise<ClaimedBlock[]> {
    const branch: ClaimedBlock[] = []
    let locator = buildLocator(this.#chain)
    let base: TreeNode | undefined
    let last: Uint8Array | undefined
    while (branch.length < MAX_HEADERS_PER_ROUND && !this.#stopped) {
      const headers = await this.#requestHeaders(peer, locator)
      // Between two answers an honest peer may have moved to another branch: what came so far still counts.
      if (last !== undefined && headers[0] !== undefined && !equalBytes(headers[0].parentId, last)) break
      for (const header of headers) {
        const id = blockId(header)
        if (last !== undefined && !equalBytes(header.parentId, last))
          throw new PeerFault('HEADERS_UNCONNECTED', 'the headers are no chain')
        last = id
        const known = branch.length === 0 ? this.#chain.tree.get(id) : undefined
        if (known !== undefined) {
          base = known
          continue
        }
        base ??= this.#chain.tree.get(header.parentId)
        // The locator ends with genesis, so honest headers always start at a block we know.
        if (base === undefined) throw new PeerFault('HEADERS_UNCONNECTED', 'the headers start at no block we know')
        check(base.status !== BLOCK_STATUS.invalid, 'BLOCK_PARENT_INVALID', 'the headers extend an invalid block')
        branch.push({ id, bits: header.bits })
      }
      if (headers.length < MAX_HEADERS_PER_ANSWER || this.#isOver(endMs)) break
      locator = [last!]
    }
    if (branch.length === 0 || base === undefined) return []
    const work = branch.reduce((sum, { bits }) => sum + blockWork(bits), base.totalWork)
    return work > this.#chain.tip.totalWork ? branch : []
  }

  async #requestHeaders(peer: PeerName, locator: readonly Uint8Array[]): Promise<BlockHeader[]> {
    const answer = await this.#network.request(peer, REQUEST.headers, encodeHeadersRequest(locator), {
      timeoutMs: REQUEST_TIMEOUT_MS,
      maxResponseBytes: MAX_ANSWER_BYTES,
    })
    return decodeByteList(answer, MAX_HEADERS_PER_ANSWER, MAX_ANSWER_BYTES, 'headers').map((bytes) =>
      headerCodec.decode(bytes),
    )
  }

  /** Resolves with whether all blocks are here: the turn may end before. */
  async #fetchBlocks(peer: PeerName, wanted: readonly ClaimedBlock[], endMs: number): Promise<boolean> {
    const missing = wanted.filter(({ id }) => this.#chain.tree.get(id) === undefined)
    if (missing.length === 0) return true
    const answer = await this.#network.request(peer, REQUEST.blocks, encodeBlocksRequest(missing.map(({ id }) => id)), {
      timeoutMs: REQUEST_TIMEOUT_MS,
      maxResponseBytes: MAX_BLOCKS_ANSWER_BYTES,
    })
    const items = decodeByteList(answer, MAX_BLOCKS_PER_REQUEST, MAX_BLOCKS_ANSWER_BYTES, 'blocks')
    let accepted = 0
    for (const [i, pending] of missing.entries()) {
      const bytes = items[i]
      if (bytes === undefined || bytes.length === 0) break
      const block = blockCodec.decode(bytes)
      if (!equalBytes(blockId(block.header), pending.id))
        throw new PeerFault('BLOCK_NOT_ASKED_FOR', 'the peer sent another block than asked for')
      if ((await this.#chain.offer(block, 'sync')) === 'best') this.#adoptedAtMs = this.#clock.nowMs()
      accepted++
    }
    if (accepted === 0) throw new PeerFault('BLOCKS_WITHHELD', 'the peer has none of the blocks it announced')
    if (accepted === missing.length) return true
    return !this.#isOver(endMs) && this.#fetchBlocks(peer, missing.slice(accepted), endMs)
  }
}
