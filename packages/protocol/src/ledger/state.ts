/** The state as key-value entries, changes to it as undo journals, and its root (BLK-7). */
import { equalBytes, utf8ToBytes } from '../bytes.ts'
import { type LtHash, ltHashAdd, ltHashRemove } from '../lthash.ts'

/** Read access to the entries of one state. */
export interface StateReader {
  get(key: string): Uint8Array | undefined
}

/** One entry before and after a block; `undefined` where it does not exist. */
export interface StateChange {
  readonly key: string
  readonly before: Uint8Array | undefined
  readonly after: Uint8Array | undefined
}

/** An overlay over a state: remembers the first `before` and the last `after` of every entry written. */
export class StateDraft implements StateReader {
  readonly #reader: StateReader
  readonly #before = new Map<string, Uint8Array | undefined>()
  readonly #after = new Map<string, Uint8Array | undefined>()

  constructor(reader: StateReader) {
    this.#reader = reader
  }

  get(key: string): Uint8Array | undefined {
    return this.#after.has(key) ? this.#after.get(key) : this.#reader.get(key)
  }

  /** Writes an entry; `undefined` deletes it. */
  set(key: string, value: Uint8Array | undefined): void {
    if (!this.#before.has(key)) this.#before.set(key, this.#reader.get(key))
    this.#after.set(key, value)
  }

  /** The entries that differ from the state below, sorted by key. */
  finish(): StateChange[] {
    const changes: StateChange[] = []
    for (const key of [...this.#after.keys()].sort()) {
      const before = this.#before.get(key)
      const after = this.#after.get(key)
      if (!isSame(before, after)) changes.push({ key, before, after })
    }
    return changes
  }
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}

/** The LtHash after `changes`, whatever their order (P7). Pure. */
export function applyChanges(ltHash: LtHash, changes: readonly StateChange[]): LtHash {
  let hash = ltHash
  for (const { key, before, after } of changes) {
    const name = utf8ToBytes(key)
    if (before !== undefined) hash = ltHashRemove(hash, name, before)
    if (after !== undefined) hash = ltHashAdd(hash, name, after)
  }
  return hash
}

/** The changes that undo `changes`. */
export function revertChanges(changes: readonly StateChange[]): StateChange[] {
  return changes.map(({ key, before, after }) => ({ key, before: after, after: before }))
}
