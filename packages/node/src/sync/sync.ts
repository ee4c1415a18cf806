import {
  type BlockHeader,
  blockCodec,
  blockId,
  blockWork,
  check,
  checkHeaderForm,
  checkHeaderInContext,
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
  REQUEST_TIMEOUT_MS,
} from '../limits-chain.ts'
import { decodeByteList, encodeBlocksRequest, encodeHeadersRequest, REQUEST } from '../messages.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/log.ts'
import { type Network, NetworkError, type PeerName } from '../ports/network.ts'
import { BLOCK_STATUS } from '../ports/store.ts'
import { PeerFault } from './peer-fault.ts'
import { buildLocator } from './serve.ts'

/** Score lost by a peer that sends something provably bad, or headers that lead nowhere. */
const BAD_DATA_POINTS = 50
/** Score lost by a peer that lets a request run into its timeout: the fifth in a row bans. */
const NO_ANSWER_POINTS = 20

interface PendingHeader {
  readonly id: Uint8Array
  readonly header: BlockHeader
}

/**
 * Headers-first synchronisation with one peer at a time (NET-4). Headers alone prove work, so a branch is only fetched when
 * its checked headers add up to more work than ours; bodies then go through the same path as gossip.
 */
export class Sync {
  readonly #chain: Chain
  readonly #network: Network
  readonly #clock: Clock
  readonly #log: Logger
  readonly #wanted = new Set<PeerName>()
  #active: Promise<void> | undefined
  #fetching = false
  #stopped = false

  constructor(options: { chain: Chain; network: Network; clock: Clock; log: Logger }) {
    this.#chain = options.chain
    this.#network = options.network
    this.#clock = options.clock
    this.#log = options.log
  }

  /** True while blocks of a branch are fetched whose headers prove more work than ours; a mere claim does not count. */
  get isFetching(): boolean {
    return this.#fetching
  }

  /** Asks for a synchronisation with this peer soon; many requests are one. */
  request(peer: PeerName): void {
    if (this.#stopped) return
    this.#wanted.add(peer)
    this.#start()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#wanted.clear()
    await this.#active
  }

  #start(): void {
    this.#active ??= this.#work().finally(() => {
      this.#active = undefined
      if (this.#wanted.size > 0) this.#start()
    })
  }

  async #work(): Promise<void> {
    for (let peer = this.#take(); peer !== undefined; peer = this.#take()) {
      try {
        await this.#syncWith(peer)
      } catch (error) {
        this.#onFailure(peer, error)
      }
    }
  }

  #take(): PeerName | undefined {
    const peer = this.#wanted.values().next().value
    if (peer !== undefined) this.#wanted.delete(peer)
    return peer
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

  async #syncWith(peer: PeerName): Promise<void> {
    const branch = await this.#fetchHeaders(peer)
    if (branch.length === 0) return
    this.#log.info({ event: 'sync_start', peer, from: branch[0]!.header.height, to: branch.at(-1)!.header.height })
    this.#fetching = true
    try {
      for (let i = 0; i < branch.length && !this.#stopped; i += MAX_BLOCKS_PER_REQUEST) {
        await this.#fetchBlocks(peer, branch.slice(i, i + MAX_BLOCKS_PER_REQUEST))
      }
    } finally {
      this.#fetching = false
    }
    if (branch.length >= MAX_HEADERS_PER_ROUND) this.request(peer)
    this.#log.info({ event: 'sync_done', peer, height: this.#chain.tip.header.height })
  }

  /** Checked headers of a branch with more work than ours that we lack, oldest first; empty if the peer has none. */
  async #fetchHeaders(peer: PeerName): Promise<PendingHeader[]> {
    const branch: PendingHeader[] = []
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
        this.#checkHeader(base, branch, header)
        branch.push({ id, header })
      }
      if (headers.length < MAX_HEADERS_PER_ANSWER) break
      locator = [last!]
    }
    if (branch.length === 0 || base === undefined) return []
    const work = branch.reduce((sum, { header }) => sum + blockWork(header.bits), base.totalWork)
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

  #checkHeader(base: TreeNode, branch: readonly PendingHeader[], header: BlockHeader): void {
    checkHeaderForm(this.#chain.context, header)
    const below = this.#chain.ancestry(base)
    const recent = [...below.recent, ...branch.slice(-11).map((pending) => pending.header)].slice(-11)
    const first = below.first ?? branch[0]?.header
    checkHeaderInContext(this.#chain.context, header, { recent, first }, this.#clock.nowMs())
  }

  async #fetchBlocks(peer: PeerName, wanted: readonly PendingHeader[]): Promise<void> {
    const missing = wanted.filter(({ id }) => this.#chain.tree.get(id) === undefined)
    if (missing.length === 0) return
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
      await this.#chain.offer(block)
      accepted++
    }
    if (accepted === 0) throw new PeerFault('BLOCKS_WITHHELD', 'the peer has none of the blocks it announced')
    if (accepted < missing.length) await this.#fetchBlocks(peer, missing.slice(accepted))
  }
}
