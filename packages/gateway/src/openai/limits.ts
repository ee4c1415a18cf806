/** Bounds of the API: each with what one of it can cost. */
import { DEFAULT_MAX_IN_FLIGHT } from '../jobs/client.ts'

/** A request's body. The longest prompt of a registered model has fewer tokens than this has bytes. */
export const MAX_BODY_BYTES: number = 256 * 1024
/** For a request to arrive whole. */
export const REQUEST_TIMEOUT_MS = 15_000
/** How often slow requests are looked for. */
export const SLOW_REQUEST_CHECK_MS = 2_000
export const MAX_CONNECTIONS = 1024
/** Jobs that one request may post: prompts times `n` or `best_of`. */
export const MAX_JOBS_PER_REQUEST = 16
/** Jobs under way, those that nobody waits for any more among them: as many transactions of one account as a node lets wait. */
export const MAX_JOBS_IN_FLIGHT: number = DEFAULT_MAX_IN_FLIGHT
/** Of these, those of one API key. */
export const MAX_JOBS_OF_KEY: number = MAX_JOBS_IN_FLIGHT / 2
/** Requests that wait for an answer. Each holds a body and a socket. */
export const MAX_REQUESTS_IN_FLIGHT = 256
/** Texts that `stop` may name. */
export const MAX_STOP_TEXTS = 4
export const MAX_STOP_CHARS = 256
/** Messages of one chat. */
export const MAX_MESSAGES = 256
/** A deadline that a client may ask for. */
export const MAX_DEADLINE_MS: number = 30 * 60_000
/** How long a stream keeps its headers back for the first answer, so that a failure still has a status. */
export const STREAM_OPEN_MS = 15_000
/** A comment so often keeps a stream open through proxies. */
export const STREAM_BEAT_MS = 10_000
/** Receipts in the response header; the body has all. About 600 bytes each, clients take 16 KiB of headers. */
export const MAX_HEADER_RECEIPTS = 8
/** Requests remembered by their Idempotency-Key, and for how long after the last job ended. */
export const MAX_REMEMBERED_REQUESTS = 1024
export const REMEMBERED_MS: number = 10 * 60_000
/** API keys in one file. */
export const MAX_API_KEYS = 10_000
export const MAX_KEY_FILE_BYTES: number = 8 * 1024 * 1024
export const MAX_POLICY_BYTES: number = 256 * 1024
/** Aliases of a policy, and models or fallbacks of one alias. */
export const MAX_ALIASES = 64
export const MAX_ALIAS_MODELS = 16
/** How long prices are taken from memory. */
export const MARKET_CACHE_MS = 1_000
/** How long an answer to `/health` holds: it needs no key, and asks the node. */
export const HEALTH_CACHE_MS = 1_000
