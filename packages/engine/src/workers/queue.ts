import { type EngineJob, JOB_PRIORITIES, type JobKind, type JobOutcomes, type JobPriority, priorityOf } from './jobs.ts'

/** A job with the promise that waits for it. */
export interface PendingJob {
  readonly id: number
  readonly job: EngineJob
  resolve(outcome: JobOutcomes[JobKind]): void
  reject(error: Error): void
}

/** Two first-in first-out queues, validation before mining, each with its own bound: neither crowds the other out. */
export class JobQueue {
  readonly #max: number
  readonly #queues: Record<JobPriority, PendingJob[]> = { validation: [], mining: [] }

  constructor(maxPerPriority: number) {
    this.#max = maxPerPriority
  }

  /** False if the queue of this priority is full. */
  push(pending: PendingJob): boolean {
    const queue = this.#queues[priorityOf(pending.job)]
    if (queue.length >= this.#max) return false
    queue.push(pending)
    return true
  }

  /** The next job. */
  shift(): PendingJob | undefined {
    for (const priority of JOB_PRIORITIES) {
      const next = this.#queues[priority].shift()
      if (next !== undefined) return next
    }
    return undefined
  }

  /** Takes a job out; false if it is not waiting. */
  remove(pending: PendingJob): boolean {
    const queue = this.#queues[priorityOf(pending.job)]
    const index = queue.indexOf(pending)
    if (index >= 0) queue.splice(index, 1)
    return index >= 0
  }

  /** Empties both queues. */
  drain(): PendingJob[] {
    return JOB_PRIORITIES.flatMap((priority) => this.#queues[priority].splice(0))
  }

  length(priority: JobPriority): number {
    return this.#queues[priority].length
  }
}
