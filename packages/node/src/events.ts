import type { TreeNode } from './chain/block-tree.ts'
import type { TipEvent } from './chain/chain.ts'
import type { Evidence } from './chain/sibling-watch.ts'
import type { Alarm } from './monitor/types.ts'

/** What one node tells its user: RPC event stream, miner, verifier, devnet screen. */
export interface NodeEvents {
  /** A block joined the best chain. */
  readonly block: { readonly node: TreeNode; readonly tokens: readonly number[]; readonly replayMs: number }
  /** Blocks left the best chain. */
  readonly reorg: { readonly left: readonly TreeNode[]; readonly tip: TreeNode }
  /** The best chain has changed: once per change, after its `reorg` and `block` events and after the mempool has followed. */
  readonly tip: TipEvent
  /** A receipt that delivers a job (hex) waits for a block. */
  readonly receipt: { readonly jobId: string }
  /** Somebody signed two headers for one ticket (BLK-3). */
  readonly equivocation: { readonly evidence: Evidence }
  /** A verifier's sampled check of a unit: see `Verifier` for what the outcomes mean. */
  readonly verdict: {
    readonly blockId: string
    readonly height: number
    readonly steps: number
    readonly outcome: 'right' | 'fraud' | 'unanswered'
    readonly checkMs: number
    /** Undefined if the outcome is `right`. */
    readonly reason: string | undefined
  }
  /** An alarm of the work monitor starts or ends, at the best chain's height. */
  readonly anomaly: { readonly state: 'started' | 'ended'; readonly height: number; readonly alarm: Alarm }
  /** A miner finished a unit. */
  readonly unit: {
    readonly unitId: string
    readonly tokens: number
    readonly tickets: number
    readonly won: boolean
    readonly unitMs: number
  }
}

export type NodeEventName = keyof NodeEvents

/** A typed emitter: listeners run in order of registration; one that throws is a bug and is not caught. */
export class EventHub {
  readonly #listeners = new Map<NodeEventName, Set<(payload: never) => void>>()

  on<K extends NodeEventName>(name: K, listener: (payload: NodeEvents[K]) => void): () => void {
    const set = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, set)
    set.add(listener as (payload: never) => void)
    return () => set.delete(listener as (payload: never) => void)
  }

  emit<K extends NodeEventName>(name: K, payload: NodeEvents[K]): void {
    for (const listener of this.#listeners.get(name) ?? []) (listener as (payload: NodeEvents[K]) => void)(payload)
  }

  clear(): void {
    this.#listeners.clear()
  }
}
