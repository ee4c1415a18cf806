import { MAX_SYNC_RECORDS } from '../limits-chain.ts'
import type { PeerName } from '../ports/network.ts'

/**
 * What synchronisation knows of peers: who has brought a valid block, and who has to wait because a round with it brought
 * nothing. Peer names are free, so a good record gives precedence and a bad one only costs time. Bounded.
 */
export class SyncRecord {
  readonly #proven = new Set<PeerName>()
  readonly #waitUntilMs = new Map<PeerName, number>()

  isProven(peer: PeerName): boolean {
    return this.#proven.has(peer)
  }

  mustWait(peer: PeerName, nowMs: number): boolean {
    return (this.#waitUntilMs.get(peer) ?? 0) > nowMs
  }

  /** A round with this peer brought at least one valid block. */
  broughtBlocks(peer: PeerName): void {
    this.#waitUntilMs.delete(peer)
    remember(this.#proven, peer)
  }

  /** A round with this peer brought nothing: no other before `untilMs`. */
  broughtNothing(peer: PeerName, untilMs: number): void {
    this.#waitUntilMs.delete(peer)
    this.#waitUntilMs.set(peer, untilMs)
    if (this.#waitUntilMs.size > MAX_SYNC_RECORDS) this.#waitUntilMs.delete(this.#waitUntilMs.keys().next().value!)
  }

  /** A round with this peer failed by its fault. */
  failed(peer: PeerName, untilMs: number): void {
    this.#proven.delete(peer)
    this.broughtNothing(peer, untilMs)
  }
}

function remember(set: Set<PeerName>, peer: PeerName): void {
  set.delete(peer)
  set.add(peer)
  if (set.size > MAX_SYNC_RECORDS) set.delete(set.values().next().value!)
}
