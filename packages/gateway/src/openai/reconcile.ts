/** Charges whose job this process does not follow (any more): a node is asked what they cost. */
import type { JobView } from '@nacre/node/rpc-client'
import type { Params } from '@nacre/protocol'
import { costOfView, type JobRunner } from './job-runner.ts'
import type { OpenCharge, SpendingLedger } from './keys/ledger.ts'

export interface ReconcileParts {
  readonly params: Params
  readonly ledger: SpendingLedger
  readonly runner: JobRunner
  /** Undefined where the node knows no such job. */
  readonly jobView: (jobId: string, signal: AbortSignal) => Promise<JobView | undefined>
}

/** Charges looked at in one round. */
const MAX_PER_ROUND = 64

/**
 * Settles what can be settled. A job that the node does not know, or that was never seen to be posted, stays charged in full: the
 * budget's owner loses at most its reservation, the gateway's owner nothing.
 * @returns charges settled. Rejects where the node does not answer.
 */
export async function reconcile(parts: ReconcileParts, signal: AbortSignal): Promise<number> {
  const { params, ledger, runner, jobView } = parts
  const isOurs = ({ id }: OpenCharge): boolean => !runner.isRunning(id)
  let settled = 0
  for (const { id, jobId, grains } of ledger
    .open(4 * MAX_PER_ROUND)
    .filter(isOurs)
    .slice(0, MAX_PER_ROUND)) {
    if (signal.aborted) break
    if (jobId === undefined) {
      ledger.settle(id, grains)
      settled++
      continue
    }
    const view = await jobView(jobId, signal)
    const isUnknown = view === undefined || view.status === 'unknown'
    const cost = isUnknown ? grains : costOfView(params, view)
    if (cost === undefined) continue
    ledger.settle(id, cost)
    settled++
  }
  return settled
}
