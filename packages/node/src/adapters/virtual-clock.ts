import type { Clock } from '../ports/clock.ts'

interface Timer {
  readonly timeMs: number
  /** Order of creation: timers due at the same time fire in it, so a run does not depend on the heap's shape. */
  readonly sequence: number
  callback: (() => void) | undefined
}

/** Turns of the event loop in which something was scheduled before the program counts as never coming to rest. */
const MAX_TURNS = 100_000
/** Cancelled timers stay in the heap until popped; above this many, and half of the heap, they are swept out. */
const SWEEP_ABOVE = 1_024
const DEFAULT_RUN_MS = 3_600_000

export interface RunOptions {
  /** Virtual time, in the clock's own milliseconds, after which the run gives up. Default: one hour from now. */
  readonly maxTimeMs?: number
}

/**
 * A clock that moves only when told to, for tests and simulations.
 *
 * Two runs of the same program fire the same timers in the same order, as long as everything that waits does so on
 * this clock or on promises. Real I/O and worker threads finish in real time and are not waited for.
 */
export class VirtualClock implements Clock {
  #nowMs: number
  #sequence = 0
  #cancelled = 0
  /** Timers set and cancelled so far: unchanged after a turn of the event loop means that the program rests. */
  #activity = 0
  #running = false
  #heap: Timer[] = []

  constructor(startMs = 0) {
    this.#nowMs = startMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, callback: () => void): () => void {
    const timeMs = this.#nowMs + (delayMs > 0 ? delayMs : 0)
    const timer: Timer = { timeMs, sequence: this.#sequence, callback }
    this.#sequence += 1
    this.#activity += 1
    this.#push(timer)
    return () => {
      if (timer.callback === undefined) return
      timer.callback = undefined
      this.#activity += 1
      this.#cancelled += 1
      if (this.#cancelled > SWEEP_ABOVE && this.#cancelled * 2 > this.#heap.length) this.#sweep()
    }
  }

  /** Timers that are set and not yet fired or cancelled. */
  get pendingTimers(): number {
    return this.#heap.length - this.#cancelled
  }

  /**
   * Lets the program rest, fires the next timer, and repeats.
   *
   * @param until a virtual time: fires everything due up to and including it and leaves the clock there; or a
   *   condition, tested whenever the program rests.
   * @returns whether `until` was reached. False: no timer is left, or the next one is after `maxTimeMs`.
   * @throws what a timer's callback throws.
   */
  async runUntil(until: number | (() => boolean), options: RunOptions = {}): Promise<boolean> {
    if (this.#running) throw new Error('VirtualClock.runUntil is already running')
    this.#running = true
    try {
      return await this.#run(until, options.maxTimeMs ?? this.#nowMs + DEFAULT_RUN_MS)
    } finally {
      this.#running = false
    }
  }

  async #run(until: number | (() => boolean), maxTimeMs: number): Promise<boolean> {
    const lastMs = typeof until === 'number' ? until : maxTimeMs
    for (;;) {
      await this.#rest()
      if (typeof until === 'function' && until()) return true
      const next = this.#peek()
      if (next === undefined || next.timeMs > lastMs) break
      this.#pop()
      this.#nowMs = next.timeMs
      const callback = next.callback
      next.callback = undefined
      callback?.()
    }
    if (typeof until === 'function') return false
    if (until > this.#nowMs) this.#nowMs = until
    return true
  }

  /** Returns once a whole turn of the event loop, and so every promise job, has passed without a timer being set. */
  async #rest(): Promise<void> {
    for (let turns = 0; turns < MAX_TURNS; turns += 1) {
      const before = this.#activity
      // Two turns: a job that yields with one setImmediate of its own is still seen.
      await turnOfEventLoop()
      await turnOfEventLoop()
      if (this.#activity === before) return
    }
    throw new Error(`the program set timers in ${MAX_TURNS} turns of the event loop without coming to rest`)
  }

  #peek(): Timer | undefined {
    while (this.#heap[0] !== undefined && this.#heap[0].callback === undefined) {
      this.#pop()
      this.#cancelled -= 1
    }
    return this.#heap[0]
  }

  #push(timer: Timer): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(timer)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(timer, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = timer
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1
      if (!isBefore(heap[child]!, last)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
  }

  #sweep(): void {
    const live = this.#heap.filter((timer) => timer.callback !== undefined)
    this.#heap = []
    this.#cancelled = 0
    for (const timer of live) this.#push(timer)
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.timeMs !== b.timeMs ? a.timeMs < b.timeMs : a.sequence < b.sequence
}

function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
