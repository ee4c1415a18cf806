import type { IncomingHttpHeaders } from 'node:http'
import { invalidRequest } from './api-error.ts'
import { MAX_DEADLINE_MS } from './limits.ts'

/** Blocks from a job to its answer, with some to spare: posted, cleared, assigned, answered. */
const ANSWER_BLOCKS = 6
const LEAST_DEFAULT_MS = 60_000
/** Before the client's own patience ends: an answer that says "do not retry" is cheaper than a retry. */
const HEAD_START_MS = 500

export const defaultDeadlineMs = (blockTimeMs: number): number =>
  Math.min(MAX_DEADLINE_MS, Math.max(LEAST_DEFAULT_MS, ANSWER_BLOCKS * blockTimeMs))

/**
 * How long a request waits: as `x-nacre-deadline-ms` says, else the default, and never longer than a stock client that states its own timeout
 * (in seconds). Throws ApiError 400.
 */
export function deadlineMs(headers: IncomingHttpHeaders, defaultMs: number): number {
  const own = headers['x-nacre-deadline-ms']
  if (own !== undefined) {
    if (typeof own !== 'string' || !/^[1-9]\d{0,8}$/.test(own))
      throw invalidRequest('The header x-nacre-deadline-ms must be whole milliseconds above 0.', 'x-nacre-deadline-ms')
    return Math.min(Number(own), MAX_DEADLINE_MS)
  }
  const client = headers['x-stainless-timeout']
  if (typeof client !== 'string' || !/^[1-9]\d{0,6}$/.test(client)) return defaultMs
  return Math.max(HEAD_START_MS, Math.min(defaultMs, Number(client) * 1000 - HEAD_START_MS))
}
