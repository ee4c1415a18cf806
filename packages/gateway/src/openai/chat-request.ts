import { invalidRequest } from './api-error.ts'
import { Fields } from './fields.ts'
import { MAX_MESSAGES } from './limits.ts'
import { commonRequest, type GenerationRequest, maxTokensOf, type PromptPart } from './request.ts'

const ROLES = ['system', 'developer', 'user', 'assistant'] as const

/** The body of `POST /v1/chat/completions`. Throws ApiError 400. */
export function chatRequest(body: unknown): GenerationRequest {
  const fields = new Fields(body, undefined)
  const parts = chatTemplate(messagesOf(fields.needed('messages')))
  const param = 'max_completion_tokens'
  const tokens = maxTokensOf(fields, param)
  const older = maxTokensOf(fields, 'max_tokens')
  if (tokens !== undefined && older !== undefined && tokens !== older)
    throw invalidRequest(`"max_tokens" and "${param}" differ: give one of them.`, 'max_tokens')
  const given = tokens === undefined && older !== undefined ? 'max_tokens' : param
  return commonRequest(fields, 'chat', [{ parts }], { tokens: tokens ?? older, param: given })
}

export interface Message {
  readonly role: (typeof ROLES)[number]
  readonly text: string
}

/**
 * A chat as a base model reads it, and as `nacre-small` was trained: BOS, the contents as they are, the assistant's answer, EOS, and so on.
 * One question alone is BOS and its text. Roles leave no mark: these models have no words for them.
 */
export function chatTemplate(messages: readonly Message[]): readonly PromptPart[] {
  const parts: PromptPart[] = [{ special: 'bos' }]
  messages.forEach(({ role, text }, i) => {
    parts.push({ text })
    // A last message of the assistant is the beginning of the answer.
    if (role === 'assistant' && i < messages.length - 1) parts.push({ special: 'eos' }, { special: 'bos' })
  })
  return parts
}

function messagesOf(value: unknown): readonly Message[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_MESSAGES)
    throw invalidRequest(`"messages" must be an array of 1 to ${MAX_MESSAGES} messages.`, 'messages', 'invalid_type')
  return value.map((each, i) => {
    const fields = new Fields(each, `messages[${i}]`)
    const role = fields.choice('role', ROLES)
    if (role === undefined)
      throw invalidRequest(`"messages[${i}].role" is needed.`, `messages[${i}].role`, 'missing_required_parameter')
    const text = contentOf(fields.needed('content'), `messages[${i}].content`)
    // What client libraries send back from an answer; a name changes nothing in a template without names.
    for (const name of ['name', 'refusal', 'annotations']) fields.take(name)
    const calls = fields.take('tool_calls')
    if (calls !== undefined && !(Array.isArray(calls) && calls.length === 0))
      throw invalidRequest('Tool calls are not supported.', `messages[${i}].tool_calls`, 'unsupported_parameter')
    fields.finish()
    return { role, text }
  })
}

function contentOf(value: unknown, name: string): string {
  if (typeof value === 'string') return value
  if (!Array.isArray(value) || value.length > MAX_MESSAGES)
    throw invalidRequest(`"${name}" must be a string or an array of text parts.`, name, 'invalid_type')
  return value
    .map((each, i) => {
      const part = new Fields(each, `${name}[${i}]`)
      const type = part.needed('type')
      if (type !== 'text')
        throw invalidRequest(
          `"${name}[${i}].type" must be "text": images, audio and files are not supported.`,
          `${name}[${i}].type`,
          'unsupported_parameter',
        )
      const text = part.text('text')
      if (text === undefined)
        throw invalidRequest(`"${name}[${i}].text" is needed.`, `${name}[${i}].text`, 'missing_required_parameter')
      part.take('prompt_cache_breakpoint')
      part.finish()
      return text
    })
    .join('')
}
