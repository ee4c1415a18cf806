import { bytesToHex, type Trace } from '@nacre/protocol'

/** Traces of recent winning units, for openings. Bounded: 32 traces of a few hundred kilobytes. */
export class TraceShelf {
  readonly #limit: number
  readonly #traces = new Map<string, Trace>()

  constructor(limit = 32) {
    this.#limit = limit
  }

  get(blockId: Uint8Array): Trace | undefined {
    return this.#traces.get(bytesToHex(blockId))
  }

  put(blockId: Uint8Array, trace: Trace): void {
    this.#traces.set(bytesToHex(blockId), trace)
    if (this.#traces.size > this.#limit) this.#traces.delete(this.#traces.keys().next().value!)
  }
}
