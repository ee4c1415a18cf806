import {
  MAX_ADDRESSES_PER_PEER,
  MAX_DIAL_FAILURES,
  MAX_EXCHANGED_ADDRESSES,
  MAX_KNOWN_PEERS,
  MAX_KNOWN_PEERS_PER_SOURCE,
} from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { PeerName } from '../ports/network.ts'
import type { Random } from '../ports/random.ts'
import type { PeerAddress } from './libp2p-addresses.ts'

/** Where to find a peer and how that has gone so far. */
export interface KnownPeer {
  readonly name: PeerName
  readonly bootstrap: boolean
  readonly addresses: readonly string[]
  /** When we last learned of it or lost it: see the dial grace of the peer manager. */
  readonly sinceMs: number
}

interface Entry extends KnownPeer {
  addresses: string[]
  sinceMs: number
  /** Who told us; undefined for bootstrap peers and for peers that connected to us. */
  source: PeerName | undefined
  /** Whether it has ever been connected, which is the only proof that it exists. */
  reached: boolean
  connected: boolean
  failures: number
  nextDialMs: number
}

export interface AddressBookOptions {
  readonly self: PeerName
  readonly clock: Clock
  readonly random: Random
  readonly redialMs: number
}

const MAX_REDIAL_MS = 60_000
/** A connection that lasted this long was a good one: the peer's failures are forgotten. */
const STABLE_MS = 30_000
/** After this many failures in a row a peer may have moved, so that others' word on its address counts again. */
const MAYBE_MOVED_FAILURES = 3
const SHARED_ADDRESSES_PER_PEER = 2

/** Bounded memory of peers' addresses, with jittered exponential backoff between dials (G3: libp2p keeps none). */
export class AddressBook {
  readonly #options: AddressBookOptions
  readonly #entries = new Map<PeerName, Entry>()

  constructor(options: AddressBookOptions) {
    this.#options = options
  }

  /** Adds a peer of the operator's choice, never forgotten. */
  addBootstrap({ peer, address }: PeerAddress): void {
    const known = this.#entries.get(peer)
    if (known !== undefined) known.addresses.push(address)
    else if (peer !== this.#options.self) this.#entries.set(peer, this.#newEntry(peer, [address], true, undefined))
  }

  /**
   * Takes in addresses that `source` gave for a peer. A peer's own word replaces what was known; hearsay counts only
   * while it has not been reached or seems to have moved.
   */
  learn(name: PeerName, addresses: readonly string[], source: PeerName): void {
    const some = addresses.slice(0, MAX_ADDRESSES_PER_PEER)
    const entry = this.#entries.get(name)
    if (name === this.#options.self || some.length === 0) return
    if (entry === undefined) {
      const hearsay = source === name ? undefined : source
      if (this.#makeRoom(hearsay)) this.#entries.set(name, this.#newEntry(name, some, false, hearsay))
    } else if (source === name && !entry.bootstrap) {
      entry.addresses = some
    } else if (!entry.reached || entry.failures >= MAYBE_MOVED_FAILURES) {
      // The newest come first; the configured address of a bootstrap peer always stays.
      const kept = entry.addresses.filter((address) => !some.includes(address))
      const merged = entry.bootstrap ? [...kept, ...some] : [...some, ...kept]
      entry.addresses = merged.slice(0, MAX_ADDRESSES_PER_PEER)
    }
  }

  connected(name: PeerName): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    entry.connected = true
    entry.reached = true
  }

  /** @param stayedMs how long the connection was of use; 0 if it never was. */
  disconnected(name: PeerName, stayedMs: number): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    entry.connected = false
    entry.sinceMs = this.#options.clock.nowMs()
    // A peer that lets us in and hangs up at once (it is full, or bans us) is a failure, or we would dial in a loop.
    if (stayedMs >= STABLE_MS) entry.failures = 0
    this.failed(name)
  }

  /** Counts a failed dial: the next one waits twice as long, and at some point the peer is forgotten. */
  failed(name: PeerName): void {
    const entry = this.#entries.get(name)
    if (entry === undefined || entry.connected) return
    entry.failures += 1
    const limit = entry.reached ? MAX_DIAL_FAILURES : MAYBE_MOVED_FAILURES
    if (entry.failures >= limit && !entry.bootstrap) this.#entries.delete(name)
    const { clock, random, redialMs } = this.#options
    const backoffMs = Math.min(MAX_REDIAL_MS, redialMs * 2 ** Math.min(entry.failures - 1, 16))
    entry.nextDialMs = clock.nowMs() + backoffMs * (0.5 + random.below(1000) / 1000)
  }

  /** Forgets a peer that is not of our network, unless the operator insists on it. */
  foreign(name: PeerName): void {
    if (this.#entries.get(name)?.bootstrap === false) this.#entries.delete(name)
  }

  /** Peers that may be dialled now: bootstrap peers first, the others in random order. */
  due(): KnownPeer[] {
    const nowMs = this.#options.clock.nowMs()
    const due = [...this.#entries.values()].filter((entry) => !entry.connected && entry.nextDialMs <= nowMs)
    return [...due.filter((entry) => entry.bootstrap), ...this.#shuffle(due.filter((entry) => !entry.bootstrap))]
  }

  /** Addresses of connected peers, for someone else to dial. Only what we have seen alive is passed on. */
  share(asker: PeerName): string[] {
    const live = [...this.#entries.values()].filter((entry) => entry.connected && entry.name !== asker)
    const addresses = this.#shuffle(live).flatMap((entry) => entry.addresses.slice(0, SHARED_ADDRESSES_PER_PEER))
    return addresses.slice(0, MAX_EXCHANGED_ADDRESSES)
  }

  get size(): number {
    return this.#entries.size
  }

  #newEntry(name: PeerName, addresses: string[], bootstrap: boolean, source: PeerName | undefined): Entry {
    const nowMs = this.#options.clock.nowMs()
    const fresh = { reached: false, connected: false, failures: 0, nextDialMs: nowMs, sinceMs: nowMs }
    return { name, addresses, bootstrap, source, ...fresh }
  }

  /** @returns whether one more peer fits, after evicting the least promising one if need be. */
  #makeRoom(source: PeerName | undefined): boolean {
    const entries = [...this.#entries.values()]
    const fromSource = entries.filter((entry) => entry.source === source && !entry.reached).length
    if (source !== undefined && fromSource >= MAX_KNOWN_PEERS_PER_SOURCE) return false
    if (entries.length < MAX_KNOWN_PEERS) return true
    const idle = entries.filter((entry) => !entry.connected && !entry.bootstrap)
    const worst = idle.sort((a, b) => Number(a.reached) - Number(b.reached) || b.failures - a.failures)[0]
    // A newcomer that is only hearsay does not displace a peer that was once reached.
    if (worst === undefined || (worst.reached && source !== undefined)) return false
    return this.#entries.delete(worst.name)
  }

  #shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i -= 1) {
      const j = this.#options.random.below(i + 1)
      ;[items[i], items[j]] = [items[j]!, items[i]!]
    }
    return items
  }
}
