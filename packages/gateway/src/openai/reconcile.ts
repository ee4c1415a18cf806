/** What open charges have cost, as the chain says: a block can be left, and an answer condemned, so the last word comes late. */
import { isSilence, type JobView } from '@nacre/node/rpc-client'
import type { Params } from '@nacre/protocol'
import type { JobRunner } from './job-runner.ts'
import type { OpenCharge, SpendingLedger } from './keys/ledger.ts'

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

export interface Round {
  /** Charges. */
  readonly settled: number
  /** Charge behind which the next round goes on; 0 for all. */
  readonly after: number
  /** Why the round ended early, or of the first answer that could not be read. */
  readonly failure?: unknown
}

/**
 * Revises what open charges count, and settles those whose job has ended. None counts more than was reserved, whatever the node says. One
 * that was never seen to be posted is charged in full, and so is one that the node has not known for a day: the budget's owner loses at
 * most its reservation, the gateway's owner nothing. One that the node lost until it was too late is free, once no branch that is believed
 * can have it. A job of which the node says nothing, or what cannot be read, keeps none of the others open.
 * @param after charge to go on behind; 0 for all. Rejects where the node does not say which height it is at.
 */
export async function reconcile(parts: ReconcileParts, signal: AbortSignal, after = 0): Promise<Round> {
  const { params, ledger, runner, jobView, nowMs } = parts
  let settled = 0
  let asked = 0
  let last = after
  let failure: unknown
  let tipHeight: number | undefined
  for (let page = ledger.open(PAGE, last); page.length > 0; page = ledger.open(PAGE, last)) {
    // Asked now: one that runs may be posted and answered while others are looked at, and is not what was read here any more.
    const isRunning = new Set(page.filter(({ id }) => runner.isRunning(id)).map(({ id }) => id))
    for (const charge of page) {
      const { id, jobId, grains, reservedGrains } = charge
      if (signal.aborted || asked === MAX_PER_ROUND) return { settled, after: last, failure }
      last = id
      if (isRunning.has(id)) continue
      let cost: JobCost | undefined = { grains: reservedGrains, isFinal: true }
      if (jobId !== undefined) {
        asked++
        tipHeight ??= await parts.tipHeight(signal)
        try {
          const view = await jobView(jobId, signal)
          const isKnown = view !== undefined && view.status !== 'unknown'
          cost = isKnown ? costOfView(params, view, tipHeight) : costOfUnknown(charge, tipHeight, nowMs())
          if (!isKnown && charge.lostHeight === 0) ledger.setLost(id, tipHeight)
        } catch (error) {
          if (isSilence(error)) return { settled, after: last, failure: error }
          failure ??= error
          continue
        }
      }
      if (cost === undefined) continue
      const counts = cost.grains < reservedGrains ? cost.grains : reservedGrains
      if (cost.isFinal) {
        ledger.settle(id, counts)
        settled++
      } else if (counts !== grains) ledger.revise(id, counts)
    }
  }
  return { settled, after: 0, failure }
}

function costOfUnknown(
  { reservedGrains, createdMs, lostHeight }: OpenCharge,
  tipHeight: number,
  nowMs: number,
): JobCost | undefined {
  if (lostHeight !== undefined && lostHeight > 0 && tipHeight - lostHeight >= CONFIRMATIONS)
    return { grains: 0n, isFinal: true }
  return nowMs - createdMs < UNKNOWN_MS ? undefined : { grains: reservedGrains, isFinal: true }
}
