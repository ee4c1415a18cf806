import type { ErrorCode } from '@nacre/protocol'

/** What can go wrong besides a refusal by the protocol, whose own codes (TX_INSUFFICIENT_FUNDS, JOB_PRICE, ...) appear beside these. */
export type JobClientErrorCode =
  /** Nobody answers at the node's address, or no node of this network. */
  | 'NO_NODE'
  | 'NOT_A_NODE'
  | 'WRONG_NETWORK'
  /** The request names a model that the network does not list, or that is not loaded here for a check. */
  | 'UNKNOWN_MODEL'
  | 'PROMPT_TOO_LONG'
  /** Assigned, and none of the ranks delivered: the escrow returned, less what the prompt burns. */
  | 'NO_MINER'
  /** It left the book unassigned: nobody asked at this price. The escrow returned. */
  | 'EXPIRED'
  | 'DEADLINE'
  /** The answer does not follow from the model, or is not one of this job. */
  | 'ANSWER_FALSE'
  /** Too many jobs are under way in this client. */
  | 'BUSY'
  | 'STOPPED'

export type JobErrorCode = JobClientErrorCode | ErrorCode

export class JobError extends Error {
  readonly code: JobErrorCode
  /** Of the job, if it was posted. */
  readonly jobId: string | undefined

  constructor(code: JobErrorCode, message: string, options: ErrorOptions & { readonly jobId?: string } = {}) {
    super(message, options)
    this.name = 'JobError'
    this.code = code
    this.jobId = options.jobId
  }
}
