/** Charges whose job this process does not follow (any more): a node is asked what they cost. */
import { isSilence, type JobView } from '@nacre/node/rpc-client'
import type { Params } from '@nacre/protocol'
import { costOfView, type JobRunner } from './job-runner.ts'
import type { SpendingLedger } from './keys/ledger.ts'

export interface ReconcileParts {
  readonly params: Params
  readonly ledger: SpendingLedger
  readonly runner: JobRunner
  /** Undefined where the node knows no such job. */
  readonly jobView: (jobId: string, signal: AbortSignal) => Promise<JobView | undefined>
}

/** Charges read at once, and jobs asked for in one round: what is left over comes first in the next. */
const PAGE = 256
const MAX_PER_ROUND = 1024

/**
 * Settles what can be settled. A job that the node does not know, or that was never seen to be posted, stays charged in full: the
 * budget's owner loses at most its reservation, the gateway's owner nothing. A job of which the node says what cannot be read keeps none
 * of the others open.
 * @param after charge to go on behind; 0 for all.
 * @returns charges settled, and where the next round goes on. Rejects where the node does not answer, or with the first answer that
 * cannot be read, once the others are done.
 */
export async function reconcile(
  parts: ReconcileParts,
  signal: AbortSignal,
  after = 0,
): Promise<{ readonly settled: number; readonly after: number }> {
  const { params, ledger, runner, jobView } = parts
  let settled = 0
  let asked = 0
  let last = after
  let failure: unknown
  for (let page = ledger.open(PAGE, last); page.length > 0; page = ledger.open(PAGE, last)) {
    for (const { id, jobId, grains } of page) {
      if (signal.aborted || asked === MAX_PER_ROUND) return { settled, after: last }
      last = id
      if (runner.isRunning(id)) continue
      let cost: bigint | undefined = grains
      if (jobId !== undefined) {
        asked++
        try {
          const view = await jobView(jobId, signal)
          if (view !== undefined && view.status !== 'unknown') cost = costOfView(params, view)
        } catch (error) {
          if (isSilence(error)) throw error
          failure ??= error
          continue
        }
      }
      if (cost === undefined) continue
      ledger.settle(id, cost)
      settled++
    }
  }
  if (failure !== undefined) throw failure
  return { settled, after: 0 }
}
