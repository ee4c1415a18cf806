import type { Clock } from '../ports/clock.ts'

/** Runs work that ends when its time is up or everything is called off, whatever the work itself does. */
export class Deadlines {
  readonly #clock: Clock
  readonly #open = new Set<AbortController>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * @param work gets a signal that aborts with the reason this function rejects with. Work that ignores it goes on in
   *   the background and its result is dropped.
   * @param late makes the error of a missed deadline.
   */
  async run<T>(timeoutMs: number, late: () => Error, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    const { signal } = controller
    const cancelTimer = this.#clock.after(timeoutMs, () => controller.abort(late()))
    this.#open.add(controller)
    try {
      return await untilAborted(work(signal), signal)
    } catch (error) {
      // The signal's reason is the cause; what the work made of it (an AbortError, a closed stream) is the effect.
      throw signal.aborted ? signal.reason : error
    } finally {
      cancelTimer()
      this.#open.delete(controller)
    }
  }

  /** Calls off everything that runs; each call of `run` rejects with `reason`. */
  abortAll(reason: Error): void {
    for (const controller of [...this.#open]) controller.abort(reason)
  }
}

/** The promise's outcome, or a rejection with the signal's reason if that comes first. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
