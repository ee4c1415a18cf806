/** Executions that verify and score answers: workers let only a few wait, so the others wait here. */
import { type EngineJob, type JobOutcome, type RunOptions, WorkerError, type WorkerPort } from '@nacre/engine'

/** Executions handed to the workers at once: as many service jobs as their queue holds. */
const MAX_AT_ONCE = 4

const known = new WeakMap<WorkerPort, WorkerPort>()

/**
 * The same workers behind one queue, first in, first out, shared by all who ask for it: answers are paid by the time they are executed
 * again, so none is turned away because others wait. The queue is as long as there are answers of jobs under way.
 */
export function queuedWorkers(workers: WorkerPort): WorkerPort {
  const queued = known.get(workers) ?? new QueuedWorkers(workers)
  known.set(workers, queued)
  known.set(queued, queued)
  return queued
}

class QueuedWorkers implements WorkerPort {
  readonly #workers: WorkerPort
  readonly #waiting = new Set<() => void>()
  #running = 0

  constructor(workers: WorkerPort) {
    this.#workers = workers
  }

  get stats(): WorkerPort['stats'] {
    return this.#workers.stats
  }

  async run<J extends EngineJob>(job: J, options: RunOptions = {}): Promise<JobOutcome<J>> {
    await this.#turn(options.signal)
    try {
      return await this.#workers.run(job, options)
    } finally {
      this.#running--
      const [next] = this.#waiting
      next?.()
    }
  }

  stop(): Promise<void> {
    return this.#workers.stop()
  }

  /** Counts as running once it resolves. Rejects with WORKER_CANCELLED where the signal aborts before. */
  async #turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#running < MAX_AT_ONCE) {
      this.#running++
      return
    }
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(enter)
        signal?.removeEventListener('abort', cancel)
      }
      const enter = (): void => {
        leave()
        this.#running++
        resolve()
      }
      const cancel = (): void => {
        leave()
        reject(new WorkerError('WORKER_CANCELLED', 'nobody waits for it any more'))
      }
      if (signal?.aborted === true) return cancel()
      this.#waiting.add(enter)
      signal?.addEventListener('abort', cancel, { once: true })
    })
  }
}
