import { RpcError } from '@nacre/node/rpc-client'
import { ProtocolError } from '@nacre/protocol'
import { JobError } from '../jobs/errors.ts'
import { ApiError, deadlineExceeded, invalidRequest, unavailable } from './api-error.ts'

/** Failures of a job after which another model may do better: nobody took it. */
const NOBODY_TOOK_IT: ReadonlySet<string> = new Set(['NO_MINER', 'EXPIRED', 'JOB_BOOK_FULL'])

export const nobodyTookIt = (error: unknown): boolean => error instanceof JobError && NOBODY_TOOK_IT.has(error.code)

/**
 * What a client is told about a failed job. The status says whose fault it is, and the retry headers whether the same request can do better.
 * @param blockTimeMs of the network: nothing changes on a chain in less.
 */
export function apiErrorOf(error: unknown, blockTimeMs: number): ApiError {
  if (error instanceof ApiError) return error
  if (!(error instanceof JobError)) {
    if (error instanceof RpcError)
      return unavailable('The node of this gateway does not answer.', 'node_unreachable', blockTimeMs, error)
    if (error instanceof ProtocolError) return invalidRequest(error.message, undefined, error.code.toLowerCase())
    return new ApiError(500, 'The gateway failed: its log says why.', {
      ...{ type: 'server_error', code: 'internal_error', cause: error },
    })
  }
  const { code, message } = error
  const about = error.jobId === undefined ? '' : ` (job ${error.jobId})`
  switch (code) {
    case 'NO_MINER':
      return unavailable(`No miner answered in time${about}: ${message}`, 'no_miner', blockTimeMs, error)
    case 'EXPIRED':
      return unavailable(`No miner took the job at its price${about}: ${message}`, 'no_miner', blockTimeMs, error)
    case 'JOB_BOOK_FULL':
      return unavailable(`Too many jobs wait in the market: ${message}`, 'market_full', blockTimeMs, error)
    case 'BUSY':
      return unavailable('The gateway has too many jobs under way.', 'overloaded', blockTimeMs, error)
    case 'NO_NODE':
    case 'NOT_A_NODE':
      return unavailable('The node of this gateway does not answer.', 'node_unreachable', blockTimeMs, error)
    case 'WRONG_NETWORK':
      return unavailable('The node of this gateway is on another network.', 'wrong_network', undefined, error)
    case 'ANSWER_FALSE':
      return unavailable(`A miner gave an answer that the model does not give${about}.`, 'answer_false', 1000, error)
    case 'CHECK_FAILED':
      return unavailable(`The answer could not be verified${about}.`, 'verification_failed', 1000, error)
    case 'TX_INSUFFICIENT_FUNDS':
      return unavailable("The gateway's wallet cannot pay for this request.", 'insufficient_funds', undefined, error)
    case 'STOPPED':
      return unavailable('The gateway is stopping.', 'shutting_down', blockTimeMs, error)
    case 'DEADLINE':
      return deadlineExceeded(`No answer before the deadline${about}.`)
    case 'UNKNOWN_MODEL':
    case 'JOB_MODEL':
      return new ApiError(404, message, {
        ...{ type: 'invalid_request_error', code: 'model_not_found', param: 'model', cause: error },
      })
    case 'PROMPT_TOO_LONG':
    case 'JOB_PROMPT_TOO_LONG':
      return invalidRequest(message, undefined, 'context_length_exceeded')
    default:
      // The protocol's own: a job that the node refuses, such as JOB_NEW_TOKENS, or a nonce that another user of the key took.
      return code.startsWith('JOB_')
        ? invalidRequest(message, undefined, code.toLowerCase())
        : unavailable(`The network refused the job: ${message}`, code.toLowerCase(), blockTimeMs, error)
  }
}
