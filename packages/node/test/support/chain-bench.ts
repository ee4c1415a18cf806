/** A chain on an in-memory store with verbs for tests: `best('a1')`, `side('b2')`, `rejected('x3', code)`, `tip('b4')`. */
import {
  bytesToHex,
  emptyLtHash,
  type LtHash,
  ltHashAdd,
  ProtocolError,
  stateRootOf,
  utf8ToBytes,
} from '@nacre/protocol'
import { expect } from 'vitest'
import { Chain, type TipEvent } from '../../src/chain/chain.ts'
import type { ChainStore } from '../../src/ports/store.ts'
import type { BlockWorkers } from '../../src/ports/workers.ts'
import { createSqliteStore } from '../../src/store/sqlite-store.ts'
import { Forge } from './forge.ts'

export class ChainBench {
  readonly forge: Forge
  readonly store: ChainStore
  readonly chain: Chain
  readonly events: TipEvent[] = []
  /** Labels of the blocks whose units were executed again, in order. */
  readonly replayed: string[] = []
  nowMs: number
  /** Re-executions wait for this. */
  #gate: Promise<void> | undefined

  constructor(forge: Forge = new Forge(), store: ChainStore = createSqliteStore(':memory:')) {
    this.forge = forge
    this.store = store
    this.nowMs = forge.context.params.network.genesisTimeMs + 86_400_000
    const clock = { nowMs: () => this.nowMs, after: () => () => undefined }
    this.chain = new Chain({ context: forge.context, store, workers: this.#countingWorkers(), clock })
    this.chain.onTip((event) => this.events.push(event))
  }

  async offer(label: string): Promise<string> {
    return this.chain.offer(this.forge.block(label))
  }

  /** Each of these becomes the tip when offered. */
  async best(labels: string): Promise<void> {
    for (const label of labels.split(' ')) {
      expect([label, await this.offer(label)]).toEqual([label, 'best'])
      this.tip(label)
    }
  }

  /** Each of these is stored but does not become the tip. */
  async side(labels: string): Promise<void> {
    for (const label of labels.split(' ')) expect([label, await this.offer(label)]).toEqual([label, 'side'])
  }

  /** The block is refused with this code. */
  async rejected(label: string, code: string): Promise<void> {
    const outcome = await this.offer(label).catch((error: unknown) => {
      if (error instanceof ProtocolError) return error.code
      throw error
    })
    expect([label, outcome]).toEqual([label, code])
  }

  /** Holds re-executions back until the returned function is called. */
  holdReplays(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#gate = promise
    return resolve
  }

  /** Offers blocks and returns as soon as each is stored; the outcomes come later. */
  async storeOnly(labels: string): Promise<Promise<string>[]> {
    const outcomes: Promise<string>[] = []
    for (const label of labels.split(' ')) {
      outcomes.push(this.offer(label).catch((error: unknown) => (error as ProtocolError).code))
      while (this.status(label) === undefined) await new Promise((resolve) => setImmediate(resolve))
    }
    return outcomes
  }

  /** The tip is this block, and the state is exactly what its branch alone makes. */
  tip(label: string): void {
    expect(this.forge.labelOf(this.chain.tip.id)).toBe(label)
    const { entries, header } = this.forge.get(label)
    expect(new Map(this.store.stateEntries())).toEqual(new Map([...entries].sort(byKey)))
    expect(bytesToHex(stateRootOf(this.chain.tipState().ltHash))).toBe(bytesToHex(header.stateRoot))
    expect(bytesToHex(stateRootOf(rehash(this.store)))).toBe(bytesToHex(header.stateRoot))
  }

  status(label: string): number | undefined {
    return this.chain.tree.get(this.forge.get(label).id)?.status
  }

  #countingWorkers(): BlockWorkers {
    const workers = this.forge.workers()
    return {
      ...workers,
      replayRoot: async (modelId, task, tokens) => {
        const label = this.#labelOfTokens(tokens)
        await this.#gate
        this.replayed.push(label)
        return workers.replayRoot(modelId, task, tokens)
      },
    }
  }

  /** The prompt begins with tokens of the unit id, so tokens name a block. */
  #labelOfTokens(tokens: readonly number[]): string {
    const key = tokens.join()
    for (const node of this.#nodes()) {
      if (this.chain.block(node)?.body.tokens.join() === key) return this.forge.labelOf(node.id)
    }
    return 'unknown'
  }

  *#nodes() {
    const stack = [this.chain.tree.genesis]
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      yield node
      stack.push(...node.children)
    }
  }
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1)

/** The LtHash of everything in a store, from nothing. */
export function rehash(store: ChainStore): LtHash {
  return store.stateEntries().reduce((sum, [key, value]) => ltHashAdd(sum, utf8ToBytes(key), value), emptyLtHash())
}
