/** How much of this node's time one peer may take (AUD-3). */
import type { Clock, PeerName } from '@nacre/node'

/** Time of this node that a peer may take at once, and for each second that passes. */
const BURST_MS = 8_000
const REFILL_MS_PER_SECOND = 500
/** What a request costs at least, however quickly it is answered. */
const LEAST_COST_MS = 5
/** Peers that are remembered; those that owe nothing are forgotten first. */
const MAX_PEERS = 1_024

interface Bucket {
  /** Left of the burst; below 0 after a dear request. */
  leftMs: number
  atMs: number
}

/** A bucket of milliseconds for each peer: what its requests took comes out, and comes back with time. A peer in debt waits for the rest. */
export class PeerPace {
  readonly #clock: Clock
  readonly #buckets = new Map<PeerName, Bucket>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Until when a peer's next request has to wait, in milliseconds from now. */
  waitMs(peer: PeerName): number {
    const left = this.#refilled(peer)?.leftMs ?? BURST_MS
    return left >= 0 ? 0 : Math.ceil((-left * 1000) / REFILL_MS_PER_SECOND)
  }

  /** A request of a peer took so long. */
  charge(peer: PeerName, tookMs: number): void {
    const bucket = this.#refilled(peer) ?? { leftMs: BURST_MS, atMs: this.#clock.nowMs() }
    bucket.leftMs -= Math.max(tookMs, LEAST_COST_MS)
    this.#buckets.delete(peer)
    this.#buckets.set(peer, bucket)
    if (this.#buckets.size > MAX_PEERS) this.#forget()
  }

  #refilled(peer: PeerName): Bucket | undefined {
    const bucket = this.#buckets.get(peer)
    if (bucket === undefined) return undefined
    const nowMs = this.#clock.nowMs()
    bucket.leftMs = Math.min(BURST_MS, bucket.leftMs + ((nowMs - bucket.atMs) * REFILL_MS_PER_SECOND) / 1000)
    bucket.atMs = nowMs
    return bucket
  }

  /** Full buckets say nothing; if there are none, the one that was used longest ago goes. */
  #forget(): void {
    for (const peer of [...this.#buckets.keys()])
      if (this.#refilled(peer)!.leftMs >= BURST_MS) this.#buckets.delete(peer)
    if (this.#buckets.size > MAX_PEERS) this.#buckets.delete(this.#buckets.keys().next().value!)
  }
}
