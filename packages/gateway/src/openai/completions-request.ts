import { invalidRequest } from './api-error.ts'
import { Fields } from './fields.ts'
import { MAX_JOBS_PER_REQUEST } from './limits.ts'
import { commonRequest, type GenerationRequest, maxTokensOf, type Prompt } from './request.ts'

/** OpenAI's default for this endpoint. */
const DEFAULT_MAX_TOKENS = 16

/** The body of `POST /v1/completions`. Throws ApiError 400. */
export function completionsRequest(body: unknown): GenerationRequest {
  const fields = new Fields(body, undefined)
  const prompts = promptsOf(fields.needed('prompt'))
  const tokens = maxTokensOf(fields, 'max_tokens') ?? DEFAULT_MAX_TOKENS
  return commonRequest(fields, 'completions', prompts, { tokens, param: 'max_tokens' })
}

const isTokens = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((token) => Number.isSafeInteger(token) && token >= 0)

/** A text begins after BOS, as the models were trained; tokens stand as they are. */
const textPrompt = (text: string): Prompt => ({ parts: [{ special: 'bos' }, { text }] })

function promptsOf(value: unknown): readonly Prompt[] {
  if (typeof value === 'string') return [textPrompt(value)]
  if (isTokens(value)) return [{ tokens: value }]
  if (Array.isArray(value) && value.length > 0 && value.length <= MAX_JOBS_PER_REQUEST) {
    if (value.every((each) => typeof each === 'string')) return value.map(textPrompt)
    if (value.every(isTokens)) return value.map((tokens) => ({ tokens }))
  }
  throw invalidRequest(
    `"prompt" must be a string, an array of tokens, or an array of 1 to ${MAX_JOBS_PER_REQUEST} of one of these.`,
    'prompt',
    'invalid_type',
  )
}
