/** Clients of a local network: so many requests to its gateway at once, through the API that everybody uses. */
import { setTimeout as delay } from 'node:timers/promises'
import { promptOf, type Question } from './questions.ts'

/** What became of the requests so far. */
export interface DemandStats {
  readonly asked: number
  readonly answered: number
  /** Answers that are exactly right: the model's accuracy, not the network's. */
  readonly right: number
  /** Answers that the gateway executed again. */
  readonly verified: number
  readonly failed: number
  /** Of answered requests together. */
  readonly feeGrains: bigint
  readonly waitMs: number
}

/** One answer as it is shown. */
export interface DemandAnswer {
  readonly question: Question
  readonly text: string
  readonly isRight: boolean
  readonly minerKey: string
  readonly waitMs: number
}

export interface DemandOptions {
  /** Such as `http://127.0.0.1:8646/v1`. */
  readonly baseUrl: string
  readonly questions: readonly Question[]
  /** Requests at once. */
  readonly atOnce: number
  readonly maxPromptTokens: number
  /** The most that a request asks for, whatever its question. */
  readonly maxNewTokens: number
  /** How long a request may take. */
  readonly deadlineMs: number
  readonly onAnswer: (answer: DemandAnswer) => void
}

const RETRY_MS = 2_000

/** The part of a completion that is read here. */
interface Completion {
  readonly choices: readonly { readonly text: string }[]
  readonly nacre: {
    readonly jobs: readonly {
      readonly miner_key: string
      readonly fee_grains: string
      readonly verification: 'verified' | 'unchecked'
    }[]
  }
}

export class Demand {
  readonly #options: DemandOptions
  readonly #abort = new AbortController()
  #stats: DemandStats = { asked: 0, answered: 0, right: 0, verified: 0, failed: 0, feeGrains: 0n, waitMs: 0 }
  #next = 0
  #clients: Promise<unknown> | undefined

  constructor(options: DemandOptions) {
    this.#options = options
  }

  get stats(): DemandStats {
    return this.#stats
  }

  start(): void {
    this.#clients ??= Promise.all(Array.from({ length: this.#options.atOnce }, () => this.#client()))
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#clients
  }

  async #client(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      if (await this.#ask()) continue
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  /** One question. Returns whether it was answered. */
  async #ask(): Promise<boolean> {
    const { questions, baseUrl, maxPromptTokens, maxNewTokens, deadlineMs, onAnswer } = this.#options
    // A stride that meets every question before one comes again, with other examples before it.
    const at = (n: number): Question => questions[(n * 7919) % questions.length]!
    const n = this.#next++
    const question = at(n)
    const prompt = promptOf(question, [at(n + 101), at(n + 202)], maxPromptTokens)
    const startMs = performance.now()
    this.#stats = { ...this.#stats, asked: this.#stats.asked + 1 }
    try {
      const response = await fetch(`${baseUrl}/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          model: 'small',
          prompt,
          max_tokens: Math.min(question.maxNewTokens, maxNewTokens),
          temperature: 0,
        }),
        signal: AbortSignal.any([this.#abort.signal, AbortSignal.timeout(deadlineMs)]),
      })
      if (!response.ok) throw new Error(`${response.status}`)
      const completion = (await response.json()) as Completion
      this.#count(question, completion, performance.now() - startMs, onAnswer)
      return true
    } catch {
      if (!this.#abort.signal.aborted) this.#stats = { ...this.#stats, failed: this.#stats.failed + 1 }
      return false
    }
  }

  #count(
    question: Question,
    { choices, nacre }: Completion,
    waitMs: number,
    onAnswer: DemandOptions['onAnswer'],
  ): void {
    const { text } = choices[0]!
    const [job] = nacre.jobs
    const isRight = text === question.answer
    const before = this.#stats
    this.#stats = {
      ...before,
      answered: before.answered + 1,
      right: before.right + Number(isRight),
      verified: before.verified + Number(job?.verification === 'verified'),
      feeGrains: before.feeGrains + BigInt(job?.fee_grains ?? '0'),
      waitMs: before.waitMs + waitMs,
    }
    onAnswer({ question, text, isRight, minerKey: job?.miner_key ?? '', waitMs })
  }
}
