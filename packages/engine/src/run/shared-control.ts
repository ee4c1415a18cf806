/**
 * Who packs, who waits and who uses what, between threads that share one memory: a few words, changed atomically. With one thread
 * nothing ever waits, and the memory need not be shared.
 *
 * A thread that dies leaves its marks behind; {@link SharedControl.release} takes them back, whoever calls it.
 */
import { check } from '@nacre/protocol'

/** Where the words are and what they count. */
export interface ControlPlace {
  readonly at: number
  /** Parents kept, and ticket operations of each. */
  readonly parents: number
  readonly slots: number
  readonly threads: number
}

const LOCK = 0
const WEIGHTS = 1
/** Counts changes that somebody may wait for. */
const CHANGES = 2
const CLOCK = 3
const FIRST_PARENT = 4
const BEACON_WORDS = 8
/** Words of control: lock, weights, changes and clock, then the parents with their slots, then a pin for each thread. */
export const controlWords = (parents: number, slots: number, threads: number): number =>
  FIRST_PARENT + parents * (1 + BEACON_WORDS + slots) + threads
const FREE = 0
const READY = -1
/** A waiting thread looks again after this long, should a wake-up be lost with the thread that owed it. */
const LOOK_AGAIN_MS = 50

export class SharedControl {
  readonly #words: Int32Array
  readonly #parents: number
  readonly #slots: number
  readonly #threads: number
  readonly #pins: number

  constructor(buffer: ArrayBufferLike, { at, parents, slots, threads }: ControlPlace) {
    this.#words = new Int32Array(buffer, at, controlWords(parents, slots, threads))
    this.#parents = parents
    this.#slots = slots
    this.#threads = threads
    this.#pins = FIRST_PARENT + parents * (1 + BEACON_WORDS + slots)
  }

  /** Runs `pack` unless some thread has, or waits until it has. */
  packWeights(thread: number, pack: () => void): void {
    this.#once(WEIGHTS, thread, pack)
  }

  /** The same for one slot of a pinned parent. */
  fillSlot(thread: number, parent: number, slot: number, fill: () => void): void {
    this.#once(this.#slotAt(parent, slot), thread, fill)
  }

  isFilled(parent: number, slot: number): boolean {
    return Atomics.load(this.#words, this.#slotAt(parent, slot)) === READY
  }

  /**
   * Pins the parent with this beacon for a thread, which has no other pinned then; if it is not kept, it takes the place of the
   * one longest not used that no other thread has pinned. Waits while there is none.
   */
  pin(thread: number, beacon: Uint8Array): number {
    const key = wordsOf(beacon)
    for (;;) {
      const changes = Atomics.load(this.#words, CHANGES)
      const parent = this.#locked(thread, () => this.#choose(thread, key))
      if (parent !== undefined) return parent
      this.#wait(CHANGES, changes)
    }
  }

  /** Pins the parent with this beacon if it is kept. */
  pinKept(thread: number, beacon: Uint8Array): number | undefined {
    const key = wordsOf(beacon)
    return this.#locked(thread, () => {
      const parent = this.#find(key)
      if (parent !== undefined) this.#use(thread, parent)
      return parent
    })
  }

  unpin(thread: number): void {
    Atomics.store(this.#words, this.#pins + thread, 0)
    this.#changed()
  }

  /** Takes back what a thread that ended has left: its lock, its pins, what it had begun to fill. */
  release(thread: number): void {
    const mine = thread + 1
    for (let parent = 0; parent < this.#parents; parent++) {
      for (let slot = 0; slot < this.#slots; slot++) this.#abandon(this.#slotAt(parent, slot), mine)
    }
    this.#abandon(WEIGHTS, mine)
    this.unpin(thread)
    this.#abandon(LOCK, mine)
  }

  #abandon(word: number, mine: number): void {
    if (Atomics.compareExchange(this.#words, word, mine, FREE) === mine) Atomics.notify(this.#words, word)
  }

  #once(word: number, thread: number, work: () => void): void {
    for (;;) {
      const state = Atomics.compareExchange(this.#words, word, FREE, thread + 1)
      if (state === READY) return
      if (state === FREE) break
      this.#wait(word, state)
    }
    try {
      work()
    } catch (error) {
      Atomics.store(this.#words, word, FREE)
      Atomics.notify(this.#words, word)
      throw error
    }
    Atomics.store(this.#words, word, READY)
    Atomics.notify(this.#words, word)
  }

  #choose(thread: number, key: Int32Array): number | undefined {
    const found = this.#find(key)
    if (found !== undefined) return this.#use(thread, found)
    let oldest: number | undefined
    for (let parent = 0; parent < this.#parents; parent++) {
      if (this.#isPinned(parent, thread)) continue
      if (oldest === undefined || this.#words[this.#at(parent)]! < this.#words[this.#at(oldest)]!) oldest = parent
    }
    if (oldest === undefined) return undefined
    for (let slot = 0; slot < this.#slots; slot++) Atomics.store(this.#words, this.#slotAt(oldest, slot), FREE)
    this.#words.set(key, this.#at(oldest) + 1)
    return this.#use(thread, oldest)
  }

  #use(thread: number, parent: number): number {
    this.#words[this.#at(parent)] = ++this.#words[CLOCK]!
    Atomics.store(this.#words, this.#pins + thread, parent + 1)
    return parent
  }

  #find(key: Int32Array): number | undefined {
    for (let parent = 0; parent < this.#parents; parent++) {
      const at = this.#at(parent)
      if (this.#words[at] !== 0 && key.every((word, i) => word === this.#words[at + 1 + i])) return parent
    }
    return undefined
  }

  #isPinned(parent: number, except: number): boolean {
    for (let thread = 0; thread < this.#threads; thread++) {
      if (thread !== except && Atomics.load(this.#words, this.#pins + thread) - 1 === parent) return true
    }
    return false
  }

  #locked<T>(thread: number, work: () => T): T {
    for (;;) {
      const holder = Atomics.compareExchange(this.#words, LOCK, FREE, thread + 1)
      if (holder === FREE) break
      this.#wait(LOCK, holder)
    }
    try {
      return work()
    } finally {
      Atomics.store(this.#words, LOCK, FREE)
      Atomics.notify(this.#words, LOCK)
    }
  }

  #changed(): void {
    Atomics.add(this.#words, CHANGES, 1)
    Atomics.notify(this.#words, CHANGES)
  }

  #wait(word: number, while_: number): void {
    Atomics.wait(this.#words, word, while_, LOOK_AGAIN_MS)
  }

  /** Words of a parent: time of its last use (0 if there is none), its beacon, the states of its slots. */
  #at(parent: number): number {
    return FIRST_PARENT + parent * (1 + BEACON_WORDS + this.#slots)
  }

  #slotAt(parent: number, slot: number): number {
    return this.#at(parent) + 1 + BEACON_WORDS + slot
  }
}

/** Throws UNIT_PARENT for anything but 32 bytes. */
function wordsOf(beacon: Uint8Array): Int32Array {
  check(beacon.length === 4 * BEACON_WORDS, 'UNIT_PARENT', `a beacon has 32 bytes, not ${beacon.length}`)
  return new Int32Array(Uint8Array.from(beacon).buffer)
}
