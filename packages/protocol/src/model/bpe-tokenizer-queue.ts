/** A pair of neighbours that can be merged. */
export interface Merge {
  /** Offset of the left one. */
  readonly left: number
  /** Where the right one ends. */
  readonly end: number
  /** The token that they become. */
  readonly token: number
}

/** Ranks and offsets of one text make a key that a double holds exactly. */
const OFFSETS = 2 ** 32

/** Merges by rank, then from left to right: a binary heap, so that n merges take about n log n steps. */
export class MergeQueue {
  readonly #heap: { readonly key: number; readonly merge: Merge }[] = []

  /** @param rank below 2^20. */
  push(rank: number, left: number, end: number, token: number): void {
    const heap = this.#heap
    const item = { key: rank * OFFSETS + left, merge: { left, end, token } }
    let at = heap.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]!.key <= item.key) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = item
  }

  /** Takes the first merge out. */
  pop(): Merge | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined) return undefined
    if (heap.length === 0) return first.merge
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.key < heap[child]!.key) child++
      if (heap[child]!.key >= last.key) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first.merge
  }
}
