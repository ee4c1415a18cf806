/** A job as `GET /jobs/:id` and the event `job` show it. Amounts and prices are grains, as decimal text; ids and keys are hex. */

export const JOB_STATUSES = [
  'waiting',
  'open',
  'cleared',
  'assigned',
  'answered',
  'delivered',
  'settled',
  'returned',
  'unknown',
] as const

/**
 * `waiting`: the transaction is in the mempool; `open`: in the book; `cleared`: it has a price, the next beacon assigns it; `assigned`:
 * its ranks are known; `answered`: a receipt that the next block can contain waits in the mempool of this node; `delivered`: the receipt
 * is in a block, and not settled; `settled`; `returned`: it expired, gave way to a better bid, nobody delivered, or what was delivered
 * was condemned before it settled; `unknown`: this node
 * knows no such job.
 */
export type JobStatus = (typeof JOB_STATUSES)[number]

export interface JobReceiptView {
  readonly minerKey: string
  readonly rank: number
  /** Generated tokens only. */
  readonly tokens: readonly number[]
  readonly traceRoot: string
  readonly unitParentId: string
  readonly transactionId: string
  /** Absent while it waits in the mempool. */
  readonly height?: number
  /** A verifier's verdict on the unit is on the chain, and the unit is not condemned. False: the answer is a claim of its miner. */
  readonly isAudited: boolean
  /** Absent without audits, before the receipt is in a block, and where the node no longer knows. */
  readonly audit?: JobAuditView
}

export const PLANT_STATES = ['suspected', 'revealed'] as const
export type PlantState = (typeof PLANT_STATES)[number]

/** The audits of a delivered unit (chapter 11). */
export interface JobAuditView {
  /** Chance that some verifier looks, in ppm (AUD-2). */
  readonly ratePpm: number
  readonly verdicts: number
  /** Steps that were asked for on the chain, and those of them that wait for their response. */
  readonly challenges: number
  readonly openChallenges: number
  /** Shown to be wrong, or a challenge was not answered: the client has back what did not burn. */
  readonly isCondemned: boolean
  /**
   * A fault was shown while the miner may still call it planted, or it has done so and answers for another trace (AUD-8): then the
   * client has back what the miner was paid. Absent otherwise.
   */
  readonly plant?: PlantState
  /** Height from which on it can no longer be audited; absent before it settles. */
  readonly endHeight?: number
}

/** Where a job's grains go; of an answer that has not settled, where they will go if nothing is forfeited. */
export interface JobFeeView {
  readonly inputGrains: string
  readonly outputGrains: string
  readonly burnedGrains: string
  readonly verifierGrains: string
  readonly minerGrains: string
  readonly returnedGrains: string
}

/** Everything beyond `id` and `status` is absent while the node does not know it. */
export interface JobView {
  readonly id: string
  readonly status: JobStatus
  readonly model?: string
  readonly modelId?: string
  /** Address. */
  readonly client?: string
  /** Not in events. */
  readonly promptTokens?: readonly number[]
  readonly maxNewTokens?: number
  readonly decoding?: { readonly temperatureMilli: number; readonly seed: string; readonly stopAtEos: boolean }
  readonly maxPriceGrains?: string
  readonly expiryHeight?: number
  readonly postedHeight?: number
  /** Height of the block that settled or returned it. */
  readonly endHeight?: number
  readonly priceGrains?: string
  readonly heldGrains?: string
  readonly promptFeeGrains?: string
  readonly promptBurnGrains?: string
  readonly openedHeight?: number
  readonly unitParentId?: string
  /** Who may deliver, and in which blocks. */
  readonly ranks?: readonly { readonly minerKey: string; readonly firstHeight: number; readonly lastHeight: number }[]
  readonly receipt?: JobReceiptView
  /** MACs of the prompt, and of what was generated. */
  readonly inputMacs?: number
  readonly outputMacs?: number
  readonly fee?: JobFeeView
}
