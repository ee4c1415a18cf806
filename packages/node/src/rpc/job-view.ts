/** The shape of what the RPC tells about a job; see `job.ts` for how it is found out. */

/**
 * `waiting`: in the mempool. `open`: in the book. `cleared`: has a price, the next beacon assigns it. `assigned`: its ranks are known.
 * `answered`: a receipt that the next block can contain waits here. `delivered`: in a block. `settled`: paid. `returned`: its client has
 * back what did not burn, because it expired, gave way to a better bid, or nobody delivered. `unknown`: nothing is known here.
 */
export type JobStatus =
  | 'waiting'
  | 'open'
  | 'cleared'
  | 'assigned'
  | 'answered'
  | 'delivered'
  | 'settled'
  | 'returned'
  | 'unknown'

export interface ReceiptView {
  readonly minerKey: string
  readonly rank: number
  /** Generated ones. */
  readonly tokens: readonly number[]
  readonly traceRoot: string
  readonly unitParentId: string
  readonly transactionId: string
  /** Absent while it waits in the mempool. */
  readonly height?: number
  /** Nobody checks the work of a receipt that wins no block: the answer is a claim of its miner. */
  readonly isAudited: false
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

/** Grains and prices (grains per 10^9 output MACs) are decimal strings, MACs integers below 2^53, ids and keys hex. */
export type JobView = { readonly id: string; readonly status: 'unknown' } | KnownJobView

export interface KnownJobView {
  readonly id: string
  readonly status: Exclude<JobStatus, 'unknown'>
  readonly model: string
  readonly modelId: string
  readonly client: string
  readonly promptTokens: readonly number[]
  readonly maxNewTokens: number
  readonly decoding: { readonly temperatureMilli: number; readonly seed: string; readonly stopAtEos: boolean }
  readonly maxPriceGrains: string
  readonly expiryHeight: number
  readonly postedHeight?: number
  /** From the clearing on. A job that was returned without one never had a buyer's price met. */
  readonly priceGrains?: string
  readonly heldGrains?: string
  readonly promptFeeGrains?: string
  readonly promptBurnGrains?: string
  readonly openedHeight?: number
  readonly unitParentId?: string
  readonly ranks?: readonly { readonly minerKey: string; readonly firstHeight: number; readonly lastHeight: number }[]
  readonly receipt?: ReceiptView
  readonly inputMacs?: number
  readonly outputMacs?: number
  readonly fee?: JobFeeView
}
