import { type KeyedHash, ProtocolError } from '@nacre/protocol'
import type { UnitEngine } from '../run/engine.ts'
import { createJobRunner, type EngineFactory, type EngineJob, type JobOutcome } from './jobs.ts'
import { type RunOptions, WorkerError, type WorkerPort, type WorkerStats } from './port.ts'

/**
 * Runs each job at once on the caller's thread: no queue, no races, the same order every time. For simulations and tests, and
 * where there are no threads. @param engineFor see {@link createJobRunner}.
 */
export function inlineWorkers(
  engines: readonly UnitEngine[],
  hash: KeyedHash,
  engineFor?: EngineFactory | undefined,
): WorkerPort {
  const runner = createJobRunner(engines, hash, engineFor)
  const counts = { completed: 0, rejected: 0, cancelled: 0 }
  let stopped = false
  const execute = <J extends EngineJob>(job: J, options: RunOptions): JobOutcome<J> => {
    if (stopped) throw new WorkerError('WORKER_STOPPED', 'the workers are stopped')
    if (options.signal?.aborted === true) {
      counts.cancelled++
      throw new WorkerError('WORKER_CANCELLED', 'cancelled by the caller', { cause: options.signal.reason })
    }
    try {
      const outcome = runner(job)
      counts.completed++
      return outcome
    } catch (error) {
      if (!(error instanceof ProtocolError))
        throw new WorkerError('WORKER_FAILED', `${job.kind} failed`, { cause: error })
      counts.rejected++
      throw error
    }
  }
  return {
    run: (job, options = {}) =>
      new Promise((resolve) => {
        resolve(execute(job, options))
      }),
    get stats(): WorkerStats {
      const none = { queuedValidation: 0, queuedService: 0, queuedMining: 0, running: 0, refused: 0, crashes: 0 }
      return { ready: 1, ...none, ...counts }
    },
    stop: async () => {
      stopped = true
    },
  }
}
