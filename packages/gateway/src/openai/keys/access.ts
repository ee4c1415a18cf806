/** Who may ask, how often and for how much. */
import { ApiError } from '../api-error.ts'
import type { ApiKey, KeyStore } from './key-file.ts'
import type { SpendingLedger } from './ledger.ts'
import type { RateLimiter } from './rate-limit.ts'

/** Somebody who may ask. Without a file of keys everybody on this machine is the same one, and unlimited. */
export type Caller = Pick<
  ApiKey,
  'id' | 'limitGrains' | 'windowHours' | 'requestsPerMinute' | 'maxConcurrent' | 'verify'
>

/** Whoever reaches a gateway without keys. The wallet's balance is the only budget. */
export const LOCAL_CALLER: Caller = {
  id: 'local',
  limitGrains: (1n << 62n) - 1n,
  windowHours: 24,
  requestsPerMinute: 100_000,
  maxConcurrent: 256,
  verify: undefined,
}

export interface Access {
  /** The caller that an `authorization` header names. Throws ApiError 401. */
  authenticate(authorization: string | undefined): Caller
  /** Counts a request; call `release` at its end. Throws ApiError 429. */
  enter(caller: Caller): { readonly headers: Record<string, string>; readonly release: () => void }
  /** Takes what jobs may cost out of the caller's budget. Throws ApiError 429. */
  reserve(caller: Caller, grains: readonly bigint[]): readonly number[]
  readonly keys: number
}

export interface AccessParts {
  /** Undefined: no key is needed. */
  readonly keys: KeyStore | undefined
  readonly ledger: SpendingLedger
  readonly rates: RateLimiter
  readonly nowMs: () => number
}

/** Longer ones are no keys, and need not be hashed. */
const MAX_KEY_CHARS = 200

export function createAccess({ keys, ledger, rates, nowMs }: AccessParts): Access {
  const unauthorised = (message: string): ApiError =>
    new ApiError(401, message, { type: 'authentication_error', code: 'invalid_api_key' })
  return {
    get keys() {
      return keys?.size ?? 0
    },
    authenticate: (authorization) => {
      if (keys === undefined) return LOCAL_CALLER
      if (authorization === undefined || authorization === '')
        throw unauthorised('An API key is needed: send the header "Authorization: Bearer KEY".')
      const key = /^Bearer +(\S+)$/i.exec(authorization.slice(0, MAX_KEY_CHARS))?.[1]
      const found = key === undefined ? undefined : keys.find(key)
      if (found === undefined) throw unauthorised('This API key is not known: it is wrong or revoked.')
      return found
    },
    enter: (caller) => {
      const decision = rates.enter(caller)
      if (decision.ok) {
        const headers = {
          'x-ratelimit-limit-requests': String(caller.requestsPerMinute),
          'x-ratelimit-remaining-requests': String(decision.remaining),
          'x-ratelimit-reset-requests': `${(decision.resetMs / 1000).toFixed(3)}s`,
        }
        return { headers, release: decision.release }
      }
      const { why, retryAfterMs } = decision
      throw new ApiError(
        429,
        why === 'rate'
          ? `This key may send ${caller.requestsPerMinute} requests a minute.`
          : `This key may have ${caller.maxConcurrent} requests under way at once.`,
        {
          type: 'rate_limit_error',
          code: why === 'rate' ? 'rate_limit_exceeded' : 'concurrent_requests_exceeded',
          retryAfterMs,
        },
      )
    },
    reserve: (caller, grains) => {
      const charges = ledger.reserve(caller, grains)
      if (charges !== undefined) return charges
      const { grains: spent, windowEndsMs } = ledger.spending(caller)
      const total = grains.reduce((sum, each) => sum + each, 0n)
      const minutes = Math.ceil((windowEndsMs - nowMs()) / 60_000)
      throw new ApiError(
        429,
        `This request can cost ${total} grains; of its limit of ${caller.limitGrains} this key has ` +
          `${caller.limitGrains > spent ? caller.limitGrains - spent : 0n} left. The next window begins in ${minutes} min.`,
        // No retry: a client library's patience ends long before the window.
        { type: 'insufficient_quota', code: 'insufficient_quota' },
      )
    },
  }
}
