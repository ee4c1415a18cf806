/** Posts jobs and goes on with them, whether or not anybody still waits. What they cost is the chain's to say: see `reconcile`. */
import type { JobView } from '@nacre/node/rpc-client'
import { JobError } from '../jobs/errors.ts'
import type { JobAnswer, JobClient, JobRequest, VerifyMode } from '../jobs/types.ts'
import { ApiError, unavailable } from './api-error.ts'
import { type Caller, LOCAL_CALLER } from './keys/access.ts'
import type { SpendingLedger } from './keys/ledger.ts'
import { MAX_JOBS_IN_FLIGHT, MAX_JOBS_OF_KEY } from './limits.ts'

export interface PostOptions {
  readonly verify: VerifyMode
  /** In the ledger; its cost replaces what was reserved. */
  readonly chargeId: number
  /** Whose budget it is. */
  readonly callerId: string
}

export interface JobCounts {
  posted: number
  answered: number
  verified: number
  failed: Record<string, number>
  /** Fees of answered jobs, without those of their transactions. */
  feeGrains: bigint
  inputMacs: number
  outputMacs: number
}

export class JobRunner {
  readonly #client: JobClient
  readonly #ledger: SpendingLedger
  readonly #onError: (error: unknown) => void
  readonly #stopping = new AbortController()
  /** Charges of jobs under way. */
  readonly #running = new Map<number, { readonly callerId: string; readonly work: Promise<unknown> }>()
  readonly counts: JobCounts = {
    ...{ posted: 0, answered: 0, verified: 0, failed: {}, feeGrains: 0n, inputMacs: 0, outputMacs: 0 },
  }

  /** @param onError hears of failures that are none of a job's: bugs. */
  constructor(client: JobClient, ledger: SpendingLedger, onError: (error: unknown) => void) {
    this.#client = client
    this.#ledger = ledger
    this.#onError = onError
  }

  get inFlight(): number {
    return this.#running.size
  }

  /** Whether a charge belongs to a job that this process follows. */
  isRunning(chargeId: number): boolean {
    return this.#running.has(chargeId)
  }

  /**
   * Throws ApiError 503 if so many more jobs are too many, 429 if they are for one key: jobs that it no longer waits for hold a place too, and
   * must not hold those of all others.
   */
  checkRoom(caller: Pick<Caller, 'id'>, jobs: number, retryAfterMs: number): void {
    if (this.#running.size + jobs > MAX_JOBS_IN_FLIGHT)
      throw unavailable(`The gateway has ${this.#running.size} jobs under way.`, 'overloaded', retryAfterMs)
    if (caller.id === LOCAL_CALLER.id) return
    const own = [...this.#running.values()].filter(({ callerId }) => callerId === caller.id).length
    if (own + jobs > MAX_JOBS_OF_KEY)
      throw new ApiError(429, `This key has ${own} jobs under way, of at most ${MAX_JOBS_OF_KEY}.`, {
        ...{ type: 'rate_limit_error', code: 'concurrent_requests_exceeded', retryAfterMs },
      })
  }

  /** Posts a job. Rejects with JobError; goes on until the job is over, so that its cost becomes known. */
  post(request: JobRequest, { verify, chargeId, callerId }: PostOptions): Promise<JobAnswer> {
    const work = this.#post(request, verify, chargeId)
    this.#running.set(chargeId, { callerId, work })
    const forget = (): void => void this.#running.delete(chargeId)
    work.then(forget, forget)
    return work
  }

  async #post(request: JobRequest, verify: VerifyMode, chargeId: number): Promise<JobAnswer> {
    const { counts } = this
    let posted: string | undefined
    let view: JobView | undefined
    counts.posted++
    try {
      const answer = await this.#client.submit(request, {
        signal: this.#stopping.signal,
        verify,
        onProgress: (progress) => {
          view = progress.view ?? view
          if (posted !== undefined) return
          posted = progress.jobId
          this.#ledger.setJob(chargeId, posted)
        },
      })
      counts.answered++
      if (answer.verification === 'verified') counts.verified++
      counts.feeGrains += answer.feeGrains
      counts.inputMacs += answer.inputMacs
      counts.outputMacs += answer.outputMacs
      return answer
    } catch (error) {
      const code = error instanceof JobError ? error.code : 'INTERNAL'
      if (!(error instanceof JobError)) this.#onError(error)
      counts.failed[code] = (counts.failed[code] ?? 0) + 1
      const jobId = error instanceof JobError ? (error.jobId ?? posted) : posted
      // Never posted.
      if (jobId === undefined) this.#ledger.settle(chargeId, 0n)
      else this.#ledger.setJob(chargeId, jobId)
      // The node lost it, and it is too late for the same transaction; but another branch may have it.
      if (code === 'EXPIRED' && view?.status === 'unknown') this.#ledger.setLost(chargeId, 0)
      throw error
    }
  }

  /** Ends the wait for all jobs; their charges stay open until somebody asks a node what became of them. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.allSettled([...this.#running.values()].map(({ work }) => work))
  }
}
