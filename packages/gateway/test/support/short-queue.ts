import { setTimeout as delay } from 'node:timers/promises'
import { type EngineJob, type JobOutcome, type RunOptions, WorkerError, type WorkerPort } from '@nacre/engine'

/** Workers that refuse what is more than `most` at once, as threads do, and take a moment for each. */
export function shortQueue(workers: WorkerPort, most: number): WorkerPort {
  let running = 0
  return {
    get stats() {
      return workers.stats
    },
    run: async <J extends EngineJob>(job: J, options?: RunOptions): Promise<JobOutcome<J>> => {
      if (running >= most) throw new WorkerError('WORKER_QUEUE_FULL', 'too many jobs are waiting')
      running++
      try {
        await delay(20)
        return await workers.run(job, options)
      } finally {
        running--
      }
    },
    stop: () => workers.stop(),
  }
}
