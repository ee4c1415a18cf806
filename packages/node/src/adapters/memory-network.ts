import type { Clock } from '../ports/clock.ts'
import { type Logger, silentLogger } from '../ports/log.ts'
import type { Network, PeerName } from '../ports/network.ts'
import type { Random } from '../ports/random.ts'
import { type LatencyMs, MemoryLink } from './memory-link.ts'
import { MemoryPeer } from './memory-peer.ts'

export interface MemoryHubOptions {
  readonly clock: Clock
  readonly random: Random
  /** One way, drawn anew for each message. Default: none, though delivery is never synchronous. */
  readonly latencyMs?: LatencyMs
  readonly banMs?: number
  readonly log?: Logger
}

/**
 * A network inside one process. Gossip floods along the connections made here; nothing is discovered.
 * With a virtual clock and seeded randomness two runs are identical.
 */
export class MemoryHub {
  readonly #options: MemoryHubOptions
  readonly #peers = new Map<PeerName, MemoryPeer>()
  readonly #links = new Map<string, MemoryLink>()
  #cuts: { readonly a: ReadonlySet<PeerName>; readonly b: ReadonlySet<PeerName> }[] = []
  /** Connections that the partition took away and heal() brings back. */
  readonly #severed = new Map<string, readonly [PeerName, PeerName]>()

  constructor(options: MemoryHubOptions) {
    const { min, max } = options.latencyMs ?? { min: 0, max: 0 }
    if (!(Number.isInteger(min) && Number.isInteger(max) && min >= 0 && max >= min)) {
      throw new RangeError(`latency ${min}..${max} ms is not a range of whole milliseconds`)
    }
    this.#options = options
  }

  /** Adds a peer without connections. A name is free again after its network has stopped: that is a restart. */
  join(name: PeerName): Network {
    if (this.#peers.has(name)) throw new Error(`${name} has already joined`)
    const peer = new MemoryPeer({
      name,
      clock: this.#options.clock,
      banMs: this.#options.banMs,
      log: this.#options.log ?? silentLogger,
      hangUp: (other) => this.disconnect(name, other),
      leave: () => {
        for (const other of peer.peers()) this.disconnect(name, other)
        this.#peers.delete(name)
      },
      peer: (other) => this.#peers.get(other),
    })
    this.#peers.set(name, peer)
    return peer
  }

  /**
   * Connects two peers; nothing happens if they are already connected.
   * @returns whether they are connected now. They are not if one is unknown, bans the other, or a partition separates
   *   them (then heal() connects them).
   */
  connect(a: PeerName, b: PeerName): boolean {
    const key = linkKey(a, b)
    if (this.#links.has(key)) return true
    const peerA = this.#peers.get(a)
    const peerB = this.#peers.get(b)
    if (peerA === undefined || peerB === undefined || a === b) return false
    if (peerA.refuses(b) || peerB.refuses(a)) return false
    if (this.#isCut(a, b)) {
      this.#severed.set(key, [a, b])
      return false
    }
    const { clock, random, latencyMs } = this.#options
    const link = new MemoryLink([a, b], clock, random, latencyMs ?? { min: 0, max: 0 })
    this.#links.set(key, link)
    // Both sides know the connection before either listener runs.
    const announceA = peerA.attach(b, link)
    const announceB = peerB.attach(a, link)
    announceA()
    announceB()
    return true
  }

  disconnect(a: PeerName, b: PeerName): void {
    const key = linkKey(a, b)
    this.#severed.delete(key)
    const link = this.#links.get(key)
    if (link === undefined) return
    this.#links.delete(key)
    const announceA = this.#peers.get(a)?.detach(b)
    const announceB = this.#peers.get(b)?.detach(a)
    link.close()
    announceA?.()
    announceB?.()
  }

  /** Closes every connection between the two groups and refuses new ones until {@link heal}. Partitions add up. */
  partition(groupA: readonly PeerName[], groupB: readonly PeerName[]): void {
    this.#cuts.push({ a: new Set(groupA), b: new Set(groupB) })
    for (const link of [...this.#links.values()]) {
      const [a, b] = link.ends
      if (!this.#isCut(a, b)) continue
      this.disconnect(a, b)
      this.#severed.set(linkKey(a, b), [a, b])
    }
  }

  /** Ends all partitions and restores the connections they took away. */
  heal(): void {
    this.#cuts = []
    const severed = [...this.#severed.values()]
    this.#severed.clear()
    for (const [a, b] of severed) this.connect(a, b)
  }

  #isCut(x: PeerName, y: PeerName): boolean {
    return this.#cuts.some(({ a, b }) => (a.has(x) && b.has(y)) || (a.has(y) && b.has(x)))
  }
}

function linkKey(a: PeerName, b: PeerName): string {
  return JSON.stringify(a < b ? [a, b] : [b, a])
}
