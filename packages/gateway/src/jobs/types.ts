/** What somebody who wants inference asks of the network, and what comes back. */
import type { JobStatus, JobView } from '@nacre/node/rpc-client'
import type { Decoding, Params } from '@nacre/protocol'

/** Which answers are executed again before they are handed out: none, a random share, all. */
export type VerifyMode = 'off' | 'sampled' | 'full'

export interface JobRequest {
  /** Hex. */
  readonly modelId: string
  readonly promptTokens: readonly number[]
  readonly maxNewTokens: number
  readonly decoding: Decoding
  /** Most grains for 10^9 output MACs (JOB-2). */
  readonly maxPriceGrains: bigint
  /** Who shall deliver, hex, under provenance `client-signed` (B1) and only there. Default: one that asks at most `maxPriceGrains`. */
  readonly minerKey?: string
  /** Blocks until it expires. Default: enough for all ranks, and some to wait in the book. */
  readonly lifetimeBlocks?: number
}

export interface JobProgress {
  readonly jobId: string
  readonly status: JobStatus
  /** What the node tells, once it was asked. */
  readonly view?: JobView
}

export interface JobAnswer {
  /** Id of the job's transaction, hex. */
  readonly jobId: string
  /** Generated tokens only. */
  readonly tokens: readonly number[]
  readonly minerKey: string
  readonly rank: number
  readonly traceRoot: string
  readonly unitParentId: string
  /** Id of the receipt's transaction. */
  readonly receiptId: string
  /** Undefined while the receipt waits in the mempool. */
  readonly receiptHeight: number | undefined
  readonly finishReason: 'stop' | 'length'
  readonly priceGrains: bigint
  readonly inputMacs: number
  /** MACs of what was generated. */
  readonly outputMacs: number
  /** Input and output at the clearing price; the rest of the escrow returns. */
  readonly feeGrains: bigint
  /** A false answer never gets here: it is the error ANSWER_FALSE. */
  readonly verification: 'unchecked' | 'verified'
  /** Since the call: until the node had the job, until the answer was there. */
  readonly timings: { readonly postedMs: number; readonly answeredMs: number }
}

export interface JobBalance {
  /** The tip that it holds for. */
  readonly height: number
  readonly maturedGrains: bigint
  /** What transactions that wait take away. */
  readonly waitingGrains: bigint
  /** Matured, less what waits. */
  readonly spendableGrains: bigint
}

export interface SubmitOptions {
  /** Ends the wait, not the job: what is posted stays posted. */
  readonly signal: AbortSignal
  readonly verify: VerifyMode
  readonly onProgress?: (progress: JobProgress) => void
}

/** The chain that a client works on. */
export interface JobChain {
  /** Hex. */
  readonly chainId: string
  readonly params: Params
}

/** Posts jobs from one key, and brings their answers. It is the only user of its key while it runs. */
export interface JobClient {
  readonly address: string
  readonly chain: JobChain
  balance(signal: AbortSignal): Promise<JobBalance>
  /**
   * Posts a job and resolves as soon as a receipt of it is visible, in the mempool or in a block, and verified as asked. Rejects with
   * JobError.
   */
  submit(request: JobRequest, options: SubmitOptions): Promise<JobAnswer>
  /** Rejects what is under way with STOPPED. Idempotent. */
  stop(): Promise<void>
}
