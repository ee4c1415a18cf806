/** The HTTP server of the API. It owns connections and bounds; what a request does is elsewhere. */
import { randomBytes } from 'node:crypto'
import { isLoopback, namesThisHost } from '@nacre/node/rpc-client'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { untilAborted } from '../swarm/fan-out.ts'
import type { ScoreAnswer } from '../swarm/score.ts'
import { ApiError, deadlineExceeded, modelNotFound, unavailable } from './api-error.ts'
import { headOf, responseBody, usageOf } from './bodies.ts'
import { chatRequest } from './chat-request.ts'
import { chooseAnswers } from './choices.ts'
import { completionsRequest } from './completions-request.ts'
import { deadlineMs } from './deadline.ts'
import { Generation, type GenerationParts } from './generation.ts'
import { apiErrorOf } from './job-failure.ts'
import type { Access, Caller } from './keys/access.ts'
import {
  MAX_BODY_BYTES,
  MAX_CONNECTIONS,
  MAX_REQUESTS_IN_FLIGHT,
  REQUEST_TIMEOUT_MS,
  SLOW_REQUEST_CHECK_MS,
} from './limits.ts'
import { nacreField, receiptHeader } from './receipt.ts'
import { RememberedRequests } from './remembered.ts'
import type { GenerationRequest } from './request.ts'
import { streamResponse } from './stream.ts'

export interface ServerParts extends GenerationParts {
  readonly access: Access
  readonly score: ScoreAnswer
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  readonly defaultDeadlineMs: number
  /** How long requests under way may go on once the server stops. */
  readonly stopGraceMs: number
  /** How long a stream keeps its headers back; by default STREAM_OPEN_MS. */
  readonly streamOpenMs: number | undefined
  readonly nowMs: () => number
  /** Figures beside the server's own in `/status`. */
  readonly figures: () => Readonly<Record<string, unknown>>
  /** Resolves if the gateway can work. Rejects with the reason. */
  readonly health: () => Promise<Readonly<Record<string, unknown>>>
  readonly onError: (what: string, error: unknown) => void
}

export interface ApiServer {
  /** Such as `http://127.0.0.1:8646`. */
  readonly url: string
  /** Refuses what is new, lets what is under way finish for a while, ends the rest with 503. Idempotent. */
  stop(): Promise<void>
}

/** Why a request no longer waits. */
type EndReason = 'deadline' | 'stopping' | 'gone'

export async function startApiServer(parts: ServerParts): Promise<ApiServer> {
  const { host, port, params, access } = parts
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    genReqId: () => `req_${randomBytes(12).toString('hex')}`,
    // Given to Node at once, so that the time for headers is no longer than that for the whole: otherwise neither is kept.
    http: { requestTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: SLOW_REQUEST_CHECK_MS },
    frameworkErrors: (error, _request, reply: FastifyReply) => sendError(reply, httpError(error)),
  })
  app.server.maxConnections = MAX_CONNECTIONS
  const state = new ServerState(parts)

  // A page in a browser must not reach a gateway without keys: JSON alone needs its consent (CORS), and a name of its own is refused.
  app.removeContentTypeParser('text/plain')
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    if (isLoopback(host) && !namesThisHost(request.headers.host))
      throw new ApiError(403, 'This gateway answers to its address and to localhost only.', {
        ...{ type: 'invalid_request_error', code: 'forbidden_host' },
      })
    // Before the body is read: strangers cost as little as can be.
    if (request.routeOptions.url !== '/health')
      state.callers.set(request, access.authenticate(request.headers.authorization))
  })
  app.addHook('onResponse', async (_request, reply) => state.count(reply.statusCode))
  app.setErrorHandler((error, _request, reply) => sendError(reply, state.toApiError(error)))
  app.setNotFoundHandler((request, reply) =>
    sendError(
      reply,
      new ApiError(404, `There is no ${request.method} ${request.url.split('?')[0]!.slice(0, 80)} here.`, {
        ...{ type: 'invalid_request_error', code: 'unknown_url' },
      }),
    ),
  )
  addModels(app, parts)
  app.post('/v1/completions', (request, reply) => state.generate(request, reply, completionsRequest))
  app.post('/v1/chat/completions', (request, reply) => state.generate(request, reply, chatRequest))
  app.get('/health', async (_request, reply) => {
    try {
      return { ok: !state.isStopping, ...(await parts.health()) }
    } catch (error) {
      return sendError(reply, apiErrorOf(error, params.block.timeMs))
    }
  })
  app.get('/status', async () => ({ ...state.figures(), ...parts.figures() }))

  const url = await app.listen({ host, port })
  let stopped: Promise<void> | undefined
  return {
    url,
    stop: () => {
      stopped ??= state.drain().then(() => app.close())
      return stopped
    },
  }
}

function addModels(app: FastifyInstance, { models, policy, params }: ServerParts): void {
  const created = Math.floor(params.network.genesisTimeMs / 1000)
  const entry = (id: string, of: readonly string[]): object => ({
    ...{ id, object: 'model', created, owned_by: params.network.name },
    nacre: { models: of },
  })
  const entries = new Map([
    ...[...policy.aliases].map(([name, alias]) => [name, entry(name, alias.models)] as const),
    ...models.map(({ name }) => [name, entry(name, [name])] as const),
  ])
  app.get('/v1/models', async () => ({ object: 'list', data: [...entries.values()] }))
  // Names may have slashes.
  app.get<{ Params: { '*': string } }>('/v1/models/*', async (request) => {
    const id = request.params['*']
    const byId = models.find(({ modelId }) => modelId === id)?.name
    const found = entries.get(byId ?? id)
    if (found === undefined) throw modelNotFound(id)
    return found
  })
}

/** Requests under way, and what has become of earlier ones. */
class ServerState {
  readonly callers = new WeakMap<FastifyRequest, Caller>()
  readonly #parts: ServerParts
  readonly #remembered: RememberedRequests
  readonly #stopping = new AbortController()
  readonly #startMs: number
  readonly #byStatus: Record<string, number> = {}
  #running = 0
  #streams = 0
  #onIdle = (): void => undefined
  #isDraining = false

  constructor(parts: ServerParts) {
    this.#parts = parts
    this.#remembered = new RememberedRequests(parts.nowMs)
    this.#startMs = parts.nowMs()
  }

  get isStopping(): boolean {
    return this.#isDraining
  }

  figures(): Readonly<Record<string, unknown>> {
    const uptimeMs = this.#parts.nowMs() - this.#startMs
    return { uptimeMs, requestsRunning: this.#running, requestsByStatus: this.#byStatus, streams: this.#streams }
  }

  /** Waits for the requests under way, ends them after the grace. */
  async drain(): Promise<void> {
    this.#isDraining = true
    if (this.#running === 0) return
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve
    })
    const timer = setTimeout(() => this.#stopping.abort(endReason('stopping')), this.#parts.stopGraceMs)
    await idle
    clearTimeout(timer)
  }

  async generate(
    httpRequest: FastifyRequest,
    reply: FastifyReply,
    parse: (body: unknown) => GenerationRequest,
  ): Promise<unknown> {
    const { access } = this.#parts
    if (this.#isDraining) throw this.#stoppingError()
    if (this.#running >= MAX_REQUESTS_IN_FLIGHT)
      throw unavailable('The gateway has too many requests under way.', 'overloaded', 1000)
    const caller = this.callers.get(httpRequest)!
    const { headers, release } = access.enter(caller)
    this.#running++
    reply.headers(headers)
    const end = new AbortController()
    const onClose = (): void => end.abort(endReason('gone'))
    reply.raw.once('close', onClose)
    let timer: NodeJS.Timeout | undefined
    try {
      const request = parse(httpRequest.body)
      const ms = deadlineMs(httpRequest.headers, this.#parts.defaultDeadlineMs)
      timer = setTimeout(() => end.abort(endReason('deadline')), ms)
      const signal = AbortSignal.any([end.signal, this.#stopping.signal])
      const starting = this.#start(httpRequest, request, caller)
      await untilAborted(starting, signal)
      // Asking the market takes as long as the node lets it: jobs that are posted after all go on as after any deadline.
      if (signal.aborted) throw deadlineExceeded('The market was not known before the deadline.')
      const generation = await starting
      if (request.isStream) return await this.#stream(generation, httpRequest, reply, signal)
      return await this.#respond(generation, httpRequest, reply, signal)
    } catch (error) {
      // A gateway that stops is no deadline: another one may answer at once.
      throw this.#stopping.signal.aborted ? this.#stoppingError() : error
    } finally {
      clearTimeout(timer)
      reply.raw.off('close', onClose)
      release()
      this.#running--
      if (this.#running === 0) this.#onIdle()
    }
  }

  #start(httpRequest: FastifyRequest, request: GenerationRequest, caller: Caller): Promise<Generation> {
    const start = (): Promise<Generation> => Generation.start(this.#parts, request, caller)
    const key = httpRequest.headers['idempotency-key']
    if (typeof key !== 'string' || key === '') return start()
    return this.#remembered.get(caller.id, key, [request.endpoint, httpRequest.body], start)
  }

  async #respond(
    generation: Generation,
    { id }: FastifyRequest,
    reply: FastifyReply,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { score, nowMs, params } = this.#parts
    const { request } = generation
    const state = await generation.collect(signal)
    const chosen = await chooseAnswers(request, state, score, this.#stopping.signal, params.block.timeMs)
    reply.header('x-nacre-receipt', receiptHeader(chosen.choices.map(({ sample }) => sample)))
    const head = headOf(request.endpoint, id.slice('req_'.length), nowMs(), state.route)
    return responseBody(head, chosen, usageOf(state.route, chosen), nacreField(request, state.route, chosen))
  }

  async #stream(
    generation: Generation,
    { id }: FastifyRequest,
    reply: FastifyReply,
    signal: AbortSignal,
  ): Promise<FastifyReply> {
    const { score, nowMs, params } = this.#parts
    this.#streams++
    try {
      await streamResponse({
        ...{ generation, score, signal, blockTimeMs: params.block.timeMs, openMs: this.#parts.streamOpenMs },
        head: () => headOf(generation.request.endpoint, id.slice('req_'.length), nowMs(), generation.route),
        open: (headers) => {
          reply.hijack()
          const own = Object.entries(reply.getHeaders()).filter(([, value]) => value !== undefined)
          reply.raw.writeHead(200, {
            ...(Object.fromEntries(own) as Record<string, string>),
            ...{ 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', ...headers },
          })
          return reply.raw
        },
        lateError: (error) => {
          const known = this.#stopping.signal.aborted ? this.#stoppingError() : this.toApiError(error)
          this.count(`stream_${known.code}`)
          return known
        },
      })
      return reply
    } finally {
      this.#streams--
    }
  }

  count(what: number | string): void {
    this.#byStatus[what] = (this.#byStatus[what] ?? 0) + 1
  }

  #stoppingError(): ApiError {
    return unavailable('The gateway is stopping.', 'shutting_down', this.#parts.stopGraceMs)
  }

  toApiError(error: unknown): ApiError {
    if (!(error instanceof ApiError) && isHttpError(error)) return httpError(error)
    const known = apiErrorOf(error, this.#parts.params.block.timeMs)
    if (known.status === 500 && !(error instanceof ApiError)) this.#parts.onError('request', error)
    return known
  }
}

const endReason = (reason: EndReason): Error => new Error(reason)

const isHttpError = (error: unknown): error is Error & { statusCode: number } =>
  error instanceof Error && Number((error as { statusCode?: unknown }).statusCode) < 500

/** An error of the HTTP layer: a body that is too large, no JSON, an unreadable path. */
function httpError(error: Error & { statusCode?: number }): ApiError {
  const type = 'invalid_request_error' as const
  switch (error.statusCode) {
    case 413:
      return new ApiError(413, `The body has more than ${MAX_BODY_BYTES} bytes.`, { type, code: 'request_too_large' })
    case 415:
      return new ApiError(415, 'The body must be JSON: content-type: application/json.', {
        ...{ type, code: 'unsupported_media_type' },
      })
    default:
      return new ApiError(400, `The request cannot be read: ${error.message.slice(0, 200)}`, {
        type,
        code: 'bad_request',
      })
  }
}

function sendError(reply: FastifyReply, error: ApiError): FastifyReply {
  return reply.code(error.status).headers(error.headers()).send(error.toBody())
}
