import type { EngineJob, JobOutcome } from './jobs.ts'

/** Why a job never ran, or was lost: never the job's own verdict, which is a ProtocolError. */
export type WorkerErrorCode =
  | 'WORKER_QUEUE_FULL'
  | 'WORKER_CANCELLED'
  | 'WORKER_CRASHED'
  | 'WORKER_FAILED'
  | 'WORKER_STOPPED'

export class WorkerError extends Error {
  readonly code: WorkerErrorCode

  constructor(code: WorkerErrorCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options)
    this.name = 'WorkerError'
    this.code = code
  }
}

/** Counters since the start (of the queue lengths: now). */
export interface WorkerStats {
  /** Threads that have loaded their models. */
  readonly ready: number
  readonly queuedValidation: number
  readonly queuedService: number
  readonly queuedMining: number
  readonly running: number
  readonly completed: number
  /** Jobs that ended with a ProtocolError. */
  readonly rejected: number
  /** Jobs refused because the queue was full. */
  readonly refused: number
  readonly cancelled: number
  readonly crashes: number
}

export interface RunOptions {
  /** A queued job leaves the queue; a running one cannot be interrupted, its outcome is dropped. */
  readonly signal?: AbortSignal
}

/**
 * Runs engine jobs somewhere. Rejects with the job's ProtocolError, or with a WorkerError: WORKER_QUEUE_FULL,
 * WORKER_CANCELLED (the signal), WORKER_CRASHED (the thread died under the job), WORKER_FAILED (a bug, or threads that cannot
 * start), WORKER_STOPPED.
 */
export interface WorkerPort {
  run<J extends EngineJob>(job: J, options?: RunOptions): Promise<JobOutcome<J>>
  readonly stats: WorkerStats
  /** Rejects what is queued or running, and ends all threads. Later jobs are rejected. Idempotent. */
  stop(): Promise<void>
}
