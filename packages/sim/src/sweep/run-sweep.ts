import { Worker } from 'node:worker_threads'
import type { Outcome } from '../scenarios/types.ts'
import type { Job } from './job.ts'
import type { SweepStore } from './store.ts'

export interface SweepProgress {
  readonly finished: number
  readonly total: number
}

export interface RunSweepOptions {
  readonly threads: number
  readonly signal: AbortSignal
  readonly onProgress: (progress: SweepProgress) => void
}

/**
 * Runs the jobs that the store has no outcome of, on threads, and stores each as soon as it is finished. Resolves with all
 * outcomes in the order of the jobs, or with undefined if `signal` stopped it; runs under way are then given up.
 */
export async function runSweep(
  jobs: readonly Job[],
  store: SweepStore,
  options: RunSweepOptions,
): Promise<Outcome[] | undefined> {
  const outcomes = jobs.map((_, index) => store.loadOutcome(index))
  const open = outcomes.flatMap((outcome, index) => (outcome === undefined ? [index] : []))
  let finished = jobs.length - open.length
  const report = (): void => options.onProgress({ finished, total: jobs.length })
  report()
  const runThread = async (): Promise<void> => {
    if (open.length === 0 || options.signal.aborted) return
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { execArgv: process.execArgv })
    const stop = (): void => void worker.terminate()
    options.signal.addEventListener('abort', stop)
    try {
      await new Promise<void>((resolve, reject) => {
        const next = (): void => {
          const index = options.signal.aborted ? undefined : open.shift()
          if (index === undefined) resolve()
          else worker.postMessage({ index, job: jobs[index] })
        }
        worker.on('message', ({ index, outcome }: { index: number; outcome: Outcome }) => {
          try {
            store.saveOutcome(index, outcome)
            outcomes[index] = outcome
            finished++
            report()
            next()
          } catch (error) {
            reject(error)
          }
        })
        worker.on('error', reject)
        worker.on('exit', (code) =>
          options.signal.aborted ? resolve() : reject(new Error(`a thread ended with ${code}`)),
        )
        next()
      })
    } catch (error) {
      open.length = 0
      throw error
    } finally {
      options.signal.removeEventListener('abort', stop)
      await worker.terminate()
    }
  }
  const threads = Math.min(options.threads, open.length)
  const ends = await Promise.allSettled(Array.from({ length: threads }, runThread))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return outcomes.every((outcome) => outcome !== undefined) ? outcomes : undefined
}
