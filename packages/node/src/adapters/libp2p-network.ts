import { generateKeyPair, generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { GossipSub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { MAX_BOOTSTRAP_PEERS, STOP_MS } from '../limits.ts'
import { type Logger, silentLogger } from '../ports/log.ts'
import type {
  GossipTopic,
  GossipValidator,
  Network,
  PeerName,
  RequestHandler,
  RequestOptions,
} from '../ports/network.ts'
import { NetworkError } from '../ports/network.ts'
import { systemClock } from './clock.ts'
import { GossipJudge } from './gossip-judge.ts'
import { AddressBook } from './libp2p-address-book.ts'
import { parsePeerAddress } from './libp2p-addresses.ts'
import { gossipService, Libp2pGossip } from './libp2p-gossip.ts'
import { DEFAULT_PEER_TIMING, PeerManager, type PeerTiming } from './libp2p-peer-manager.ts'
import { Libp2pRequests } from './libp2p-requests.ts'
import { PeerListeners } from './peer-listeners.ts'
import { systemRandom } from './random.ts'
import { Standings } from './standing.ts'

export interface Libp2pNetworkOptions {
  /** Hex prefix of the chain's identity; part of every topic and protocol name, so that two networks never mix. */
  readonly chainTag: string
  /** Multiaddrs to listen on, such as `/ip4/0.0.0.0/tcp/9000`. None: the node only dials. */
  readonly listen: readonly string[]
  /** Peers to start from and to stay connected to: multiaddrs that end in `/p2p/<peer id>`. */
  readonly bootstrap: readonly string[]
  /** 32 bytes from which the peer id is derived. Default: a new one each time. */
  readonly identitySeed?: Uint8Array
  /** All peers run on one host (a local devnet): loopback addresses are exchanged, IP colocation costs nothing. */
  readonly singleHost: boolean
  /** How many peers to look for. Twice as many and a few more may connect to us. */
  readonly targetPeers: number
  readonly log?: Logger
  /** For tests; see DEFAULT_PEER_TIMING and BAN_MS. */
  readonly timing?: Partial<PeerTiming>
  readonly banMs?: number
}

type Services = { readonly pubsub: GossipSub }

/**
 * Starts a libp2p node: TCP, noise, yamux, identify, ping and gossipsub (NET-1).
 *
 * @throws when an option is malformed or an address cannot be listened on. An unreachable bootstrap peer is no error:
 *   it is dialled until it answers.
 */
export async function createLibp2pNetwork(options: Libp2pNetworkOptions): Promise<Network> {
  const { chainTag, identitySeed, singleHost, targetPeers } = options
  if (!/^[0-9a-f]{1,64}$/.test(chainTag)) throw new TypeError(`chain tag "${chainTag}" is not lower-case hex`)
  const log = options.log ?? silentLogger
  const clock = systemClock
  const random = systemRandom
  const privateKey = identitySeed
    ? await generateKeyPairFromSeed('Ed25519', identitySeed)
    : await generateKeyPair('Ed25519')
  const self = peerIdFromPrivateKey(privateKey).toString()
  const timing = { ...DEFAULT_PEER_TIMING, ...options.timing }

  const book = new AddressBook({ self, clock, random, redialMs: timing.redialMs })
  for (const address of bootstrapAddresses(options.bootstrap)) book.addBootstrap(address)
  const listeners = new PeerListeners(log)
  const standings = new Standings({
    clock,
    banMs: options.banMs,
    onBan: (peer, reason) => {
      log.warn({ event: 'peer_banned', peer, reason })
      manager.hangUp(peer, `banned: ${reason}`)
    },
  })

  const node: Libp2p<Services> = await createLibp2p({
    privateKey,
    start: false,
    addresses: { listen: [...options.listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: {
      denyDialPeer: (peer) => standings.isBanned(peer.toString()),
      denyInboundEncryptedConnection: (peer) => standings.isBanned(peer.toString()),
    },
    connectionManager: {
      maxConnections: 2 * targetPeers + 16,
      // libp2p's five connections per second and host make nodes that start together fail with a misleading
      // EncryptionFailedError (G2).
      inboundConnectionThreshold: singleHost ? 1_000 : 50,
      maxIncomingPendingConnections: 256,
      inboundUpgradeTimeout: 5_000,
    },
    // The monitor's pings close a connection whose peer is busy; a slow verification must not look like death (G13).
    connectionMonitor: { pingTimeout: { minTimeout: 15_000 } },
    services: {
      identify: identify(),
      ping: ping(),
      pubsub: gossipService({ chainTag, singleHost, penaltyPoints: (peer) => standings.points(peer) }),
    },
  })

  const judge = new GossipJudge({ clock, standings, log })
  const gossip = new Libp2pGossip(node.services.pubsub, chainTag, judge, log)
  const requests: Libp2pRequests = new Libp2pRequests({
    node,
    clock,
    standings,
    log,
    connectionTo: (peer) => manager.connectionTo(peer),
    onInbound: (connection: Connection) => manager.confirm(connection),
  })
  const manager: PeerManager = new PeerManager({
    node,
    chainTag,
    clock,
    random,
    book,
    standings,
    listeners,
    log,
    timing,
    targetPeers,
    singleHost,
    gossipPeers: () => gossip.peers(),
    requests,
  })
  await manager.start()
  try {
    await node.start()
  } catch (error) {
    manager.stop()
    throw error
  }
  return new Libp2pNetwork({ self, node, chainTag, gossip, judge, requests, manager, listeners, standings, log })
}

function bootstrapAddresses(texts: readonly string[]): { peer: PeerName; address: string }[] {
  if (texts.length > MAX_BOOTSTRAP_PEERS) throw new RangeError(`more than ${MAX_BOOTSTRAP_PEERS} bootstrap addresses`)
  return texts.map((text) => {
    const parsed = parsePeerAddress(text, true)
    if (parsed === undefined) throw new TypeError(`bootstrap address "${text}" is not /<host>/tcp/<port>/p2p/<peer id>`)
    return parsed
  })
}

interface Parts {
  readonly self: PeerName
  readonly node: Libp2p<Services>
  readonly chainTag: string
  readonly gossip: Libp2pGossip
  readonly judge: GossipJudge
  readonly requests: Libp2pRequests
  readonly manager: PeerManager
  readonly listeners: PeerListeners
  readonly standings: Standings
  readonly log: Logger
}

/** The parts as one Network. */
class Libp2pNetwork implements Network {
  readonly self: PeerName
  readonly #parts: Parts
  #stopping: Promise<void> | undefined

  constructor(parts: Parts) {
    this.self = parts.self
    this.#parts = parts
  }

  addresses(): string[] {
    return this.#parts.node.getMultiaddrs().map((address) => address.toString())
  }

  peers(): PeerName[] {
    return this.#parts.manager.peers()
  }

  onPeer(listener: (peer: PeerName, event: 'connect' | 'disconnect') => void): () => void {
    return this.#parts.listeners.add(listener)
  }

  subscribe(topic: GossipTopic, validator: GossipValidator): void {
    if (this.#stopping === undefined) this.#parts.gossip.subscribe(topic, validator)
  }

  async publish(topic: GossipTopic, bytes: Uint8Array): Promise<number> {
    if (this.#stopping !== undefined) throw new NetworkError('STOPPED', 'publish')
    return this.#parts.gossip.publish(topic, bytes)
  }

  handle(protocol: string, handler: RequestHandler, limits: { readonly maxRequestBytes: number }): void {
    if (this.#stopping !== undefined) return
    // libp2p answers to the protocol at once; what may fail later is only the note in its peer store.
    this.#parts.requests
      .handle(this.#protocolName(protocol), handler, limits.maxRequestBytes)
      .catch((error) => this.#parts.log.warn({ event: 'handler_not_announced', protocol, error: String(error) }))
  }

  async request(peer: PeerName, protocol: string, request: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    if (this.#stopping !== undefined) throw new NetworkError('STOPPED', `request ${protocol}`)
    return this.#parts.requests.request(peer, this.#protocolName(protocol), request, options)
  }

  penalise(peer: PeerName, points: number, reason: string): void {
    this.#parts.standings.penalise(peer, points, reason)
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const { node, manager, requests, judge, listeners, log } = this.#parts
    listeners.clear()
    const connections = node.getConnections()
    manager.stop()
    requests.stop()
    judge.stop()
    const stopped = Promise.resolve(node.stop()).catch((error) => {
      log.warn({ event: 'libp2p_did_not_stop_cleanly', error: String(error) })
    })
    if (await within(STOP_MS, stopped)) return
    // A peer that no longer reads keeps gossipsub waiting for its stream to close.
    for (const connection of connections) connection.abort(new Error('the network is stopping'))
    if (!(await within(STOP_MS / 2, stopped))) log.warn({ event: 'libp2p_did_not_stop_in_time' })
  }

  #protocolName(protocol: string): string {
    return `/nacre/${this.#parts.chainTag}/req/${protocol}/1`
  }
}

/** Whether the promise settles within the time. */
function within(ms: number, promise: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = systemClock.after(ms, () => resolve(false))
    void promise.then(() => {
      cancel()
      resolve(true)
    })
  })
}
