import { invalidRequest } from './api-error.ts'
import type { Fields } from './fields.ts'

const isEmpty = (value: unknown): boolean =>
  Array.isArray(value)
    ? value.length === 0
    : typeof value === 'object' && value !== null
      ? Object.keys(value).length === 0
      : false
const never = (): boolean => false
const is =
  (...values: readonly unknown[]) =>
  (value: unknown): boolean =>
    values.includes(value)

/** Parameters that would change the answer and that no job can carry: allowed only with the values that ask for nothing. */
const UNSUPPORTED: Readonly<Record<string, (value: unknown) => boolean>> = {
  top_p: is(1),
  presence_penalty: is(0),
  frequency_penalty: is(0),
  logit_bias: isEmpty,
  logprobs: is(false),
  top_logprobs: is(0),
  echo: is(false),
  suffix: is(''),
  tools: isEmpty,
  tool_choice: is('none', 'auto'),
  functions: isEmpty,
  function_call: is('none', 'auto'),
  response_format: (value) => (value as { type?: unknown }).type === 'text',
  modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === 'text',
  audio: never,
  reasoning_effort: is('none'),
  verbosity: never,
  web_search_options: never,
  moderation: never,
  store: is(false),
}

/** Parameters that are about the client's account, speed or bookkeeping at OpenAI: the answer is the same without them. */
const IGNORED = [
  'user',
  'safety_identifier',
  'metadata',
  'prediction',
  'prompt_cache_key',
  'prompt_cache_options',
  'prompt_cache_retention',
  'service_tier',
  'parallel_tool_calls',
] as const

/** Takes these parameters out of a body. Throws a 400 for one that asks for something that is not done. */
export function refuseUnsupported(fields: Fields): void {
  for (const [name, asksForNothing] of Object.entries(UNSUPPORTED)) {
    const value = fields.take(name)
    if (value !== undefined && !asksForNothing(value))
      throw invalidRequest(
        `"${name}" is not supported: the network's jobs have no such thing. Leave it out.`,
        name,
        'unsupported_parameter',
      )
  }
  for (const name of IGNORED) fields.take(name)
}
