/** A streamed response: server-sent events in OpenAI's format. */
import type { ServerResponse } from 'node:http'
import { untilAborted } from '../swarm/fan-out.ts'
import type { ScoreAnswer } from '../swarm/score.ts'
import type { ApiError } from './api-error.ts'
import { Chunks, type ResponseHead, usageOf } from './bodies.ts'
import { type Choice, type Chosen, chooseAnswers } from './choices.ts'
import type { Generation, GenerationState, Sample } from './generation.ts'
import { STREAM_BEAT_MS, STREAM_OPEN_MS } from './limits.ts'
import { nacreField, receiptHeader } from './receipt.ts'

export interface StreamParts {
  readonly generation: Generation
  readonly head: () => ResponseHead
  readonly score: ScoreAnswer
  readonly blockTimeMs: number
  /** Takes over the response and sends its headers, these among them. */
  readonly open: (headers: Record<string, string>) => ServerResponse
  /** The deadline, a client that has gone, a gateway that stops. */
  readonly signal: AbortSignal
  /** How long the headers wait for an answer; by default STREAM_OPEN_MS. */
  readonly openMs?: number | undefined
  /** What a client is told of a failure after the headers, which the status of the response does not show. */
  readonly lateError: (error: unknown) => ApiError
}

/**
 * Streams each choice as its job is answered. Headers wait for the first answer, but not for ever, so that a failure before
 * it still has its status; one after it is an event with the error. Rejects with ApiError only before the headers.
 */
export async function streamResponse(parts: StreamParts): Promise<void> {
  const { generation } = parts
  const { select, n, samples } = generation.request
  // What is chosen from all answers is known at the end only.
  const isDirect = select === 'all' && samples === n
  const ready: Sample[] = []
  let sendReady = (): void => undefined
  let heard = (): void => undefined
  const first = new Promise<void>((resolve) => {
    heard = resolve
  })
  const off = generation.onSample((sample) => {
    ready.push(sample)
    sendReady()
    if (isDirect) heard()
  })
  const whole = collectAndChoose(parts, isDirect)
  whole.catch(() => undefined)
  const events = new EventWriter()
  try {
    await untilAborted(Promise.race([first, whole]), AbortSignal.timeout(parts.openMs ?? STREAM_OPEN_MS))
    events.attach(parts.open(isDirect && ready.length > 0 ? { 'x-nacre-receipt': receiptHeader(ready) } : {}))
    const choices = new ChoiceWriter(parts, events)
    if (isDirect) {
      sendReady = () => choices.sendNew(ready)
      sendReady()
    }
    try {
      const { state, chosen } = await whole
      sendReady = () => undefined
      choices.finish(state, chosen)
    } catch (error) {
      events.data(parts.lateError(error).toBody())
    }
    events.end()
  } finally {
    off()
    events.stop()
  }
}

interface Whole {
  readonly state: GenerationState
  /** Undefined where every answer is a choice of its own. */
  readonly chosen: Chosen | undefined
}

async function collectAndChoose(parts: StreamParts, isDirect: boolean): Promise<Whole> {
  const { generation, signal, score, blockTimeMs } = parts
  const state = await generation.collect(signal)
  if (isDirect) return { state, chosen: undefined }
  return { state, chosen: await chooseAnswers(generation.request, state, score, signal, blockTimeMs) }
}

/** Choices as chunks, each ended when the next begins, so that the last end can carry what is known only then. */
class ChoiceWriter {
  readonly #parts: StreamParts
  readonly #events: EventWriter
  readonly #sent: Choice[] = []
  #chunks: Chunks | undefined

  constructor(parts: StreamParts, events: EventWriter) {
    this.#parts = parts
    this.#events = events
  }

  /** Sends the samples that came since the last call. */
  sendNew(samples: readonly Sample[]): void {
    const { n } = this.#parts.generation.request
    for (const sample of samples.slice(this.#sent.length))
      this.#send({ index: sample.prompt * n + sample.sample, sample })
  }

  /** Sends what is left: choices that had to be made, receipt and usage, the end. */
  finish(state: GenerationState, made: Chosen | undefined): void {
    const { request } = this.#parts.generation
    for (const choice of made?.choices ?? []) this.#send(choice)
    const samples = this.#sent.map(({ sample }) => sample)
    const none = { scores: new Map(), votes: new Map() }
    const chosen = made ?? { choices: this.#sent, samples, lost: state.lost, ...none }
    const nacre = nacreField(request, state.route, chosen)
    this.#events.data(this.#chunks!.end(this.#sent.at(-1)!, request.includeUsage ? undefined : nacre))
    if (request.includeUsage) this.#events.data(this.#chunks!.usage(usageOf(state.route, chosen), nacre))
    this.#events.done()
  }

  #send(choice: Choice): void {
    const { head, generation } = this.#parts
    // Not before the first answer: until then another model may take over.
    this.#chunks ??= new Chunks(head(), generation.request.includeUsage)
    const last = this.#sent.at(-1)
    if (last !== undefined) this.#events.data(this.#chunks.end(last))
    for (const chunk of this.#chunks.text(choice)) this.#events.data(chunk)
    this.#sent.push(choice)
  }
}

/** Writes events, and comments in between so that nothing on the way closes a silent connection. */
class EventWriter {
  #response: ServerResponse | undefined
  #beat: NodeJS.Timeout | undefined

  attach(response: ServerResponse): void {
    this.#response = response
    // A client that goes away is noticed by its connection.
    response.on('error', () => undefined)
    response.write(': waiting\n\n')
    this.#beat = setInterval(() => response.write(': waiting\n\n'), STREAM_BEAT_MS)
  }

  data(value: unknown): void {
    this.#response!.write(`data: ${JSON.stringify(value)}\n\n`)
  }

  done(): void {
    this.#response!.write('data: [DONE]\n\n')
  }

  end(): void {
    this.#response!.end()
  }

  stop(): void {
    clearInterval(this.#beat)
  }
}
