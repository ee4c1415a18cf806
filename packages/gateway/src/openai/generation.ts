/** One request under way: its jobs, on one model after another until somebody answers. */
import { bytesToHex, type Decoding } from '@nacre/protocol'
import type { JobAnswer, VerifyMode } from '../jobs/types.ts'
import { FanOut, untilAborted } from '../swarm/fan-out.ts'
import { type AnswerText, answerText } from './answer-text.ts'
import { type ApiError, deadlineExceeded } from './api-error.ts'
import { apiErrorOf, nobodyTookIt } from './job-failure.ts'
import type { JobRunner } from './job-runner.ts'
import type { Access, Caller } from './keys/access.ts'
import type { GenerationRequest } from './request.ts'
import { type Route, type RouterParts, routesFor } from './route.ts'
import { decodingSeed } from './seeds.ts'

export interface GenerationParts extends RouterParts {
  readonly access: Pick<Access, 'reserve'>
  readonly runner: JobRunner
  /** Where neither key nor alias says. */
  readonly verify: VerifyMode
}

/** One answered job of a request. */
export interface Sample extends AnswerText {
  /** Among the request's prompts. */
  readonly prompt: number
  /** Among the jobs of this prompt. */
  readonly sample: number
  readonly decoding: Decoding
  readonly answer: JobAnswer
}

/** A job of a request that gave no answer. */
export interface LostSample {
  readonly prompt: number
  readonly sample: number
  readonly jobId: string | undefined
  readonly error: ApiError
}

export interface GenerationState {
  readonly route: Route
  readonly samples: readonly Sample[]
  readonly lost: readonly LostSample[]
}

interface Attempt {
  readonly route: Route
  readonly fanOut: FanOut<Sample>
}

export class Generation {
  readonly request: GenerationRequest
  readonly #parts: GenerationParts
  readonly #caller: Caller
  readonly #listeners = new Set<(sample: Sample) => void>()
  #attempt: Attempt
  /** Resolves when no job of the request is under way any more. */
  readonly done: Promise<void>

  /** Finds a model, takes the cost out of the caller's budget and posts the jobs. Rejects with ApiError. */
  static async start(parts: GenerationParts, request: GenerationRequest, caller: Caller): Promise<Generation> {
    const routes = await routesFor(parts, request)
    return new Generation(parts, request, caller, routes)
  }

  private constructor(parts: GenerationParts, request: GenerationRequest, caller: Caller, routes: readonly Route[]) {
    this.#parts = parts
    this.request = request
    this.#caller = caller
    this.#attempt = this.#begin(routes[0]!)
    this.done = this.#run(routes.slice(1))
  }

  get route(): Route {
    return this.#attempt.route
  }

  get hasAnswers(): boolean {
    return this.#attempt.fanOut.snapshot().answered.length > 0
  }

  /** Calls back for each answer, those first that are there. Returns how to end that. */
  onSample(listener: (sample: Sample) => void): () => void {
    for (const { answer } of this.#attempt.fanOut.snapshot().answered) listener(answer)
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Waits until all jobs are over or the signal fires, and says what there is then. Rejects with ApiError if nobody has answered. The jobs
   * go on, and one may wait again.
   */
  async collect(signal: AbortSignal): Promise<GenerationState> {
    await untilAborted(this.done, signal)
    const { route, fanOut } = this.#attempt
    const { answered, failed, pending } = fanOut.snapshot()
    const { timeMs } = this.#parts.params.block
    const lost = [
      ...failed.map(({ index, error }) => ({
        ...this.#place(index),
        jobId: (error as { jobId?: string } | undefined)?.jobId,
        error: apiErrorOf(error, timeMs),
      })),
      ...pending.map((index) => ({
        ...this.#place(index),
        jobId: undefined,
        error: deadlineExceeded('No answer before the deadline; the job goes on, and is charged if it is answered.'),
      })),
    ].sort((a, b) => a.prompt - b.prompt || a.sample - b.sample)
    if (answered.length === 0) throw lost.find(({ error }) => error.status !== 504)?.error ?? lost[0]!.error
    return { route, samples: answered.map(({ answer }) => answer), lost }
  }

  #place(index: number): { prompt: number; sample: number } {
    const { samples } = this.request
    return { prompt: Math.floor(index / samples), sample: index % samples }
  }

  /** Goes on to the next model while nobody at all takes the jobs. */
  async #run(others: readonly Route[]): Promise<void> {
    for (let next = 0; ; next++) {
      await this.#attempt.fanOut.done
      const { answered, failed } = this.#attempt.fanOut.snapshot()
      const route = others[next]
      if (answered.length > 0 || route === undefined || !failed.every(({ error }) => nobodyTookIt(error))) return
      try {
        this.#attempt = this.#begin(route)
      } catch {
        // No budget or room for another try: the failures of the last one stand.
        return
      }
    }
  }

  /** Reserves and posts in one go, so that no charge is ever without its job. Throws ApiError. */
  #begin(route: Route): Attempt {
    const { access, runner, params, verify: fallback } = this.#parts
    const { request } = this
    const { at, prompts, bidGrains, limits } = route
    const verify = this.#caller.verify ?? limits.verify ?? fallback
    const planned = prompts.flatMap((prompt) => Array.from({ length: request.samples }, () => prompt))
    runner.checkRoom(planned.length, params.block.timeMs)
    const charges = access.reserve(
      this.#caller,
      planned.map(({ reserveGrains }) => reserveGrains),
    )
    const jobs = planned.map(async ({ promptTokens, maxNewTokens }, index): Promise<Sample> => {
      const place = this.#place(index)
      const seed = decodingSeed(request.seed, place.prompt, place.sample)
      const decoding = { temperatureMilli: request.temperatureMilli, seed, stopAtEos: true }
      const job = { modelId: at.modelId, promptTokens, maxNewTokens, decoding, maxPriceGrains: bidGrains }
      const answer = await runner.post(job, { verify, chargeId: charges[index]! })
      return { ...place, decoding, answer, ...answerText(at.tokenizer, answer, request.stop) }
    })
    const fanOut = new FanOut(jobs)
    // What the snapshot has and what listeners heard are the same at any moment.
    fanOut.onAnswer(({ answer }) => {
      for (const listener of this.#listeners) listener(answer)
    })
    return { route, fanOut }
  }
}

/** Hex, as receipts show it. */
export const seedOf = ({ decoding }: Sample): string => bytesToHex(decoding.seed)
