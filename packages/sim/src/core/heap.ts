/** One entry of {@link EventHeap}. */
export interface HeapEntry<T> {
  readonly timeMs: number
  /** Position in the order of insertion: what breaks ties of time. */
  readonly sequence: number
  readonly value: T
}

/**
 * A binary heap ordered by time, then by order of insertion. Two entries never compare equal, so the order of removal is
 * a function of the calls alone: the same program gives the same run.
 */
export class EventHeap<T> {
  readonly #entries: HeapEntry<T>[] = []
  #inserted = 0

  get size(): number {
    return this.#entries.length
  }

  /** Adds `value` at `timeMs`. Throws RangeError for a time that is no finite number. */
  push(timeMs: number, value: T): void {
    if (!Number.isFinite(timeMs)) throw new RangeError(`an event at ${timeMs} ms has no place in time`)
    const entry: HeapEntry<T> = { timeMs, sequence: this.#inserted++, value }
    const entries = this.#entries
    let at = entries.length
    entries.push(entry)
    while (at > 0) {
      const up = (at - 1) >>> 1
      if (!isBefore(entry, entries[up]!)) break
      entries[at] = entries[up]!
      at = up
    }
    entries[at] = entry
  }

  /** The earliest entry without removing it, or undefined. */
  peek(): HeapEntry<T> | undefined {
    return this.#entries[0]
  }

  /** Removes and returns the earliest entry; undefined when there is none. */
  pop(): HeapEntry<T> | undefined {
    const entries = this.#entries
    const first = entries[0]
    const last = entries.pop()
    if (first === undefined || last === undefined || entries.length === 0) return first
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      if (down >= entries.length) break
      if (down + 1 < entries.length && isBefore(entries[down + 1]!, entries[down]!)) down++
      if (!isBefore(entries[down]!, last)) break
      entries[at] = entries[down]!
      at = down
    }
    entries[at] = last
    return first
  }
}

function isBefore<T>(a: HeapEntry<T>, b: HeapEntry<T>): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.sequence < b.sequence)
}
