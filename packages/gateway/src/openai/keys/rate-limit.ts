/** Requests per minute and requests at once, for each key. In memory: a restart forgives a minute. */

export interface RateLimits {
  readonly id: string
  readonly requestsPerMinute: number
  readonly maxConcurrent: number
}

export type RateDecision =
  | { readonly ok: true; readonly remaining: number; readonly resetMs: number; readonly release: () => void }
  | { readonly ok: false; readonly why: 'rate' | 'concurrency'; readonly retryAfterMs: number }

interface Bucket {
  tokens: number
  atMs: number
  running: number
}

const MINUTE_MS = 60_000
/** Without a measure of how long a request takes: a guess at when one may have ended. */
const CONCURRENCY_RETRY_MS = 1_000

/** A bucket of `requestsPerMinute` tokens for each key, filled evenly. Keys come from the key file, so there are as many buckets at most. */
export class RateLimiter {
  readonly #nowMs: () => number
  readonly #buckets = new Map<string, Bucket>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Counts a request, which ends with `release`. */
  enter({ id, requestsPerMinute, maxConcurrent }: RateLimits): RateDecision {
    const nowMs = this.#nowMs()
    const bucket = this.#buckets.get(id) ?? { tokens: requestsPerMinute, atMs: nowMs, running: 0 }
    this.#buckets.set(id, bucket)
    const perMs = requestsPerMinute / MINUTE_MS
    bucket.tokens = Math.min(requestsPerMinute, bucket.tokens + (nowMs - bucket.atMs) * perMs)
    bucket.atMs = nowMs
    if (bucket.running >= maxConcurrent) return { ok: false, why: 'concurrency', retryAfterMs: CONCURRENCY_RETRY_MS }
    if (bucket.tokens < 1) return { ok: false, why: 'rate', retryAfterMs: (1 - bucket.tokens) / perMs }
    bucket.tokens--
    bucket.running++
    let isReleased = false
    return {
      ok: true,
      remaining: Math.floor(bucket.tokens),
      resetMs: (requestsPerMinute - bucket.tokens) / perMs,
      release: () => {
        if (isReleased) return
        isReleased = true
        bucket.running--
      },
    }
  }

  /** Forgets keys that ask no more: their buckets are full. */
  prune(): void {
    const nowMs = this.#nowMs()
    for (const [id, { atMs, running }] of this.#buckets)
      if (running === 0 && nowMs - atMs > MINUTE_MS) this.#buckets.delete(id)
  }
}
