import { bytesToHex, type Trace } from '@nacre/protocol'

/**
 * Traces of recent winning units, for openings, and of paid units delivered here. Bounded: 32 own ones, 8 re-executed ones, 32 paid
 * ones, of at most 1.4 MB each on nacre-small. Each kind has a place of its own, so that requests cannot push out the traces that only lie here.
 */
export class TraceShelf {
  readonly #own: Shelf
  readonly #replayed: Shelf
  readonly #paid: Shelf
  /** Heights up to which paid ones are kept, by job. */
  readonly #paidUntil = new Map<string, number>()

  constructor(limit = 32, replayedLimit = 8, paidLimit = 32) {
    this.#own = new Shelf(limit)
    this.#replayed = new Shelf(replayedLimit)
    this.#paid = new Shelf(paidLimit)
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

  /** The trace of a job that was executed here. @param jobId hex. */
  paid(jobId: string): Trace | undefined {
    return this.#paid.get(jobId)
  }

  /** Keeps the trace of a job up to a height: until its payment has matured somebody may audit it (AUD-3). */
  putPaid(jobId: string, trace: Trace, untilHeight: number): void {
    const pushedOut = this.#paid.put(jobId, trace)
    if (pushedOut !== undefined) this.#paidUntil.delete(pushedOut)
    this.#paidUntil.set(jobId, untilHeight)
  }

  /** Forgets what nobody may ask for any more. */
  expire(height: number): void {
    for (const [jobId, untilHeight] of this.#paidUntil) {
      if (untilHeight >= height) continue
      this.#paidUntil.delete(jobId)
      this.#paid.drop(jobId)
    }
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

  /** Returns the key of what had to go. */
  put(hex: string, trace: Trace): string | undefined {
    this.#traces.set(hex, trace)
    if (this.#traces.size <= this.#limit) return undefined
    const oldest = this.#traces.keys().next().value!
    this.#traces.delete(oldest)
    return oldest
  }

  drop(hex: string): void {
    this.#traces.delete(hex)
  }
}
