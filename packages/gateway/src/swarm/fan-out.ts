/** Several jobs for one question: collected as they answer, used even if some fail. */

export interface Answered<T> {
  /** Position among the jobs. */
  readonly index: number
  readonly answer: T
}
export interface Failed {
  readonly index: number
  readonly error: unknown
}
export interface Collected<T> {
  readonly answered: readonly Answered<T>[]
  readonly failed: readonly Failed[]
  /** Positions of those that were still under way when the wait ended. */
  readonly pending: readonly number[]
}

/** Jobs under way. Whoever stops waiting ends none of them, and anybody may wait again. */
export class FanOut<T> {
  readonly #answered: (Answered<T> | undefined)[]
  readonly #failed: (Failed | undefined)[]
  readonly #listeners = new Set<(answered: Answered<T>) => void>()
  readonly #size: number
  /** Resolves when all have answered or failed. */
  readonly done: Promise<void>

  constructor(jobs: readonly Promise<T>[]) {
    this.#size = jobs.length
    this.#answered = jobs.map(() => undefined)
    this.#failed = jobs.map(() => undefined)
    const settled = jobs.map((job, index) =>
      job.then(
        (answer) => {
          const answered = { index, answer }
          this.#answered[index] = answered
          for (const listener of this.#listeners) listener(answered)
        },
        (error: unknown) => {
          this.#failed[index] = { index, error }
        },
      ),
    )
    this.done = Promise.all(settled).then(() => undefined)
  }

  /** Calls back for every answer, those first that are there. Returns how to end that. */
  onAnswer(listener: (answered: Answered<T>) => void): () => void {
    for (const answered of this.#answered) if (answered !== undefined) listener(answered)
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What there is now, in the order of the jobs. */
  snapshot(): Collected<T> {
    const pending = Array.from({ length: this.#size }, (_, index) => index)
    return {
      answered: this.#answered.filter((each) => each !== undefined),
      failed: this.#failed.filter((each) => each !== undefined),
      pending: pending.filter((index) => this.#answered[index] === undefined && this.#failed[index] === undefined),
    }
  }

  /** Waits until all are done or the signal fires. Never rejects. */
  async collect(signal: AbortSignal): Promise<Collected<T>> {
    await untilAborted(this.done, signal)
    return this.snapshot()
  }
}

/** Waits for a promise or for the signal, whichever is first. Rejects if the promise does before the signal fires. */
export async function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  let onAbort = (): void => undefined
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve
  })
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
