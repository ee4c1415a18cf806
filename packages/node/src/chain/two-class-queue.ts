import { NodeError } from '../errors.ts'

/** Who waits: work with something at stake goes first, but never alone (BLK-4). */
export type QueueClass = 'bonded' | 'other'

interface Waiting {
  readonly run: () => Promise<void>
  readonly cancel: (error: Error) => void
}

/**
 * Runs jobs one at a time from two bounded queues. While the bonded queue has work, at most one turn in four goes to the
 * other (BLK-4), so that free-riders cannot starve block validation and cannot be starved either.
 */
export class TwoClassQueue {
  readonly #limit: number
  readonly #queues: Record<QueueClass, Waiting[]> = { bonded: [], other: [] }
  #bondedTurns = 0
  #running = false
  #drained: Promise<void> = Promise.resolve()
  #closed = false

  /** @param limit most jobs that may wait in each class. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get waiting(): number {
    return this.#queues.bonded.length + this.#queues.other.length
  }

  /** Runs `job` when its turn comes. Rejects with NodeError BUSY if its queue is full, STOPPED after close. */
  run<T>(queueClass: QueueClass, job: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new NodeError('STOPPED', 'the queue is closed'))
    const queue = this.#queues[queueClass]
    if (queue.length >= this.#limit) return Promise.reject(new NodeError('BUSY', `${queue.length} jobs are waiting`))
    return new Promise<T>((resolve, reject) => {
      queue.push({ run: () => job().then(resolve, reject), cancel: reject })
      if (!this.#running) this.#drained = this.#drain()
    })
  }

  /** Rejects everything that waits; resolves once the running job has finished. */
  async close(): Promise<void> {
    this.#closed = true
    for (const queue of Object.values(this.#queues)) {
      for (const waiting of queue.splice(0)) waiting.cancel(new NodeError('STOPPED', 'the queue is closed'))
    }
    await this.#drained
  }

  async #drain(): Promise<void> {
    this.#running = true
    for (let next = this.#next(); next !== undefined; next = this.#next()) await next.run()
    this.#running = false
  }

  #next(): Waiting | undefined {
    const { bonded, other } = this.#queues
    const isOthersTurn = bonded.length === 0 || (this.#bondedTurns >= 3 && other.length > 0)
    if (isOthersTurn && other.length > 0) {
      this.#bondedTurns = 0
      return other.shift()
    }
    this.#bondedTurns++
    return bonded.shift()
  }
}
