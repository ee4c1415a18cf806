/**
 * The network as a port (NET-5). One compliance suite (`test/network-compliance.ts`) runs against every adapter.
 *
 * Messages are opaque bytes here: what they mean is decided above, by protocol code.
 */
export type GossipVerdict = 'accept' | 'ignore' | 'reject'

/** Opaque, printable identity of a peer (a libp2p peer id on libp2p). */
export type PeerName = string

export type GossipTopic = 'block' | 'transaction'

/**
 * Judges a gossip message before it is forwarded. `bytes` is the validator's own copy.
 *
 * Heavy work goes to workers: a validator that throws, or takes longer than GOSSIP_VALIDATION_MS, counts as 'ignore', and
 * so does a message for which there is no room in the queue. Each 'reject' costs the sender REJECT_POINTS.
 * A verdict is final: equal bytes are not shown again for GOSSIP_SEEN_MS, whoever sends them. What is ignored because
 * something is still missing must be kept and judged again by the caller.
 */
export type GossipValidator = (from: PeerName, bytes: Uint8Array) => Promise<GossipVerdict>

/** Answers one request, within SERVE_REQUEST_MS. A thrown error closes the exchange without an answer. */
export type RequestHandler = (from: PeerName, request: Uint8Array) => Promise<Uint8Array>

export interface RequestOptions {
  readonly timeoutMs: number
  readonly maxResponseBytes: number
}

/**
 * Why a request got no answer. PEER_UNREACHABLE: not one of `peers()`, or too many requests are already waiting for it;
 * either way nothing was sent, and the peer is not to blame. CLOSED_WITHOUT_ANSWER: it refused, failed or went away.
 * TOO_LARGE: the answer exceeds the caller's limit.
 */
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
  /**
   * Called after a peer connects (once per peer) and after its last connection closes, but not after `stop()` was called.
   * Returns an unsubscribe function.
   */
  onPeer(listener: (peer: PeerName, event: 'connect' | 'disconnect') => void): () => void
  /**
   * Subscribes to a topic; a message the validator accepts is forwarded to others. One subscription per topic: a second
   * call replaces the validator. Our own messages do not come back.
   */
  subscribe(topic: GossipTopic, validator: GossipValidator): void
  /**
   * Sends to the peers subscribed to the topic. Resolves with the number of them: 0 if there are none, or if these bytes
   * were sent or received before. Rejects with {@link NetworkError}: TOO_LARGE above MAX_GOSSIP_BYTES, STOPPED.
   */
  publish(topic: GossipTopic, bytes: Uint8Array): Promise<number>
  /**
   * Registers the one handler of a request protocol such as `headers`; a second call replaces it. Requests above
   * `maxRequestBytes` are dropped. `maxRequestBytes` is also what each open request may cost in memory.
   */
  handle(protocol: string, handler: RequestHandler, limits: { readonly maxRequestBytes: number }): void
  /**
   * Sends one request to one of `peers()` and waits for its answer. `timeoutMs` includes waiting for a free slot.
   * Rejects with {@link NetworkError} and nothing else.
   */
  request(peer: PeerName, protocol: string, request: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /** Adds penalty points, forgiven with time. At BAN_SCORE the peer is disconnected and refused for BAN_MS. */
  penalise(peer: PeerName, points: number, reason: string): void
  /** Closes everything, within a few seconds even if a peer hangs; pending requests reject with STOPPED. Idempotent. */
  stop(): Promise<void>
}
