import {
  GOSSIP_SEEN_MS,
  MAX_GOSSIP_BYTES,
  MAX_SEEN_MESSAGES,
  REQUEST_LIMITS,
  SERVE_LIMITS,
  SERVE_REQUEST_MS,
} from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/log.ts'
import type {
  GossipTopic,
  GossipValidator,
  Network,
  NetworkErrorCode,
  PeerName,
  RequestHandler,
  RequestOptions,
} from '../ports/network.ts'
import { NetworkError } from '../ports/network.ts'
import { Deadlines } from './deadlines.ts'
import { GossipJudge, gossipMessageId } from './gossip-judge.ts'
import { KeyedLimiter, LimiterFullError } from './keyed-limiter.ts'
import type { MemoryLink } from './memory-link.ts'
import { PeerListeners } from './peer-listeners.ts'
import { Standings } from './standing.ts'

export interface MemoryPeerOptions {
  readonly name: PeerName
  readonly clock: Clock
  readonly banMs: number | undefined
  readonly log: Logger
  readonly hangUp: (peer: PeerName) => void
  readonly leave: () => void
  readonly peer: (name: PeerName) => MemoryPeer | undefined
}

type Answer = { readonly bytes: Uint8Array } | { readonly failure: NetworkErrorCode }

interface Handler {
  readonly handle: RequestHandler
  readonly maxRequestBytes: number
}

/** One peer of a MemoryHub. */
export class MemoryPeer implements Network {
  readonly self: PeerName
  readonly #options: MemoryPeerOptions
  readonly #links = new Map<PeerName, MemoryLink>()
  readonly #listeners: PeerListeners
  readonly #topics = new Map<GossipTopic, GossipValidator>()
  readonly #handlers = new Map<string, Handler>()
  readonly #seenUntilMs = new Map<string, number>()
  readonly #standings: Standings
  readonly #judge: GossipJudge
  readonly #asking = new KeyedLimiter(REQUEST_LIMITS)
  readonly #serving = new KeyedLimiter(SERVE_LIMITS)
  readonly #deadlines: Deadlines
  #stopped = false

  constructor(options: MemoryPeerOptions) {
    const { clock, banMs, log } = options
    this.self = options.name
    this.#options = options
    this.#listeners = new PeerListeners(log)
    this.#standings = new Standings({ clock, banMs, onBan: (peer) => options.hangUp(peer) })
    this.#judge = new GossipJudge({ clock, standings: this.#standings, log })
    this.#deadlines = new Deadlines(clock)
  }

  addresses(): string[] {
    return [`/memory/${this.self}`]
  }

  peers(): PeerName[] {
    return [...this.#links.keys()]
  }

  onPeer(listener: (peer: PeerName, event: 'connect' | 'disconnect') => void): () => void {
    return this.#listeners.add(listener)
  }

  subscribe(topic: GossipTopic, validator: GossipValidator): void {
    this.#topics.set(topic, validator)
  }

  async publish(topic: GossipTopic, bytes: Uint8Array): Promise<number> {
    if (this.#stopped) throw new NetworkError('STOPPED', 'publish')
    if (bytes.length > MAX_GOSSIP_BYTES) throw new NetworkError('TOO_LARGE', `gossip of ${bytes.length} bytes`)
    // As with gossipsub: what nobody can hear is not remembered as said.
    if (this.#links.size === 0) return 0
    return this.#see(topic, bytes) ? this.#flood(topic, new Uint8Array(bytes), undefined) : 0
  }

  handle(protocol: string, handler: RequestHandler, limits: { readonly maxRequestBytes: number }): void {
    this.#handlers.set(protocol, { handle: handler, maxRequestBytes: limits.maxRequestBytes })
  }

  async request(peer: PeerName, protocol: string, request: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    if (this.#stopped) throw new NetworkError('STOPPED', `request ${protocol}`)
    const bytes = new Uint8Array(request)
    const late = (): Error => new NetworkError('TIMEOUT', `${protocol}: no answer in ${options.timeoutMs} ms`)
    try {
      return await this.#deadlines.run(options.timeoutMs, late, (signal) =>
        this.#asking.run(peer, bytes.length, signal, () => this.#exchange(peer, protocol, bytes, signal, options)),
      )
    } catch (error) {
      if (error instanceof LimiterFullError) throw new NetworkError('PEER_UNREACHABLE', error.message)
      throw error
    }
  }

  penalise(peer: PeerName, points: number, reason: string): void {
    this.#standings.penalise(peer, points, reason)
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#listeners.clear()
    this.#deadlines.abortAll(new NetworkError('STOPPED', 'the network was stopped'))
    this.#judge.stop()
    this.#options.leave()
  }

  /** @returns what tells the listeners: to be called once both ends are attached. */
  attach(peer: PeerName, link: MemoryLink): () => void {
    this.#links.set(peer, link)
    return () => this.#listeners.emit(peer, 'connect')
  }

  detach(peer: PeerName): () => void {
    this.#links.delete(peer)
    return () => this.#listeners.emit(peer, 'disconnect')
  }

  refuses(peer: PeerName): boolean {
    return this.#stopped || this.#standings.isBanned(peer)
  }

  #flood(topic: GossipTopic, bytes: Uint8Array, except: PeerName | undefined): number {
    let sent = 0
    for (const [name, link] of this.#links) {
      const peer = this.#options.peer(name)
      if (name === except || peer === undefined || !peer.#topics.has(topic)) continue
      if (link.send(name, () => void peer.#receive(this.self, topic, bytes))) sent += 1
    }
    return sent
  }

  async #receive(from: PeerName, topic: GossipTopic, bytes: Uint8Array): Promise<void> {
    const validator = this.#topics.get(topic)
    if (this.#stopped || validator === undefined || !this.#see(topic, bytes)) return
    const verdict = await this.#judge.judge(from, bytes, validator)
    if (verdict === 'accept' && !this.#stopped) this.#flood(topic, bytes, from)
  }

  /** @returns whether the message is new. Like gossipsub's, the cache is final: an ignored message never comes back (G8). */
  #see(topic: GossipTopic, bytes: Uint8Array): boolean {
    const nowMs = this.#options.clock.nowMs()
    for (const [oldest, untilMs] of this.#seenUntilMs) {
      if (untilMs > nowMs && this.#seenUntilMs.size < MAX_SEEN_MESSAGES) break
      this.#seenUntilMs.delete(oldest)
    }
    const id = Buffer.from(gossipMessageId(topic, bytes)).toString('hex')
    if (this.#seenUntilMs.has(id)) return false
    this.#seenUntilMs.set(id, nowMs + GOSSIP_SEEN_MS)
    return true
  }

  #exchange(
    name: PeerName,
    protocol: string,
    request: Uint8Array,
    signal: AbortSignal,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const fail = (code: NetworkErrorCode): void => reject(new NetworkError(code, `${protocol} to ${name}`))
      const link = this.#links.get(name)
      const peer = this.#options.peer(name)
      if (link === undefined || peer === undefined) return fail('PEER_UNREACHABLE')
      // The slot is freed whichever comes first: the answer, the end of the connection, or the deadline.
      const closed = (): void => fail('CLOSED_WITHOUT_ANSWER')
      link.closed.addEventListener('abort', closed, { once: true })
      const late = (): void => {
        link.closed.removeEventListener('abort', closed)
        reject(signal.reason)
      }
      signal.addEventListener('abort', late, { once: true })
      const settle = (answer: Answer): void => {
        link.closed.removeEventListener('abort', closed)
        if ('failure' in answer) fail(answer.failure)
        else if (answer.bytes.length > options.maxResponseBytes) fail('TOO_LARGE')
        else resolve(answer.bytes)
      }
      const sent = link.send(name, () => {
        void peer.#serve(this.self, protocol, request).then((answer) => {
          if (!link.send(this.self, () => settle(answer))) settle({ failure: 'CLOSED_WITHOUT_ANSWER' })
        })
      })
      if (!sent) settle({ failure: 'CLOSED_WITHOUT_ANSWER' })
    })
  }

  /** Never rejects. */
  async #serve(from: PeerName, protocol: string, request: Uint8Array): Promise<Answer> {
    const handler = this.#handlers.get(protocol)
    if (handler === undefined) return { failure: 'PROTOCOL_UNSUPPORTED' }
    if (request.length > handler.maxRequestBytes) return { failure: 'CLOSED_WITHOUT_ANSWER' }
    const late = (): Error => new Error(`no answer in ${SERVE_REQUEST_MS} ms`)
    try {
      const answer = await this.#deadlines.run(SERVE_REQUEST_MS, late, (signal) =>
        this.#serving.run(from, request.length, signal, () =>
          this.#deadlines.run(SERVE_REQUEST_MS, late, () => handler.handle(from, new Uint8Array(request))),
        ),
      )
      return { bytes: new Uint8Array(answer) }
    } catch (error) {
      this.#options.log.debug({ event: 'request_not_answered', peer: from, protocol, error: String(error) })
      return { failure: 'CLOSED_WITHOUT_ANSWER' }
    }
  }
}
