/** Numbers that anybody can make again: SHA-256 of a name and counters. */
import { createHash } from 'node:crypto'

/** 32 bytes for a purpose and numbers. */
export function seedOf(purpose: string, ...numbers: readonly number[]): Uint8Array {
  return new Uint8Array(
    createHash('sha256')
      .update(`audits/${purpose}/${numbers.join('/')}`)
      .digest(),
  )
}

/** A stream of numbers from such a seed. */
export class Draws {
  readonly #purpose: string
  #block: DataView = new DataView(new ArrayBuffer(0))
  #at = 0
  #blocks = 0

  constructor(purpose: string) {
    this.#purpose = purpose
  }

  /** Uniform in [0, 1), 32 bits of it. */
  unit(): number {
    if (this.#at === this.#block.byteLength) {
      this.#block = new DataView(seedOf(this.#purpose, this.#blocks++).buffer)
      this.#at = 0
    }
    const value = this.#block.getUint32(this.#at, true)
    this.#at += 4
    return value / 2 ** 32
  }

  /** 0 .. bound - 1; for bounds far below 2^32, which all here are, without a bias that counts. */
  below(bound: number): number {
    return Math.floor(this.unit() * bound)
  }
}
