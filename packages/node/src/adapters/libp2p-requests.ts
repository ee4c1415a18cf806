import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import {
  FRAME_SLACK_BYTES,
  MAX_INBOUND_STREAMS_PER_PEER,
  READ_REQUEST_MS,
  REQUEST_LIMITS,
  SERVE_LIMITS,
  SERVE_REQUEST_MS,
  SLOW_READER_POINTS,
  WRITE_ANSWER_MS,
} from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/log.ts'
import type { NetworkErrorCode, PeerName, RequestHandler, RequestOptions } from '../ports/network.ts'
import { NetworkError } from '../ports/network.ts'
import { Deadlines } from './deadlines.ts'
import { KeyedLimiter, LimiterFullError } from './keyed-limiter.ts'
import type { Standings } from './standing.ts'

/** Errors of lpStream and of the muxer that mean "longer than we take"; told apart by name, as libp2p advises. */
const TOO_LARGE_ERRORS: ReadonlySet<string> = new Set([
  'InvalidDataLengthError',
  'InvalidDataLengthLengthError',
  'StreamBufferError',
])

export interface RequestsOptions {
  readonly node: Libp2p
  readonly clock: Clock
  readonly standings: Standings
  readonly log: Logger
  /** An open connection to a peer. Requests never dial: whom to connect to is the peer manager's business. */
  readonly connectionTo: (peer: PeerName) => Connection | undefined
  /** Called with each request that comes in: whoever speaks our protocol names is of our network. */
  readonly onInbound: (connection: Connection) => void
}

/** Requests and answers, one length-prefixed frame each way on a stream of its own. */
export class Libp2pRequests {
  readonly #options: RequestsOptions
  readonly #asking = new KeyedLimiter(REQUEST_LIMITS)
  readonly #serving = new KeyedLimiter(SERVE_LIMITS)
  readonly #deadlines: Deadlines
  readonly #inbound = new Map<PeerName, number>()
  #stopped = false

  constructor(options: RequestsOptions) {
    this.#options = options
    this.#deadlines = new Deadlines(options.clock)
  }

  /** @param protocol the full protocol name. */
  async handle(protocol: string, handler: RequestHandler, maxRequestBytes: number): Promise<void> {
    const serve = (stream: Stream, connection: Connection): Promise<void> =>
      this.#serve(protocol, stream, connection, handler, maxRequestBytes)
    await this.#options.node.handle(protocol, serve, {
      maxInboundStreams: MAX_INBOUND_STREAMS_PER_PEER,
      force: true,
    })
  }

  async request(peer: PeerName, protocol: string, request: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    const bytes = new Uint8Array(request)
    const late = (): Error => new NetworkError('TIMEOUT', `${protocol}: no answer in ${options.timeoutMs} ms`)
    try {
      return await this.#deadlines.run(options.timeoutMs, late, (signal) =>
        this.#asking.run(peer, bytes.length, signal, () => this.#exchange(peer, protocol, bytes, signal, options)),
      )
    } catch (error) {
      if (error instanceof NetworkError) throw error
      if (error instanceof LimiterFullError) throw new NetworkError('PEER_UNREACHABLE', error.message)
      throw new NetworkError('CLOSED_WITHOUT_ANSWER', `${protocol} to ${peer}`, { cause: error })
    }
  }

  stop(): void {
    this.#stopped = true
    this.#deadlines.abortAll(new NetworkError('STOPPED', 'the network was stopped'))
  }

  async #exchange(
    peer: PeerName,
    protocol: string,
    request: Uint8Array,
    signal: AbortSignal,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    const fail = (code: NetworkErrorCode, cause: unknown): NetworkError =>
      new NetworkError(code, `${protocol} to ${peer}`, { cause })
    const connection = this.#options.connectionTo(peer)
    if (connection === undefined) throw fail('PEER_UNREACHABLE', undefined)
    let stream: Stream
    try {
      stream = await connection.newStream(protocol, { signal, maxOutboundStreams: MAX_INBOUND_STREAMS_PER_PEER })
    } catch (error) {
      throw fail(errorName(error) === 'UnsupportedProtocolError' ? 'PROTOCOL_UNSUPPORTED' : 'PEER_UNREACHABLE', error)
    }
    try {
      const frames = lpStream(stream, frameLimits(options.maxResponseBytes))
      await frames.write(request, { signal })
      const answer = await frames.read({ signal })
      const copy = new Uint8Array(answer.subarray())
      // Not awaited, the answer is here; with a deadline, since a peer that never closes must not keep the stream.
      void stream.close({ signal: AbortSignal.timeout(READ_REQUEST_MS) }).catch((error) => stream.abort(asError(error)))
      return copy
    } catch (error) {
      stream.abort(asError(error))
      throw fail(TOO_LARGE_ERRORS.has(errorName(error)) ? 'TOO_LARGE' : 'CLOSED_WITHOUT_ANSWER', error)
    }
  }

  /** Never rejects: whatever goes wrong resets the stream, which the other side sees as no answer. */
  async #serve(
    protocol: string,
    stream: Stream,
    connection: Connection,
    handler: RequestHandler,
    maxRequestBytes: number,
  ): Promise<void> {
    const peer = connection.remotePeer.toString()
    const open = this.#inbound.get(peer) ?? 0
    if (open >= MAX_INBOUND_STREAMS_PER_PEER || this.#options.standings.isBanned(peer)) {
      stream.abort(new Error('too many streams'))
      return
    }
    this.#inbound.set(peer, open + 1)
    try {
      // Attached before anything is awaited: bytes that arrive without a reader are lost.
      const frames = lpStream(stream, frameLimits(maxRequestBytes))
      this.#options.onInbound(connection)
      const request = await this.#deadlines.run(READ_REQUEST_MS, lateError('request not read'), async (signal) => {
        const frame = await frames.read({ signal })
        return new Uint8Array(frame.subarray())
      })
      await this.#whenFree(peer, request.length, () => this.#answer(peer, frames, stream, request, handler))
    } catch (error) {
      this.#options.log.debug({ event: 'request_not_answered', peer, protocol, error: String(error) })
      stream.abort(asError(error))
    } finally {
      const left = (this.#inbound.get(peer) ?? 1) - 1
      if (left > 0) this.#inbound.set(peer, left)
      else this.#inbound.delete(peer)
    }
  }

  /** Waits for a slot, with a deadline; the task then has deadlines of its own. */
  async #whenFree(peer: PeerName, bytes: number, task: () => Promise<void>): Promise<void> {
    const waiting = new AbortController()
    const cancel = this.#options.clock.after(SERVE_REQUEST_MS, () => waiting.abort(new Error('no slot in time')))
    try {
      await this.#serving.run(peer, bytes, waiting.signal, task)
    } finally {
      cancel()
    }
  }

  /** Holds a slot from the handler's start to the last byte sent, so a client that reads slowly pays for it. */
  async #answer(
    peer: PeerName,
    frames: ReturnType<typeof lpStream>,
    stream: Stream,
    request: Uint8Array,
    handler: RequestHandler,
  ): Promise<void> {
    if (this.#stopped) return
    const answer = await this.#deadlines.run(SERVE_REQUEST_MS, lateError('handler too slow'), () =>
      handler(peer, request),
    )
    const late = (): Error => {
      this.#options.standings.penalise(peer, SLOW_READER_POINTS, 'answer not read')
      return new Error('answer not read in time')
    }
    await this.#deadlines.run(WRITE_ANSWER_MS, late, async (signal) => {
      await frames.write(answer, { signal })
      await stream.close({ signal })
    })
  }
}

/** Both limits, or large answers fail at the default of the other one (G7). */
function frameLimits(maxDataLength: number): { maxDataLength: number; maxBufferSize: number } {
  return { maxDataLength, maxBufferSize: maxDataLength + FRAME_SLACK_BYTES }
}

function lateError(message: string): () => Error {
  return () => new Error(message)
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

function errorName(error: unknown): string {
  return error instanceof Error ? error.name : ''
}
