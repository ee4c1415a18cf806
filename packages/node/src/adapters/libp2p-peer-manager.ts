import type { Connection, IdentifyResult, Libp2p, PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { DIAL_MS, MAX_ADDRESS_CHARS, MAX_EXCHANGED_ADDRESSES, MAX_PARALLEL_DIALS } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/log.ts'
import type { PeerName } from '../ports/network.ts'
import type { Random } from '../ports/random.ts'
import type { AddressBook, KnownPeer } from './libp2p-address-book.ts'
import { decodeAddresses, encodeAddresses, parsePeerAddress } from './libp2p-addresses.ts'
import type { Libp2pRequests } from './libp2p-requests.ts'
import type { PeerListeners } from './peer-listeners.ts'
import type { Standings } from './standing.ts'

/** How often and how patiently peers are looked for. Tests shorten these; the defaults are for real networks. */
export interface PeerTiming {
  /** Between two looks at what is to be done. */
  readonly maintainMs: number
  /** Between two questions for addresses, while there are too few peers. */
  readonly exchangeMs: number
  /** How long the peer with the higher name leaves dialling to the other one (G15). */
  readonly dialGraceMs: number
  /** The first redial; it doubles with each failure up to a minute. */
  readonly redialMs: number
  /** A new connection must have shown by then that it is of our network. */
  readonly identifyMs: number
  /** A connection without gossip in both directions for this long is closed and made anew (G6). */
  readonly deafMs: number
}

export const DEFAULT_PEER_TIMING: PeerTiming = {
  maintainMs: 1_000,
  exchangeMs: 10_000,
  dialGraceMs: 5_000,
  redialMs: 1_000,
  identifyMs: 10_000,
  deafMs: 10_000,
}

export interface PeerManagerOptions {
  readonly node: Libp2p
  readonly chainTag: string
  readonly clock: Clock
  readonly random: Random
  readonly book: AddressBook
  readonly standings: Standings
  readonly listeners: PeerListeners
  readonly log: Logger
  readonly timing: PeerTiming
  readonly targetPeers: number
  readonly singleHost: boolean
  /** Peers that gossip is exchanged with. */
  readonly gossipPeers: () => ReadonlySet<PeerName>
  readonly requests: Libp2pRequests
}

interface Link {
  readonly id: PeerId
  readonly openedMs: number
  /** When the peer showed that it is of our network, and listeners were told. */
  readyMs: number | undefined
  /** Last time gossip could flow both ways. */
  hearingMs: number
}

const MAX_EXCHANGE_BYTES = MAX_EXCHANGED_ADDRESSES * (MAX_ADDRESS_CHARS + 1)
const EXCHANGE_MS = 5_000
const GOSSIP_PROTOCOL_PREFIX = '/meshsub/'

/**
 * Finds peers and keeps them: libp2p 3 itself dials nobody (G3). Bootstrap peers are always kept connected; the rest
 * come from asking connected peers for addresses until there are `targetPeers`.
 */
export class PeerManager {
  readonly #options: PeerManagerOptions
  readonly #exchangeProtocol: string
  readonly #links = new Map<PeerName, Link>()
  readonly #dialling = new Set<PeerName>()
  readonly #stopping = new AbortController()
  #cancelTimer: () => void = () => {}
  #nextExchangeMs = 0

  constructor(options: PeerManagerOptions) {
    this.#options = options
    this.#exchangeProtocol = `/nacre/${options.chainTag}/peers/1`
  }

  /** To be called before the node starts, so that no connection is missed. */
  async start(): Promise<void> {
    const { node, book, requests } = this.#options
    node.addEventListener('connection:open', ({ detail }) => this.#opened(detail))
    node.addEventListener('peer:identify', ({ detail }) => this.#identified(detail))
    node.addEventListener('peer:disconnect', ({ detail }) => this.#disconnected(detail))
    await requests.handle(this.#exchangeProtocol, async (from) => encodeAddresses(book.share(from)), 0)
    // Jittered, so that nodes started together do not dial their bootstrap peer at the same instant (G2).
    this.#schedule(this.#options.random.below(this.#options.timing.maintainMs))
  }

  stop(): void {
    this.#cancelTimer()
    this.#stopping.abort(new Error('the network is stopping'))
    this.#links.clear()
  }

  peers(): PeerName[] {
    return [...this.#links].filter(([, link]) => link.readyMs !== undefined).map(([name]) => name)
  }

  /** An open connection to one of {@link peers}. */
  connectionTo(name: PeerName): Connection | undefined {
    return this.#links.get(name)?.readyMs === undefined ? undefined : this.#openConnection(name)
  }

  /** A peer spoke one of our protocols: it is of our network, even if identify is not through yet. */
  confirm(connection: Connection): void {
    this.#opened(connection)
    this.#ready(connection.remotePeer)
  }

  hangUp(name: PeerName, reason: string): void {
    for (const connection of this.#connections(name)) connection.abort(new Error(reason))
  }

  #openConnection(name: PeerName): Connection | undefined {
    return this.#connections(name).find((connection) => connection.status === 'open')
  }

  #connections(name: PeerName): Connection[] {
    const link = this.#links.get(name)
    return link === undefined ? [] : this.#options.node.getConnections(link.id)
  }

  #opened(connection: Connection): void {
    const name = connection.remotePeer.toString()
    // Peers are counted, not connections: two that dial each other at once have two of these (G15).
    if (this.#links.has(name) || connection.status !== 'open' || this.#stopping.signal.aborted) return
    const nowMs = this.#options.clock.nowMs()
    this.#links.set(name, { id: connection.remotePeer, openedMs: nowMs, readyMs: undefined, hearingMs: nowMs })
  }

  #identified(result: IdentifyResult): void {
    const name = result.peerId.toString()
    if (!result.protocols.includes(this.#exchangeProtocol)) {
      this.#options.book.foreign(name)
      this.hangUp(name, 'not of this network')
      return
    }
    const listens = result.signedPeerRecord?.addresses ?? result.listenAddrs
    const addresses = listens.flatMap((address) => {
      const parsed = parsePeerAddress(`${address.toString()}/p2p/${name}`, this.#options.singleHost)
      return parsed?.address ?? []
    })
    this.#options.book.learn(name, addresses, name)
    this.#opened(result.connection)
    this.#ready(result.peerId)
  }

  #ready(id: PeerId): void {
    const name = id.toString()
    const link = this.#links.get(name)
    if (link === undefined || this.#openConnection(name) === undefined) return
    this.#options.book.connected(name)
    if (link.readyMs !== undefined) return
    link.readyMs = this.#options.clock.nowMs()
    this.#options.listeners.emit(name, 'connect')
    if (this.#missing() > 0) void this.#exchange(name)
  }

  #disconnected(id: PeerId): void {
    const name = id.toString()
    const link = this.#links.get(name)
    if (link === undefined) return
    this.#links.delete(name)
    const { book, clock, listeners } = this.#options
    book.disconnected(name, link.readyMs === undefined ? 0 : clock.nowMs() - link.readyMs)
    if (link.readyMs !== undefined) listeners.emit(name, 'disconnect')
  }

  #schedule(delayMs: number): void {
    this.#cancelTimer = this.#options.clock.after(delayMs, () => {
      this.#maintain()
      const { random, timing } = this.#options
      this.#schedule(timing.maintainMs / 2 + random.below(timing.maintainMs))
    })
  }

  #maintain(): void {
    this.#dropUseless()
    this.#dialDue()
    const { clock, random } = this.#options
    const peers = this.peers()
    if (this.#missing() === 0 || peers.length === 0 || clock.nowMs() < this.#nextExchangeMs) return
    void this.#exchange(peers[random.below(peers.length)]!)
  }

  #missing(): number {
    return Math.max(0, this.#options.targetPeers - this.peers().length)
  }

  /** Closes connections that never became a peer, and those on which gossip has gone silent for good. */
  #dropUseless(): void {
    const { clock, timing, log } = this.#options
    const nowMs = clock.nowMs()
    const gossipPeers = this.#options.gossipPeers()
    for (const [name, link] of [...this.#links]) {
      const connections = this.#connections(name)
      // Belt and braces: an event libp2p failed to send must not leave a peer that is not there.
      if (connections.length === 0 && nowMs - link.openedMs > timing.identifyMs) this.#disconnected(link.id)
      if (link.readyMs === undefined) {
        if (nowMs - link.openedMs > timing.identifyMs) this.hangUp(name, 'did not identify in time')
      } else if (gossipPeers.has(name) && canGossip(connections)) {
        link.hearingMs = nowMs
      } else if (nowMs - link.hearingMs > timing.deafMs) {
        log.warn({ event: 'gossip_lost_reconnecting', peer: name })
        this.hangUp(name, 'gossip stream lost')
      }
    }
  }

  #dialDue(): void {
    let missing = this.#missing() - this.#dialling.size
    for (const peer of this.#options.book.due()) {
      if (this.#dialling.size >= MAX_PARALLEL_DIALS) return
      if (!peer.bootstrap && missing <= 0) return
      if (this.#links.has(peer.name) || this.#dialling.has(peer.name) || !this.#mayDial(peer)) continue
      missing -= 1
      void this.#dial(peer)
    }
  }

  /** One of two peers dials, the one with the lower name; the other one only after a grace, should that not work. */
  #mayDial(peer: KnownPeer): boolean {
    const { node, clock, timing, standings } = this.#options
    if (standings.isBanned(peer.name)) return false
    if (peer.bootstrap || node.peerId.toString() < peer.name) return true
    return clock.nowMs() - peer.sinceMs >= timing.dialGraceMs
  }

  async #dial(peer: KnownPeer): Promise<void> {
    const { node, book, log } = this.#options
    this.#dialling.add(peer.name)
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(DIAL_MS), this.#stopping.signal])
      await node.dial(
        peer.addresses.map((address) => multiaddr(address)),
        { signal },
      )
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      book.failed(peer.name)
      log.debug({ event: 'dial_failed', peer: peer.name, error: String(error) })
    } finally {
      this.#dialling.delete(peer.name)
    }
  }

  async #exchange(name: PeerName): Promise<void> {
    const { requests, book, singleHost, log, clock, random, timing } = this.#options
    this.#nextExchangeMs = clock.nowMs() + timing.exchangeMs / 2 + random.below(timing.exchangeMs)
    const limits = { timeoutMs: EXCHANGE_MS, maxResponseBytes: MAX_EXCHANGE_BYTES }
    try {
      const answer = await requests.request(name, this.#exchangeProtocol, new Uint8Array(), limits)
      for (const { peer, address } of decodeAddresses(answer, singleHost)) book.learn(peer, [address], name)
      if (!this.#stopping.signal.aborted) this.#dialDue()
    } catch (error) {
      log.debug({ event: 'peer_exchange_failed', peer: name, error: String(error) })
    }
  }
}

/**
 * Whether gossipsub has a stream each way; one that is lost is not opened again as long as the connection lasts.
 * gossipsub writes nothing to a stream the peer opened, so a closed write side there is how it marks one it has given
 * up reading, while the stream itself goes on counting as open.
 */
function canGossip(connections: readonly Connection[]): boolean {
  const streams = connections
    .flatMap((connection) => connection.streams)
    .filter((stream) => stream.protocol.startsWith(GOSSIP_PROTOCOL_PREFIX) && stream.writeStatus === 'writable')
  return (
    streams.some((stream) => stream.direction === 'outbound') &&
    streams.some((stream) => stream.direction === 'inbound' && stream.remoteWriteStatus === 'writable')
  )
}
