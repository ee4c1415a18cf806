import {
  type Ancestry,
  type AppliedBlock,
  type Block,
  type BlockHeader,
  blockCodec,
  blockId,
  blockWork,
  bytesToHex,
  type ConsensusContext,
  check,
  checkBody,
  checkHeaderForm,
  checkHeaderInContext,
  checkReplayedRoot,
  checkTransition,
  claimedTask,
  equalBytes,
  hasValidSignature,
  headerCodec,
  hexToBytes,
  isBetterBranch,
  isWinnerExecuted,
  type LtHash,
  ltHashFromBytes,
  ltHashToBytes,
  ProtocolError,
  type StateChange,
  type StateReader,
} from '@nacre/protocol'
import { NodeError } from '../errors.ts'
import { MAX_FAILED_KEYS, MAX_UNPROVEN_BLOCKS, MAX_WAITING_BLOCKS } from '../limits-chain.ts'
import { JOB_PREFIX } from '../market/job-keys.ts'
import type { Clock } from '../ports/clock.ts'
import { BLOCK_STATUS, type BlockEffect, type BlockIndex, type ChainStore, type TipMove } from '../ports/store.ts'
import type { BlockWorkers } from '../ports/workers.ts'
import { BlockTree, forkPoint, pathFrom, type TreeNode } from './block-tree.ts'
import { standingOf } from './standing.ts'
import { StateOverlay } from './state-overlay.ts'
import { type QueueClass, TwoClassQueue } from './two-class-queue.ts'

/** What became of an offered block. */
export type OfferResult = 'known' | 'side' | 'best'

/** How a block came: pushed by whoever likes, or asked for as part of a branch. */
export type BlockSource = 'gossip' | 'sync'

/** A change of the best chain. Blocks are oldest first. */
export interface TipEvent {
  readonly tip: TreeNode
  readonly joined: readonly TreeNode[]
  readonly left: readonly TreeNode[]
  /** Time spent re-executing the joined blocks' units; 0 when all were cached. */
  readonly replayMs: number
}

/** The state after a block: what the next block is applied to. */
export interface StateAt {
  readonly reader: StateReader
  readonly ltHash: LtHash
}

export interface ChainOptions {
  readonly context: ConsensusContext
  readonly store: ChainStore
  readonly workers: BlockWorkers
  readonly clock: Clock
}

/**
 * The block tree and its best branch. It decides nothing about validity itself: every rule is a protocol function, called
 * here in the order of BLK-4, cheapest first, re-execution last.
 */
export class Chain {
  readonly context: ConsensusContext
  readonly tree: BlockTree
  readonly #store: ChainStore
  readonly #workers: BlockWorkers
  readonly #clock: Clock
  readonly #queue = new TwoClassQueue(MAX_WAITING_BLOCKS)
  readonly #listeners = new Set<(event: TipEvent) => void>()
  /** The best chain by height. */
  #best: TreeNode[] = []
  #closed = false

  constructor(options: ChainOptions) {
    this.context = options.context
    this.#store = options.store
    this.#workers = options.workers
    this.#clock = options.clock
    const { genesis } = this.context
    const identity = this.#store.identity()
    if (identity === undefined) {
      const effect = { changes: genesis.state.changes, ltHash: ltHashToBytes(genesis.state.ltHash) }
      this.#store.initialise(genesis.chainId, genesis.id, effect)
    } else if (bytesToHex(identity.chainId) !== bytesToHex(genesis.chainId)) {
      throw new NodeError('STORE_MISMATCH', 'the data directory belongs to a network with other parameters')
    }
    this.tree = new BlockTree(genesis.id, genesis.header)
    this.tree.restore(this.#store.index())
    const tip = this.tree.get(identity?.tip ?? genesis.id)
    if (tip === undefined) throw new NodeError('STORE_CORRUPT', 'the tip is missing from the block index')
    this.#best = [this.tree.genesis, ...pathFrom(this.tree.genesis, tip)]
  }

  get tip(): TreeNode {
    return this.#best.at(-1)!
  }

  /** The block of the best chain at a height. */
  atHeight(height: number): TreeNode | undefined {
    return this.#best[height]
  }

  isOnBestChain(node: TreeNode): boolean {
    return this.#best[node.header.height] === node
  }

  /** Called after each change of the best chain. Returns an unsubscribe function. */
  onTip(listener: (event: TipEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The stored block, decoded; undefined if unknown (genesis has none). */
  block(node: TreeNode): Block | undefined {
    const stored = this.#store.block(node.id)
    return stored === undefined ? undefined : blockCodec.decode(stored.bytes)
  }

  /** What a block of the best chain changed in the state, sorted by key. */
  changes(node: TreeNode): readonly StateChange[] {
    return this.#effect(node).changes
  }

  /** Reads the state after the tip, whatever the tip is by then. */
  get reader(): StateReader {
    return this.#stored
  }

  /** The state after the tip. */
  tipState(): StateAt {
    return { reader: this.#stored, ltHash: ltHashFromBytes(this.#effect(this.tip).ltHash) }
  }

  ancestry(node: TreeNode): Ancestry {
    const recent: BlockHeader[] = []
    for (let at: TreeNode | undefined = node; at !== undefined && recent.length < 11; at = at.parent)
      recent.push(at.header)
    recent.reverse()
    return { recent, first: this.#firstOf(node) }
  }

  /** True while blocks wait for validation. */
  get isBusy(): boolean {
    return this.#queue.waiting > 0
  }

  /** Whether the miner of a header has something to lose on the best branch, and has not lost its credit here (BLK-4). */
  classOf(header: BlockHeader): QueueClass {
    const { params } = this.context
    if (this.#failedKeys.has(bytesToHex(header.minerKey))) return 'other'
    return standingOf(params, this.#stored, header.minerKey, this.tip.header.height) ? 'bonded' : 'other'
  }

  /**
   * Checks what can be checked without re-execution: form, context, body, ticket proof. Throws ProtocolError;
   * BLOCK_PARENT_UNKNOWN means the block is an orphan for now.
   * @returns the id, whether it was known before.
   */
  async precheck(block: Block): Promise<{ readonly id: Uint8Array; readonly isKnown: boolean }> {
    const { header } = block
    const id = blockId(header)
    const known = this.tree.get(id)
    if (known !== undefined) {
      // The id does not cover the signature: another one must not pass as this block.
      check(
        equalBytes(header.signature, known.header.signature) || hasValidSignature(header),
        'SIGNATURE_INVALID',
        'a known block with a false signature',
      )
      check(known.status !== BLOCK_STATUS.invalid, 'BLOCK_PARENT_INVALID', 'the block was found invalid before')
      return { id, isKnown: true }
    }
    checkHeaderForm(this.context, header)
    const parent = this.tree.get(header.parentId)
    if (parent === undefined)
      throw new ProtocolError('BLOCK_PARENT_UNKNOWN', `parent ${bytesToHex(header.parentId)} is unknown`)
    check(parent.status !== BLOCK_STATUS.invalid, 'BLOCK_PARENT_INVALID', 'the parent is invalid')
    checkHeaderInContext(this.context, header, this.ancestry(parent), this.#clock.nowMs())
    checkBody(this.context, block)
    await this.#workers.checkTicketProof(block, parent.header.beacon)
    return { id, isKnown: false }
  }

  /**
   * Offers a block: prechecks it, stores it, and makes its branch the best one if it claims more work and every block of
   * it re-executes (BLK-4, BLK-5). Resolves when the outcome is final. Rejects with ProtocolError or NodeError.
   */
  async offer(block: Block, source: BlockSource = 'gossip'): Promise<OfferResult> {
    const { id, isKnown } = await this.precheck(block)
    return isKnown ? 'known' : this.settle(id, block, source)
  }

  /** The second half of {@link offer}, for a block that has passed {@link precheck}. */
  async settle(id: Uint8Array, block: Block, source: BlockSource = 'gossip'): Promise<OfferResult> {
    if (this.#closed) throw new NodeError('STOPPED', 'the chain is closed')
    // Once more, because the parent may have failed while the ticket proof was checked.
    const parent = this.tree.get(block.header.parentId)
    check(parent?.status !== BLOCK_STATUS.invalid, 'BLOCK_PARENT_INVALID', 'the parent is invalid')
    const isHeavier = isBetterBranch(parent!.totalWork + blockWork(block.header.bits), this.tip.totalWork)
    if (!isHeavier && source === 'gossip') this.#checkRoomBeside(block.header)
    const node = this.#admit(id, block)
    if (!isHeavier) {
      if (source === 'sync') await this.#queue.run(this.classOf(block.header), () => this.#prove(node, block))
      return 'side'
    }
    return this.#queue.run(this.classOf(block.header), async () => {
      await this.#selectBest()
      if (node.status === BLOCK_STATUS.invalid)
        throw this.#failures.get(node.hex) ?? new ProtocolError('BLOCK_PARENT_INVALID', 'an ancestor is invalid')
      return this.isOnBestChain(node) ? 'best' : 'side'
    })
  }

  /**
   * A lighter block costs its maker little before it is re-executed, so only few are taken in by gossip, and none far below
   * the tip. A branch that does become the heaviest is fetched by sync, which re-executes it block by block.
   */
  #checkRoomBeside(header: BlockHeader): void {
    const { height } = this.tip.header
    const lowest = height - this.context.params.block.maturityBlocks
    if (header.height < lowest)
      throw new NodeError('BUSY', `a side block ${height - header.height} below the tip is left to sync`)
    // Those that have fallen below it meanwhile are left to sync as well: otherwise a few would take the places for ever.
    for (const [hex, at] of this.#unproven) if (at < lowest) this.#unproven.delete(hex)
    if (this.#unproven.size >= MAX_UNPROVEN_BLOCKS)
      throw new NodeError('BUSY', `${this.#unproven.size} side blocks wait for re-execution`)
  }

  /** BLK-4 for a block of a branch that is still lighter: re-execution alone, remembered by block id. */
  async #prove(node: TreeNode, block: Block): Promise<void> {
    if (node.status !== BLOCK_STATUS.candidate) return
    try {
      await this.#replay(node, block)
    } catch (error) {
      if (error instanceof ProtocolError) this.#fail(node, error)
      throw error
    }
  }

  async #replay(node: TreeNode, block: Block): Promise<void> {
    if (isWinnerExecuted(this.context.params)) {
      const task = claimedTask(this.context, block)
      checkReplayedRoot(block, await this.#workers.replayRoot(block.header.unit.modelId, task, block.body.tokens))
    }
    node.status = BLOCK_STATUS.valid
    this.#unproven.delete(node.hex)
    this.#store.setStatus(node.id, BLOCK_STATUS.valid)
  }

  /** Takes up work that a crash interrupted: stored blocks that claim more work than the tip. */
  async resume(): Promise<void> {
    await this.#queue.run('bonded', () => this.#selectBest())
  }

  /** Refuses new blocks and resolves once the validation under way has ended: then the store can be closed. */
  async close(): Promise<void> {
    this.#closed = true
    this.#listeners.clear()
    await this.#queue.close()
  }

  readonly #stored: StateReader = { get: (key) => this.#store.stateEntry(key) }
  /** Heights of stored blocks that were never re-executed, by id. */
  readonly #unproven = new Map<string, number>()
  /** Keys of blocks that failed here: whatever they have at stake, they have no credit any more. */
  readonly #failedKeys = new Set<string>()
  /** Why a block failed, for whoever offered it. Bounded: the oldest is forgotten. */
  readonly #failures = new Map<string, ProtocolError>()

  #firstOf(node: TreeNode): BlockHeader | undefined {
    if (node.header.height < 1) return undefined
    let at = node
    while (at.header.height > 1) {
      const onBest = this.#best[at.header.height]
      if (onBest === at) return this.#best[1]!.header
      at = at.parent!
    }
    return at.header
  }

  #admit(id: Uint8Array, block: Block): TreeNode {
    const stored = {
      id,
      height: block.header.height,
      headerBytes: headerCodec.encode(block.header),
      bytes: blockCodec.encode(block),
    }
    this.#store.putBlock(stored)
    this.#unproven.set(bytesToHex(id), block.header.height)
    return this.tree.add(id, block.header, BLOCK_STATUS.candidate)
  }

  /** Moves to the heaviest branch that proves valid; each failure invalidates a branch, so this ends. */
  async #selectBest(): Promise<void> {
    for (;;) {
      const candidate = this.tree.heaviest()
      if (!isBetterBranch(candidate.totalWork, this.tip.totalWork)) return
      await this.#activate(candidate)
    }
  }

  async #activate(candidate: TreeNode): Promise<void> {
    const fork = forkPoint(this.tip, candidate)
    const leaving = pathFrom(fork, this.tip)
      .reverse()
      .map((node) => ({ node, id: node.id, height: node.header.height, effect: this.#effect(node) }))
    const view = new StateOverlay(this.#stored)
    for (const { effect } of leaving) view.undo(effect.changes)
    let ltHash = ltHashFromBytes(this.#effect(fork).ltHash)
    const joining: (TipMove['joining'][number] & { readonly node: TreeNode })[] = []
    let replayMs = 0
    for (const node of pathFrom(fork, candidate)) {
      if (this.#closed) throw new NodeError('STOPPED', 'the chain is closed')
      try {
        const block = this.block(node)
        if (block === undefined)
          throw new NodeError('STORE_CORRUPT', `block ${node.hex} is in the index but not in the store`)
        const applied = checkTransition(this.context, block, view, ltHash)
        if (node.status !== BLOCK_STATUS.valid) {
          const startMs = this.#clock.nowMs()
          // BLK-4: remembered by block id, so that a block whose descendant fails is not executed again.
          await this.#replay(node, block)
          replayMs += this.#clock.nowMs() - startMs
        }
        view.apply(applied.changes)
        ltHash = applied.ltHash
        const effect = { changes: applied.changes, ltHash: ltHashToBytes(ltHash) }
        joining.push({ node, id: node.id, height: node.header.height, effect, index: indexOf(applied) })
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        this.#fail(node, error)
        return
      }
    }
    this.#store.move({ leaving, joining, tip: candidate.id })
    this.#best.length = fork.header.height + 1
    for (const { node } of joining) this.#best.push(node)
    const event: TipEvent = {
      tip: candidate,
      joined: joining.map(({ node }) => node),
      left: leaving.map(({ node }) => node).reverse(),
      replayMs,
    }
    for (const listener of this.#listeners) listener(event)
  }

  #fail(node: TreeNode, error: ProtocolError): void {
    for (const affected of this.tree.invalidate(node)) {
      this.#unproven.delete(affected.hex)
      this.#store.setStatus(affected.id, BLOCK_STATUS.invalid)
    }
    this.#failedKeys.add(bytesToHex(node.header.minerKey))
    if (this.#failedKeys.size > MAX_FAILED_KEYS) this.#failedKeys.delete(this.#failedKeys.values().next().value!)
    this.#failures.set(node.hex, error)
    if (this.#failures.size > 256) this.#failures.delete(this.#failures.keys().next().value!)
  }

  #effect(node: TreeNode): BlockEffect {
    const effect = this.#store.effect(node.id)
    if (effect === undefined) throw new NodeError('STORE_CORRUPT', `no effect is stored for block ${node.hex}`)
    return effect
  }
}

function indexOf({ changes, summary }: AppliedBlock): BlockIndex {
  const ended = changes.filter(({ key, after }) => after === undefined && key.startsWith(JOB_PREFIX))
  return {
    transactionIds: summary.transactionIds,
    endedJobIds: ended.map(({ key }) => hexToBytes(key.slice(JOB_PREFIX.length))),
  }
}
