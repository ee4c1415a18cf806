import { MAX_IN_FLIGHT_PER_LINK } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { PeerName } from '../ports/network.ts'
import type { Random } from '../ports/random.ts'

export interface LatencyMs {
  readonly min: number
  readonly max: number
}

interface Direction {
  lastArrivalMs: number
  readonly queue: (() => void)[]
}

/** A connection between two peers: each direction delivers in order, as TCP does, each message after its own latency. */
export class MemoryLink {
  readonly ends: readonly [PeerName, PeerName]
  readonly #clock: Clock
  readonly #random: Random
  readonly #latencyMs: LatencyMs
  readonly #directions = new Map<PeerName, Direction>()
  readonly #closed = new AbortController()

  constructor(ends: readonly [PeerName, PeerName], clock: Clock, random: Random, latencyMs: LatencyMs) {
    this.ends = ends
    this.#clock = clock
    this.#random = random
    this.#latencyMs = latencyMs
    for (const end of ends) this.#directions.set(end, { lastArrivalMs: 0, queue: [] })
  }

  /** Aborts when the connection closes. What is under way then is lost. */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /** @returns false if the connection is closed or full; `deliver` is then never called. */
  send(to: PeerName, deliver: () => void): boolean {
    const direction = this.#directions.get(to)
    if (direction === undefined || this.closed.aborted) return false
    if (direction.queue.length >= MAX_IN_FLIGHT_PER_LINK) return false
    const nowMs = this.#clock.nowMs()
    const { min, max } = this.#latencyMs
    const arrivalMs = Math.max(nowMs + min + this.#random.below(max - min + 1), direction.lastArrivalMs)
    direction.lastArrivalMs = arrivalMs
    direction.queue.push(deliver)
    this.#clock.after(arrivalMs - nowMs, () => {
      // The oldest message, not this one: on the wall clock timers of equal due time may fire out of order.
      const next = direction.queue.shift()
      if (!this.closed.aborted) next?.()
    })
    return true
  }

  close(): void {
    this.#closed.abort()
  }
}
