import type { WorkLimits } from '../limits.ts'

/** Thrown by {@link KeyedLimiter.run} when there is no room left to wait in. */
export class LimiterFullError extends Error {
  override readonly name = 'LimiterFullError'
}

interface Waiter {
  readonly peer: string
  readonly bytes: number
  readonly start: () => void
}

interface Usage {
  active: number
  waiting: number
  waitingBytes: number
}

/**
 * Runs tasks with a bound on how many run and on how many, and how many bytes of them, wait: in total and per peer.
 * The oldest task whose peer has a free slot starts first, so one peer cannot hold up the others.
 */
export class KeyedLimiter {
  readonly #limits: WorkLimits
  readonly #usage = new Map<string, Usage>()
  readonly #total: Usage = { active: 0, waiting: 0, waitingBytes: 0 }
  readonly #waiters: Waiter[] = []

  constructor(limits: WorkLimits) {
    this.#limits = limits
  }

  /**
   * @param bytes what the task holds in memory while it waits.
   * @param signal ends the wait (rejecting with its reason). A task that has started must end by itself.
   * @throws LimiterFullError when the task may not even wait.
   */
  async run<T>(peer: string, bytes: number, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    if (this.#mayStart(peer)) this.#change(peer, 'active', 1)
    else await this.#wait(peer, bytes, signal)
    try {
      return await task()
    } finally {
      this.#change(peer, 'active', -1)
      this.#startWaiting()
    }
  }

  /** Tasks running and waiting now. */
  get load(): { readonly active: number; readonly waiting: number } {
    return { active: this.#total.active, waiting: this.#total.waiting }
  }

  #wait(peer: string, bytes: number, signal: AbortSignal): Promise<void> {
    if (!this.#mayWait(peer, bytes)) return Promise.reject(new LimiterFullError(`no room left for work of ${peer}`))
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        signal.removeEventListener('abort', abort)
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        this.#change(peer, 'waitingBytes', -bytes)
        this.#change(peer, 'waiting', -1)
      }
      const abort = (): void => {
        leave()
        reject(signal.reason)
      }
      const waiter: Waiter = {
        peer,
        bytes,
        start: () => {
          // Takes the slot here, not when the promise resolves: a newcomer may run in between.
          this.#change(peer, 'active', 1)
          leave()
          resolve()
        },
      }
      this.#waiters.push(waiter)
      this.#change(peer, 'waiting', 1)
      this.#change(peer, 'waitingBytes', bytes)
      signal.addEventListener('abort', abort, { once: true })
    })
  }

  #startWaiting(): void {
    while (this.#total.active < this.#limits.activeTotal) {
      const next = this.#waiters.find((waiter) => this.#mayStart(waiter.peer))
      if (next === undefined) return
      next.start()
    }
  }

  #mayStart(peer: string): boolean {
    const active = this.#usage.get(peer)?.active ?? 0
    return this.#total.active < this.#limits.activeTotal && active < this.#limits.activePerPeer
  }

  #mayWait(peer: string, bytes: number): boolean {
    const usage = this.#usage.get(peer)
    return (
      this.#total.waiting < this.#limits.waitingTotal &&
      this.#total.waitingBytes + bytes <= this.#limits.waitingBytesTotal &&
      (usage?.waiting ?? 0) < this.#limits.waitingPerPeer &&
      (usage?.waitingBytes ?? 0) + bytes <= this.#limits.waitingBytesPerPeer
    )
  }

  #change(peer: string, field: keyof Usage, by: number): void {
    const usage = this.#usage.get(peer) ?? { active: 0, waiting: 0, waitingBytes: 0 }
    usage[field] += by
    this.#total[field] += by
    if (usage.active === 0 && usage.waiting === 0) this.#usage.delete(peer)
    else this.#usage.set(peer, usage)
  }
}
