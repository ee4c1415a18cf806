import { RpcError } from '@nacre/node/rpc-client'
import { ERROR_VERDICTS, type ErrorCode, ProtocolError } from '@nacre/protocol'

/** What can go wrong besides a refusal by the protocol, whose own codes (TX_INSUFFICIENT_FUNDS, JOB_PRICE, ...) appear beside these. */
export type JobClientErrorCode =
  /** Nobody answers at the node's address, or no node of this network. */
  | 'NO_NODE'
  | 'NOT_A_NODE'
  | 'WRONG_NETWORK'
  /** The request names a model that the network does not list. */
  | 'UNKNOWN_MODEL'
  | 'PROMPT_TOO_LONG'
  /** Assigned, and none of the ranks delivered: the escrow returned, less what the prompt burns. */
  | 'NO_MINER'
  /** It left the book unassigned: nobody asked at this price. The escrow returned. */
  | 'EXPIRED'
  | 'DEADLINE'
  /** The answer does not follow from the model, or is not one of this job. */
  | 'ANSWER_FALSE'
  /** The answer could not be executed again here, so nobody knows whether it is right. */
  | 'CHECK_FAILED'
  /** Too many jobs are under way in this client, or too many transactions wait in the node. */
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

  /** The same error, of a job. */
  of(jobId: string): JobError {
    return new JobError(this.code, this.message, { cause: this.cause, jobId })
  }
}

const RENAMED: Readonly<Partial<Record<string, JobClientErrorCode>>> = {
  JOB_MODEL: 'UNKNOWN_MODEL',
  JOB_PROMPT_TOO_LONG: 'PROMPT_TOO_LONG',
  TX_CHAIN: 'WRONG_NETWORK',
  BUSY: 'BUSY',
}
const isProtocolCode = (code: string): code is ErrorCode => Object.hasOwn(ERROR_VERDICTS, code)

/** The error of a job that a node refused, or that the rules refuse. */
export function refusal(code: string, message: string, jobId?: string): JobError {
  const known = RENAMED[code] ?? (isProtocolCode(code) ? code : 'NOT_A_NODE')
  return new JobError(known, message, jobId === undefined ? {} : { jobId })
}

/** What goes wrong on the way to a node, as the error of a job; other errors as they are. */
export function jobErrorOf(error: unknown, jobId?: string): unknown {
  const options = { cause: error, ...(jobId === undefined ? {} : { jobId }) }
  if (error instanceof ProtocolError) return refusal(error.code, error.message.slice(error.code.length + 2), jobId)
  if (!(error instanceof RpcError)) return error
  const codes = { NO_ANSWER: 'NO_NODE', NOT_A_NODE: 'NOT_A_NODE', PARAMS: 'WRONG_NETWORK' } as const
  return new JobError(codes[error.code], error.message, options)
}

/** Why a signal ended a wait: a deadline, or somebody who wants no answer any more. */
export function endedBy(signal: AbortSignal, what: string, jobId?: string): JobError {
  const { reason } = signal
  if (reason instanceof JobError) return jobId === undefined ? reason : reason.of(jobId)
  const isLate = (reason as { name?: unknown } | undefined)?.name === 'TimeoutError'
  const message = isLate ? `no answer within the time given: ${what}` : `the wait was ended: ${what}`
  return new JobError(isLate ? 'DEADLINE' : 'STOPPED', message, jobId === undefined ? {} : { jobId })
}
