import type { StateChange, StateReader } from '@nacre/protocol'

/** The state at another block than the tip: changes laid over the stored state, without writing anything. */
export class StateOverlay implements StateReader {
  #base: StateReader
  #entries = new Map<string, Uint8Array | undefined>()

  constructor(base: StateReader) {
    this.#base = base
  }

  get(key: string): Uint8Array | undefined {
    return this.#entries.has(key) ? this.#entries.get(key) : this.#base.get(key)
  }

  apply(changes: readonly StateChange[]): void {
    for (const change of changes) this.#entries.set(change.key, change.after)
  }

  /** Undoes the changes of one block; call from the newest block to the oldest. */
  undo(changes: readonly StateChange[]): void {
    for (const change of changes) this.#entries.set(change.key, change.before)
  }
}
