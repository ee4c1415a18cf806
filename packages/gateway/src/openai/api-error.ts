/** Errors as OpenAI's API has them: a status that makes client libraries raise the right class, and retry only what can help. */

export type ApiErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'rate_limit_error'
  | 'insufficient_quota'
  | 'service_unavailable_error'
  | 'timeout_error'
  | 'server_error'

export type ApiStatus = 400 | 401 | 403 | 404 | 408 | 413 | 415 | 429 | 500 | 503 | 504

export interface ApiErrorOptions {
  readonly type: ApiErrorType
  /** Stable, for programs. */
  readonly code: string
  /** The request's parameter that is wrong. */
  readonly param?: string | undefined
  /** When it is worth another try. Without it, clients are told not to try again. */
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

export class ApiError extends Error {
  readonly status: ApiStatus
  readonly type: ApiErrorType
  readonly code: string
  readonly param: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(status: ApiStatus, message: string, options: ApiErrorOptions) {
    super(message, { cause: options.cause })
    this.name = 'ApiError'
    this.status = status
    this.type = options.type
    this.code = options.code
    this.param = options.param
    this.retryAfterMs = options.retryAfterMs
  }

  /** The body of the response, or the data of an event where a stream has begun. */
  toBody(): { error: { message: string; type: string; param: string | null; code: string } } {
    const { message, type, code } = this
    return { error: { message, type, param: this.param ?? null, code } }
  }

  /** `retry-after` in whole seconds, and what stock clients obey before it. */
  headers(): Record<string, string> {
    const { retryAfterMs } = this
    if (retryAfterMs === undefined) return { 'x-should-retry': 'false' }
    return {
      'x-should-retry': 'true',
      'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))),
      'retry-after-ms': String(Math.max(1, Math.ceil(retryAfterMs))),
    }
  }
}

/** 400: the request is wrong, and stays so. */
export function invalidRequest(message: string, param: string | undefined, code = 'invalid_value'): ApiError {
  return new ApiError(400, message, { type: 'invalid_request_error', code, param })
}

/** 503: nothing is wrong with the request. Without `retryAfterMs` another try would not help either. */
export function unavailable(
  message: string,
  code: string,
  retryAfterMs: number | undefined,
  cause?: unknown,
): ApiError {
  return new ApiError(503, message, { type: 'service_unavailable_error', code, retryAfterMs, cause })
}

export function deadlineExceeded(message: string, retryAfterMs?: number): ApiError {
  return new ApiError(504, message, { type: 'timeout_error', code: 'deadline_exceeded', retryAfterMs })
}

export function modelNotFound(model: string): ApiError {
  return new ApiError(
    404,
    `The model "${model.slice(0, 80)}" does not exist here: GET /v1/models lists those that do.`,
    {
      type: 'invalid_request_error',
      code: 'model_not_found',
      param: 'model',
    },
  )
}
