/** From a winning unit to a block: which transactions, signed once, offered until it is taken. */
import { type FullNode, NetworkError, NodeError, type OfferResult, sleep, type TreeNode } from '@nacre/node'
import {
  type Ancestry,
  assembleBlock,
  type Block,
  type BlockProof,
  blockCodec,
  blockId,
  bytesToHex,
  equalBytes,
  type KeyPair,
  LANE_OPEN,
  medianTimePast,
  ProtocolError,
  requiredBits,
  type Ticket,
  type Trace,
  type UnitDescriptor,
  type UnitTask,
  unitId,
} from '@nacre/protocol'
import { BlockSelection, type Reserve } from './select-transactions.ts'
import type { TraceShelf } from './trace-shelf.ts'
import type { WinningUnit } from './unit-runner.ts'

/** How often a won block is offered while the node is busy, and the pause before the next time: two seconds of work lost at most. */
const OFFER_ATTEMPTS = 8
const OFFER_RETRY_MS = 250
/** Note in the store: the last block this miner signed (BLK-3). */
const LAST_SIGNED = 'miner/last-signed'

/** What the next block will contain, as far as it is known, and the tip that it builds on. */
interface Selected {
  readonly parent: TreeNode
  readonly selection: BlockSelection
}

/** Which selection: any block's, or one with room for the receipt of its own unit (UNT-2). */
export type BlockKind = 'bootstrap' | 'paid'

export interface Win {
  readonly parent: TreeNode
  readonly ancestry: Ancestry
  readonly unit: UnitDescriptor
  /** Prompt and generated. */
  readonly tokens: readonly number[]
  /** Without a trace in the open lane. */
  readonly won: Omit<WinningUnit, 'trace' | 'proof'> & { readonly proof: BlockProof; readonly trace?: Trace }
  /** Undefined in the open lane. */
  readonly task?: UnitTask
  /** Of a paid unit: its receipt, signed for this block. */
  readonly receipt?: Uint8Array
}

export interface BlockMakerOptions {
  readonly node: FullNode
  readonly keys: KeyPair
  readonly shelf: TraceShelf
  readonly signal: AbortSignal
  /** Encoded bytes that a receipt can have at most. */
  readonly maxReceiptBytes: number
  /** Told of each block that became the tip. */
  readonly onBest: () => void
}

export class BlockMaker {
  readonly #options: BlockMakerOptions
  readonly #selected = new Map<BlockKind, Selected>()
  readonly #selecting = new Set<BlockKind>()
  /** The parent of the block that is being published: a second one on it would only compete with the first. */
  #publishedOn: TreeNode | undefined

  constructor(options: BlockMakerOptions) {
    this.#options = options
  }

  /** Adds what waits now to the selection for the block after `parent`; starts afresh after a change of the tip. Never rejects. */
  async select(kind: BlockKind, parent: TreeNode, ancestry: Ancestry): Promise<void> {
    const { node, keys, signal } = this.#options
    // One that goes on since an earlier unit notices a new tip itself; the next unit starts the next one.
    if (this.#selecting.has(kind)) return
    this.#selecting.add(kind)
    try {
      if (this.#selected.get(kind)?.parent !== parent) {
        this.#selected.delete(kind)
        const { reader } = node.chain
        const base = {
          height: parent.header.height + 1,
          parentId: parent.id,
          bits: requiredBits(node.context, ancestry),
          minerKey: keys.publicKey,
        }
        const selection = new BlockSelection(node.context, base, node.mempool, reader, this.#reserveFor(kind))
        this.#selected.set(kind, { parent, selection })
      }
      for (const _ of this.#selected.get(kind)!.selection.extend()) {
        await sleep(node.clock, 0, signal)
        if (signal.aborted || node.chain.tip !== parent) return
      }
    } catch (error) {
      node.log.error({ event: 'selection_failed', error: error instanceof Error ? error.message : String(error) })
    } finally {
      this.#selecting.delete(kind)
    }
  }

  #reserveFor(kind: BlockKind): Reserve | undefined {
    const { keys, maxReceiptBytes } = this.#options
    return kind === 'paid' ? { sender: keys.publicKey, bytes: maxReceiptBytes } : undefined
  }

  /** Makes the block of a winning unit and publishes it, unless the tip has moved on or another block of ours is on the way. */
  async publish(win: Win): Promise<void> {
    const { parent } = win
    if (this.#options.node.chain.tip !== parent || this.#publishedOn === parent) return
    this.#publishedOn = parent
    try {
      await this.#offer(this.#make(win))
    } finally {
      this.#publishedOn = undefined
    }
  }

  /** A block that was signed but never published, because the process died in between, is still worth its work. */
  async takeUpLastSigned(): Promise<void> {
    const { node, keys } = this.#options
    const note = node.store.note(LAST_SIGNED)
    if (note === undefined) return
    const block = blockCodec.decode(note.subarray(32))
    const { header } = block
    const isOurs = equalBytes(header.minerKey, keys.publicKey)
    if (isOurs && equalBytes(header.parentId, node.chain.tip.id)) await this.#offer(block)
  }

  #make({ parent, ancestry, unit, task, tokens, won, receipt }: Win): Block {
    const { node, keys, shelf } = this.#options
    const { context, chain } = node
    const timeMs = Math.max(node.clock.nowMs(), medianTimePast(ancestry.recent.map((header) => header.timeMs)) + 1)
    const { reader, ltHash } = chain.tipState()
    const { trace, traceRoot, ticket, proof } = won
    const wonUnit = { unit, tokens, task, traceRoot, ticket, proof }
    const block = this.#signOnce(this.#signedFor(unit, ticket), () => {
      const transactions = this.#transactions(parent, receipt)
      return assembleBlock({ context, ancestry, timeMs, won: wonUnit, transactions, reader, ltHash, keys })
    })
    if (trace !== undefined) shelf.put(blockId(block.header), trace)
    return block
  }

  /** Whatever is chosen by now: an empty block is better than a late one. */
  #transactions(parent: TreeNode, receipt: Uint8Array | undefined): readonly Uint8Array[] {
    const selected = this.#selected.get(receipt === undefined ? 'bootstrap' : 'paid')
    const chosen = selected?.parent === parent ? selected.selection.transactions : []
    // Nothing of this sender is among those chosen, and there is room: the receipt applies after them as well as alone.
    return receipt === undefined ? chosen : [...chosen, receipt]
  }

  /** Publishes a block. While the node is busy it waits and tries again: a won block is worth too much to be dropped. */
  async #offer(block: Block): Promise<void> {
    const { node, signal, onBest } = this.#options
    const { height } = block.header
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await this.#offerOnce(block)
        if (result === 'best') onBest()
        node.log.info({ event: 'block_won', height, id: bytesToHex(blockId(block.header)), result })
        return
      } catch (error) {
        if (!(error instanceof ProtocolError || error instanceof NodeError || error instanceof NetworkError))
          throw error
        const isRetried = error.code === 'BUSY' && attempt < OFFER_ATTEMPTS && this.#isWanted(block)
        node.log.warn({ event: 'own_block_refused', height, code: error.code, error: error.message, isRetried })
        if (!isRetried) return
      }
      await sleep(node.clock, OFFER_RETRY_MS, signal)
      if (signal.aborted) return
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

  /** What a miner signs only one header for: a unit, or in the open lane, where a unit can win several times, a ticket. */
  #signedFor(unit: UnitDescriptor, ticket: Ticket): Uint8Array {
    const { node, keys } = this.#options
    return unit.lane === LANE_OPEN ? ticket.hash : unitId(unit, keys.publicKey, node.context.params.bindings.singleUse)
  }

  /**
   * BLK-3: a miner persists what it signs, and never signs two headers for one unit or ticket, not even after a crash.
   * @param id 32 bytes that name it.
   */
  #signOnce(id: Uint8Array, build: () => Block): Block {
    const { store } = this.#options.node
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
