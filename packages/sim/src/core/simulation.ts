import { EventHeap } from './heap.ts'

/** A scheduled action that can be taken back. */
export interface Scheduled {
  readonly timeMs: number
  cancelled: boolean
}

interface Action extends Scheduled {
  readonly run: () => void
}

/** A virtual clock and its agenda. Nothing in it reads a real clock, so a run takes as long as its events take. */
export class Simulation {
  readonly #agenda = new EventHeap<Action>()
  #nowMs = 0
  #executed = 0

  /** Virtual time since the start, in milliseconds; fractions are kept. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Events executed so far, without cancelled ones. */
  get executed(): number {
    return this.#executed
  }

  /** Runs `run` at `timeMs`, after everything that was scheduled earlier for the same time. Throws RangeError for the past. */
  at(timeMs: number, run: () => void): Scheduled {
    if (timeMs < this.#nowMs) throw new RangeError(`${timeMs} ms is in the past of ${this.#nowMs} ms`)
    const action: Action = { timeMs, run, cancelled: false }
    this.#agenda.push(timeMs, action)
    return action
  }

  /** Runs `run` after `delayMs` >= 0. */
  after(delayMs: number, run: () => void): Scheduled {
    return this.at(this.#nowMs + delayMs, run)
  }

  /** Executes all events up to and including `endMs` and leaves the clock there. */
  runUntil(endMs: number): void {
    for (let next = this.#agenda.peek(); next !== undefined && next.timeMs <= endMs; next = this.#agenda.peek()) {
      this.#agenda.pop()
      if (next.value.cancelled) continue
      this.#nowMs = next.timeMs
      this.#executed++
      next.value.run()
    }
    this.#nowMs = Math.max(this.#nowMs, endMs)
  }
}
