/** A streamed response: server-sent events in OpenAI's format. */
import type { ServerResponse } from 'node:http'
import { untilAborted } from '../swarm/fan-out.ts'
import type { ScoreAnswer } from '../swarm/score.ts'
import type { ApiError } from './api-error.ts'
import { Chunks, type ResponseHead, usageOf } from './bodies.ts'
import { type Choice, type Chosen, chooseAnswers } from './choices.ts'
import type { Generation, GenerationState, Sample } from './generation.ts'
import { apiErrorOf } from './job-failure.ts'
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
  /** Told of a failure after the headers, which the status of the response does not show. */
  readonly onLateError: (error: ApiError) => void
}

/**
 * Streams each choice as its job is answered. Headers wait for the first answer, but no longer than STREAM_OPEN_MS, so that a failure before
 * it still has its status; one after it is an event with the error. Rejects with ApiError only before the headers.
 */
export async function streamResponse(parts: StreamParts): Promise<void> {
  const { generation, signal } = parts
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
  const whole = generation.collect(signal)
  whole.catch(() => undefined)
  const events = new EventWriter()
  try {
    await untilAborted(Promise.race([first, whole]), AbortSignal.timeout(STREAM_OPEN_MS))
    events.attach(parts.open(isDirect && ready.length > 0 ? { 'x-nacre-receipt': receiptHeader(ready) } : {}))
    const choices = new ChoiceWriter(parts, events)
    if (isDirect) {
      sendReady = () => choices.sendNew(ready)
      sendReady()
    }
    try {
      const state = await whole
      sendReady = () => undefined
      await choices.finish(state, isDirect)
    } catch (error) {
      const late = apiErrorOf(error, parts.blockTimeMs)
      parts.onLateError(late)
      events.data(late.toBody())
    }
    events.end()
  } finally {
    off()
    events.stop()
  }
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

  /** Sends what is left: the choice where there is one to make, receipt and usage, the end. */
  async finish(state: GenerationState, isDirect: boolean): Promise<void> {
    const { generation, score, signal, blockTimeMs } = this.#parts
    const { request } = generation
    let chosen: Chosen
    if (isDirect) {
      const samples = this.#sent.map(({ sample }) => sample)
      chosen = { choices: this.#sent, samples, lost: state.lost, scores: new Map(), votes: new Map() }
    } else {
      chosen = await chooseAnswers(request, state, score, signal, blockTimeMs)
      for (const choice of chosen.choices) this.#send(choice)
    }
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
