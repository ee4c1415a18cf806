import { bytesToHex, type Trace } from '@nacre/protocol'

/**
 * Traces of recent winning units, for openings. Bounded: 32 own ones and 8 re-executed ones, of a few hundred kilobytes each.
 * Re-executed ones have a place of their own, so that requests cannot push out the traces that only lie here.
 */
export class TraceShelf {
  readonly #own: Shelf
  readonly #replayed: Shelf

  constructor(limit = 32, replayedLimit = 8) {
    this.#own = new Shelf(limit)
    this.#replayed = new Shelf(replayedLimit)
  }

  get(blockId: Uint8Array): Trace | undefined {
    const hex = bytesToHex(blockId)
    return this.#own.get(hex) ?? this.#replayed.get(hex)
  }

  /** Keeps the trace of a unit that won here. */
  put(blockId: Uint8Array, trace: Trace): void {
    this.#own.put(bytesToHex(blockId), trace)
  }

  /** Keeps a trace that was executed again because somebody asked for it. */
  putReplayed(blockId: Uint8Array, trace: Trace): void {
    this.#replayed.put(bytesToHex(blockId), trace)
  }
}

/** First in, first out. */
class Shelf {
  readonly #limit: number
  readonly #traces = new Map<string, Trace>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get(hex: string): Trace | undefined {
    return this.#traces.get(hex)
  }

  put(hex: string, trace: Trace): void {
    this.#traces.set(hex, trace)
    if (this.#traces.size > this.#limit) this.#traces.delete(this.#traces.keys().next().value!)
  }
}
