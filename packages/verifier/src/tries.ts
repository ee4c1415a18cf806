/** How often things were tried in vain, the oldest forgotten first: they may be tried again then. */
export class Tries {
  readonly #most: number
  readonly #bound: number
  readonly #tries = new Map<string, number>()

  /** @param most tries of one thing. @param bound things remembered. */
  constructor(most: number, bound: number) {
    this.#most = most
    this.#bound = bound
  }

  /** Whether it is neither settled nor tried as often as it may be. */
  isOpen(name: string): boolean {
    return (this.#tries.get(name) ?? 0) < this.#most
  }

  fail(name: string): void {
    this.#set(name, (this.#tries.get(name) ?? 0) + 1)
  }

  settle(name: string): void {
    this.#set(name, Number.POSITIVE_INFINITY)
  }

  #set(name: string, tries: number): void {
    this.#tries.delete(name)
    this.#tries.set(name, tries)
    if (this.#tries.size > this.#bound) this.#tries.delete(this.#tries.keys().next().value!)
  }
}
