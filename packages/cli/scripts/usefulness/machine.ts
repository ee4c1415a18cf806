/**
 * One miner's machine on the virtual clock: every piece of work takes the processor time of costs.ts, and nothing else makes a miner faster
 * or slower. All machines are equal; one processor runs one piece of work at a time.
 */
import { type Clock, sleep } from '@nacre/node'

/** What processor time went into. `clients` is inference that somebody else asked and paid for. */
export const PURPOSES = ['clients', 'own jobs', 'chain prompts', 'own prompts', 'draws without inference'] as const
export type Purpose = (typeof PURPOSES)[number]

/** Virtual milliseconds that a millisecond of processor time takes, and the part of the time that a machine works at all. */
export interface Pace {
  readonly stretch: number
  readonly duty: number
}

export interface Charge {
  /** Processor time before the result is there. */
  readonly beforeMs: number
  readonly purpose: Purpose
  /** What follows before the machine is free again. */
  readonly after?: { readonly ms: number; readonly purpose: Purpose }
}

export class Machine {
  readonly spentMs: Record<Purpose, number> = Object.fromEntries(PURPOSES.map((purpose) => [purpose, 0])) as Record<
    Purpose,
    number
  >
  readonly #clock: Clock
  readonly #pace: Pace
  #freeAtMs = 0

  constructor(clock: Clock, pace: Pace) {
    this.#clock = clock
    this.#pace = pace
  }

  /**
   * Does a piece of work once the machine is free, and returns when its result is there; if nothing depends on it at once, when the machine
   * is free again, so that the next piece is chosen on the tip that there is then. Rejects when `signal` aborts.
   */
  async work<T>(
    run: () => Promise<T>,
    charge: (result: T) => Charge,
    isUrgent: (result: T) => boolean,
    signal: AbortSignal,
  ): Promise<T> {
    await this.#until(this.#freeAtMs, signal)
    const startMs = Math.max(this.#freeAtMs, this.#clock.nowMs() - 1)
    const result = await run()
    const { beforeMs, purpose, after } = charge(result)
    const { stretch, duty } = this.#pace
    this.spentMs[purpose] += beforeMs
    if (after !== undefined) this.spentMs[after.purpose] += after.ms
    this.#freeAtMs = startMs + ((beforeMs + (after?.ms ?? 0)) * stretch) / duty
    await this.#until(startMs + beforeMs * stretch, signal)
    if (!isUrgent(result)) await this.#until(this.#freeAtMs, signal)
    return result
  }

  async #until(timeMs: number, signal: AbortSignal): Promise<void> {
    const waitMs = Math.ceil(timeMs - this.#clock.nowMs())
    if (waitMs > 0) await sleep(this.#clock, waitMs, signal)
  }
}
