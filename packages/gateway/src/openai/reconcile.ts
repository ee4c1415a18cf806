/** What open charges have cost, as the chain says: a block can be left, and an answer condemned, so the last word comes late. */
import { isSilence, type JobView } from '@nacre/node/rpc-client'
import type { Params } from '@nacre/protocol'
import type { JobRunner } from './job-runner.ts'
import type { SpendingLedger } from './keys/ledger.ts'

export interface ReconcileParts {
  readonly params: Params
  readonly ledger: SpendingLedger
  readonly runner: JobRunner
  /** Height of the node's tip. */
  readonly tipHeight: (signal: AbortSignal) => Promise<number>
  /** Undefined where the node knows no such job. */
  readonly jobView: (jobId: string, signal: AbortSignal) => Promise<JobView | undefined>
  readonly nowMs: () => number
}

/** Blocks, with the one that says it, until what a block says of a cost is believed: another branch clears at another price. */
export const CONFIRMATIONS = 6
/** How long a job that the node does not know may still turn up: it can be behind, or have lost its mempool. */
export const UNKNOWN_MS: number = 24 * 3_600_000
/** Charges read at once, and jobs asked for in one round: what is left over comes first in the next. */
const PAGE = 256
const MAX_PER_ROUND = 1024

export interface JobCost {
  /** The fee of the job's transaction included. */
  readonly grains: bigint
  /** The job has ended. */
  readonly isFinal: boolean
}

/**
 * Grains that a job of this view has cost; undefined while no block that is deep enough says so. A receipt that waits for a block costs
 * nothing yet: its miner, or another, can put a longer one in its place. One in a block costs its fee unless it is condemned before it
 * settles (AUD-4).
 * @param tipHeight of the node, from before the view.
 */
export function costOfView(params: Params, view: JobView, tipHeight: number): JobCost | undefined {
  const { status, endHeight, receipt } = view
  const isDeep = (height: number | undefined): boolean =>
    height !== undefined && tipHeight - height + 1 >= CONFIRMATIONS
  const fee = params.fees.minTransactionGrains
  const isFinal = isDeep(endHeight)
  if (status === 'returned')
    return isFinal ? { grains: fee + BigInt(view.promptBurnGrains ?? '0'), isFinal } : undefined
  if (view.fee === undefined || (status !== 'delivered' && status !== 'settled') || !isDeep(receipt?.height))
    return undefined
  return { grains: fee + BigInt(view.fee.inputGrains) + BigInt(view.fee.outputGrains), isFinal }
}

/**
 * Revises what open charges count, and settles those whose job has ended. One that was never seen to be posted is charged in full, and so is
 * one that the node has not known for a day: the budget's owner loses at most its reservation, the gateway's owner nothing. A job of which
 * the node says what cannot be read keeps none of the others open.
 * @param after charge to go on behind; 0 for all.
 * @returns charges settled, and where the next round goes on. Rejects where the node does not answer, or with the first answer that
 * cannot be read, once the others are done.
 */
export async function reconcile(
  parts: ReconcileParts,
  signal: AbortSignal,
  after = 0,
): Promise<{ readonly settled: number; readonly after: number }> {
  const { params, ledger, runner, jobView, nowMs } = parts
  let settled = 0
  let asked = 0
  let last = after
  let failure: unknown
  let tipHeight: number | undefined
  for (let page = ledger.open(PAGE, last); page.length > 0; page = ledger.open(PAGE, last)) {
    // Asked now: one that runs may be posted and answered while others are looked at, and is not what was read here any more.
    const isRunning = new Set(page.filter(({ id }) => runner.isRunning(id)).map(({ id }) => id))
    for (const { id, jobId, grains, createdMs } of page) {
      if (signal.aborted || asked === MAX_PER_ROUND) return { settled, after: last }
      last = id
      if (isRunning.has(id)) continue
      let cost: JobCost | undefined = { grains, isFinal: true }
      if (jobId !== undefined) {
        asked++
        tipHeight ??= await parts.tipHeight(signal)
        try {
          const view = await jobView(jobId, signal)
          const isKnown = view !== undefined && view.status !== 'unknown'
          if (isKnown) cost = costOfView(params, view, tipHeight)
          else if (nowMs() - createdMs < UNKNOWN_MS) cost = undefined
        } catch (error) {
          if (isSilence(error)) throw error
          failure ??= error
          continue
        }
      }
      if (cost === undefined) continue
      if (cost.isFinal) settled++
      if (cost.isFinal) ledger.settle(id, cost.grains)
      else if (cost.grains !== grains) ledger.revise(id, cost.grains)
    }
  }
  if (failure !== undefined) throw failure
  return { settled, after: 0 }
}
