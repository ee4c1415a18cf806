import type { StateDraft, StateReader } from '../ledger/state.ts'
import { type OpenJob, readOpenJobs, writeOpenJobs } from './entries.ts'

/**
 * The open jobs of each model while one block applies: read once, written once, however many jobs the block posts. One per
 * block; models by their id in hex.
 */
export class JobBooks {
  readonly #books = new Map<string, readonly OpenJob[]>()

  /** Open jobs of a model in the order of arrival. */
  of(reader: StateReader, modelId: string): readonly OpenJob[] {
    const known = this.#books.get(modelId)
    if (known !== undefined) return known
    const book = readOpenJobs(reader, modelId)
    this.#books.set(modelId, book)
    return book
  }

  /** Replaces the open jobs of a model. */
  set(modelId: string, jobs: readonly OpenJob[]): void {
    this.#books.set(modelId, jobs)
  }

  /** Writes every book that was looked at. */
  flush(draft: StateDraft): void {
    for (const [modelId, jobs] of this.#books) writeOpenJobs(draft, modelId, jobs)
  }
}

/** The job that gives way to a better bid: the lowest, and of equal ones the latest. */
export function leastBid(jobs: readonly OpenJob[]): OpenJob | undefined {
  return jobs.reduce<OpenJob | undefined>(
    (least, job) => (least === undefined || job.maxPrice <= least.maxPrice ? job : least),
    undefined,
  )
}
