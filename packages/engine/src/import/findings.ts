import { ProtocolError } from '@nacre/protocol'
import { oneLine } from '../files/shown.ts'

/** A sound model that Nacre cannot express, or that the import cannot read, with every reason. */
export class UnsupportedModelError extends ProtocolError {
  readonly path: string
  readonly reasons: readonly string[]

  constructor(path: string, reasons: readonly string[]) {
    super('MODEL_UNSUPPORTED', `${path}: ${reasons.join('; ')}`)
    this.path = path
    this.reasons = reasons
  }
}

/** What a reader finds out besides numbers: all reasons against an import, and what the user should know about it. */
export class Findings {
  readonly notes: string[] = []
  readonly #reasons = new Set<string>()

  note(text: string): void {
    this.notes.push(text)
  }

  unsupported(reason: string): void {
    this.#reasons.add(oneLine(reason))
  }

  /** Throws MODEL_UNSUPPORTED if there is any reason to. */
  settle(path: string): void {
    if (this.#reasons.size > 0) throw new UnsupportedModelError(path, [...this.#reasons])
  }
}
