import { type EngineJob, JOB_PRIORITIES, type JobKind, type JobOutcomes, type JobPriority, priorityOf } from './jobs.ts'

/** A job with the promise that waits for it. */
export interface PendingJob {
  readonly id: number
  readonly job: EngineJob
  resolve(outcome: JobOutcomes[JobKind]): void
  reject(error: Error): void
}

/**
 * Most service jobs that wait. What is refused can be asked for elsewhere, so a short queue serves better than long waits:
 * whoever asked has given up before its turn comes.
 */
export const MAX_SERVICE_QUEUE = 4

/**
 * One first-in first-out queue for each priority, each with its own bound: none crowds another out.
 *
 * Validation goes first (BLK-4). Service and mining take turns: if service always went first, a stream of requests would end
 * mining; if mining did, a miner that always has a unit waiting would answer nobody (AUD-3).
 */
export class JobQueue {
  readonly #max: Readonly<Record<JobPriority, number>>
  readonly #queues: Record<JobPriority, PendingJob[]> = { validation: [], service: [], mining: [] }
  #isTurnOfMining = false

  constructor(maxPerPriority: number) {
    this.#max = {
      validation: maxPerPriority,
      service: Math.min(maxPerPriority, MAX_SERVICE_QUEUE),
      mining: maxPerPriority,
    }
  }

  /** False if the queue of this priority is full. */
  push(pending: PendingJob): boolean {
    const priority = priorityOf(pending.job)
    const queue = this.#queues[priority]
    if (queue.length >= this.#max[priority]) return false
    queue.push(pending)
    return true
  }

  /** The next job; service jobs wait on unless `mayServe`. */
  shift(mayServe: boolean): PendingJob | undefined {
    const { validation, service, mining } = this.#queues
    const first = validation.shift()
    if (first !== undefined) return first
    const serves = mayServe && service.length > 0 && !(this.#isTurnOfMining && mining.length > 0)
    const next = serves ? service.shift() : mining.shift()
    if (next !== undefined) this.#isTurnOfMining = serves
    return next
  }

  /** Takes a job out; false if it is not waiting. */
  remove(pending: PendingJob): boolean {
    const queue = this.#queues[priorityOf(pending.job)]
    const index = queue.indexOf(pending)
    if (index >= 0) queue.splice(index, 1)
    return index >= 0
  }

  /** Empties all queues. */
  drain(): PendingJob[] {
    return JOB_PRIORITIES.flatMap((priority) => this.#queues[priority].splice(0))
  }

  length(priority: JobPriority): number {
    return this.#queues[priority].length
  }
}
