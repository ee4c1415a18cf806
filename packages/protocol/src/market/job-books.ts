import type { StateDraft, StateReader } from '../ledger/state.ts'
import {
  type OpenJob,
  type PendingAsk,
  readOpenJobs,
  readPendingAsks,
  readSettlement,
  writeOpenJobs,
  writePendingAsks,
  writeSettlement,
} from './entries.ts'

/**
 * The market's lists while one block applies: open jobs by model (its id in hex), asks that wait and delivered jobs by the height
 * at which they count. Each is read once and written once, however many transactions add to it. One per block.
 */
export class JobBooks {
  readonly #open = new Map<string, readonly OpenJob[]>()
  readonly #asks = new Map<number, PendingAsk[]>()
  readonly #delivered = new Map<number, Uint8Array[]>()

  /** Open jobs of a model in the order of arrival. */
  of(reader: StateReader, modelId: string): readonly OpenJob[] {
    const known = this.#open.get(modelId)
    if (known !== undefined) return known
    const book = readOpenJobs(reader, modelId)
    this.#open.set(modelId, book)
    return book
  }

  /** Replaces the open jobs of a model. */
  set(modelId: string, jobs: readonly OpenJob[]): void {
    this.#open.set(modelId, jobs)
  }

  /** An ask that takes effect at `height`. */
  addAsk(height: number, ask: PendingAsk): void {
    append(this.#asks, height, ask)
  }

  /** A delivered job that settles at `height`. */
  addDelivered(height: number, jobId: Uint8Array): void {
    append(this.#delivered, height, jobId)
  }

  /** Writes every list that was looked at or added to. Once per block, after its last transaction. */
  flush(draft: StateDraft): void {
    for (const [modelId, jobs] of this.#open) writeOpenJobs(draft, modelId, jobs)
    for (const [height, asks] of this.#asks)
      writePendingAsks(draft, height, [...readPendingAsks(draft, height), ...asks])
    for (const [height, jobIds] of this.#delivered)
      writeSettlement(draft, height, [...readSettlement(draft, height), ...jobIds])
  }
}

function append<T>(lists: Map<number, T[]>, height: number, item: T): void {
  const list = lists.get(height)
  if (list === undefined) lists.set(height, [item])
  else list.push(item)
}

/** The job that gives way to a better bid: the lowest, and of equal ones the latest. */
export function leastBid(jobs: readonly OpenJob[]): OpenJob | undefined {
  return jobs.reduce<OpenJob | undefined>(
    (least, job) => (least === undefined || job.maxPrice <= least.maxPrice ? job : least),
    undefined,
  )
}
