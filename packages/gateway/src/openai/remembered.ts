/** Requests by their Idempotency-Key: a client that asks again gets the jobs that it has paid for, not others. */
import { createHash } from 'node:crypto'
import { invalidRequest, unavailable } from './api-error.ts'
import type { Generation } from './generation.ts'
import { MAX_REMEMBERED_REQUESTS, REMEMBERED_MS } from './limits.ts'
import type { GenerationRequest } from './request.ts'

interface Entry {
  readonly requestHash: string
  readonly generation: Promise<Generation>
  /** Undefined while its jobs are under way. */
  endsMs: number | undefined
}

const MAX_KEY_CHARS = 255

export class RememberedRequests {
  readonly #nowMs: () => number
  readonly #entries = new Map<string, Entry>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /**
   * The request that this caller began under a key, or a new one. One that failed to start, or that nobody answered, is forgotten.
   * Throws ApiError 400 where the key came with another request before.
   */
  get(
    callerId: string,
    key: string,
    request: GenerationRequest,
    start: () => Promise<Generation>,
  ): Promise<Generation> {
    if (key.length > MAX_KEY_CHARS)
      throw invalidRequest(`An Idempotency-Key has at most ${MAX_KEY_CHARS} characters.`, undefined)
    const name = `${callerId}\n${key}`
    // Not the body: what it says beyond the request is ignored, and as deep as a stranger likes.
    const requestHash = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    const found = this.#entries.get(name)
    if (found !== undefined && !this.#isOver(found)) {
      if (found.requestHash === requestHash) return found.generation
      throw invalidRequest('This Idempotency-Key was used for another request.', undefined, 'idempotency_key_reused')
    }
    this.#makeRoom()
    const generation = start()
    const entry: Entry = { requestHash, generation, endsMs: undefined }
    this.#entries.set(name, entry)
    const forget = (): void => {
      if (this.#entries.get(name) === entry) this.#entries.delete(name)
    }
    generation.then(async (started) => {
      await started.done
      entry.endsMs = this.#nowMs() + REMEMBERED_MS
      if (!started.hasAnswers) forget()
    }, forget)
    return generation
  }

  #isOver({ endsMs }: Entry): boolean {
    return endsMs !== undefined && endsMs <= this.#nowMs()
  }

  #makeRoom(): void {
    if (this.#entries.size < MAX_REMEMBERED_REQUESTS) return
    for (const [name, entry] of this.#entries) if (this.#isOver(entry)) this.#entries.delete(name)
    if (this.#entries.size < MAX_REMEMBERED_REQUESTS) return
    // The oldest that is done; those under way are bounded by the jobs under way.
    for (const [name, { endsMs }] of this.#entries) {
      if (endsMs === undefined) continue
      this.#entries.delete(name)
      return
    }
    throw unavailable('Too many requests are remembered by their Idempotency-Key.', 'overloaded', 1000)
  }
}
