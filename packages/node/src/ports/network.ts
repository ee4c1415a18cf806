/**
 * The network as a port (NET-5). One compliance suite (`test/network-compliance.ts`) runs against every adapter.
 *
 * Messages are opaque bytes here: what they mean is decided above, by protocol code.
 */
export type GossipVerdict = 'accept' | 'ignore' | 'reject'

/** Opaque, printable identity of a peer (a libp2p peer id on libp2p). */
export type PeerName = string

export type GossipTopic = 'block' | 'transaction'

/** Judges a gossip message before it is forwarded. Never throws; heavy work goes to workers. */
export type GossipValidator = (from: PeerName, bytes: Uint8Array) => Promise<GossipVerdict>

/** Answers one request. A thrown error closes the exchange without an answer. */
export type RequestHandler = (from: PeerName, request: Uint8Array) => Promise<Uint8Array>

export interface RequestOptions {
  readonly timeoutMs: number
  readonly maxResponseBytes: number
}

/** Why a request got no answer. */
export type NetworkErrorCode =
  | 'PEER_UNREACHABLE'
  | 'PROTOCOL_UNSUPPORTED'
  | 'TIMEOUT'
  | 'TOO_LARGE'
  | 'CLOSED_WITHOUT_ANSWER'
  | 'STOPPED'

export class NetworkError extends Error {
  readonly code: NetworkErrorCode
  constructor(code: NetworkErrorCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options)
    this.name = 'NetworkError'
    this.code = code
  }
}

export interface Network {
  readonly self: PeerName
  /** Addresses others can dial, printable. */
  addresses(): string[]
  /** Connected peers, each once however many connections there are. */
  peers(): PeerName[]
  /** Called after a peer connects (once per peer) and after its last connection closes. Returns an unsubscribe function. */
  onPeer(listener: (peer: PeerName, event: 'connect' | 'disconnect') => void): () => void
  /** Subscribes to a topic; a message the validator accepts is forwarded to others. One subscription per topic. */
  subscribe(topic: GossipTopic, validator: GossipValidator): void
  /** Sends to the topic's mesh. Resolves with the number of peers it was sent to. `bytes` above `maxGossipBytes` is a NetworkError TOO_LARGE. */
  publish(topic: GossipTopic, bytes: Uint8Array): Promise<number>
  /** Registers the one handler of a request protocol such as `headers`. Requests above `maxRequestBytes` are dropped. */
  handle(protocol: string, handler: RequestHandler, limits: { readonly maxRequestBytes: number }): void
  /** Sends one request and waits for its answer. Rejects with {@link NetworkError} and nothing else. */
  request(peer: PeerName, protocol: string, request: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /** Lowers a peer's score; at `banScore` it is disconnected and refused for `banMs`. */
  penalise(peer: PeerName, points: number, reason: string): void
  /** Closes everything; pending requests reject with STOPPED. Idempotent. */
  stop(): Promise<void>
}
