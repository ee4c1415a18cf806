/** Responses and chunks as OpenAI's API has them. */
import type { Choice, Chosen } from './choices.ts'
import type { NacreField } from './receipt.ts'
import type { GenerationRequest } from './request.ts'
import type { Route } from './route.ts'

/** What all chunks of one response share. */
export interface ResponseHead {
  readonly endpoint: GenerationRequest['endpoint']
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  /** The model that ran, also where an alias was asked for. */
  readonly model: string
  /** Changes with the model: the same seed gives the same text as long as it stays. */
  readonly fingerprint: string
}

export interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
}

export function headOf(
  endpoint: GenerationRequest['endpoint'],
  id: string,
  nowMs: number,
  { at }: Route,
): ResponseHead {
  return {
    endpoint,
    id: `${endpoint === 'chat' ? 'chatcmpl' : 'cmpl'}-${id}`,
    created: Math.floor(nowMs / 1000),
    model: at.name,
    fingerprint: `fp_${at.modelId.slice(0, 12)}`,
  }
}

/** As OpenAI counts: each prompt once, and every token that was generated, those of `best_of` and after a stop text too. */
export function usageOf(route: Route, chosen: Chosen): Usage {
  const prompt_tokens = route.prompts.reduce((sum, { promptTokens }) => sum + promptTokens.length, 0)
  const completion_tokens = chosen.samples.reduce((sum, { answer }) => sum + answer.tokens.length, 0)
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}

export function responseBody(head: ResponseHead, { choices }: Chosen, usage: Usage, nacre: NacreField): unknown {
  const isChat = head.endpoint === 'chat'
  return {
    id: head.id,
    object: isChat ? 'chat.completion' : 'text_completion',
    created: head.created,
    model: head.model,
    choices: choices.map(({ index, sample: { text, finishReason } }) =>
      isChat
        ? {
            index,
            message: { role: 'assistant', content: text, refusal: null, annotations: [] },
            logprobs: null,
            finish_reason: finishReason,
          }
        : { text, index, logprobs: null, finish_reason: finishReason },
    ),
    usage,
    system_fingerprint: head.fingerprint,
    nacre,
  }
}

/** Builds the chunks of a stream. With `includeUsage` all but the last have `usage: null`, as OpenAI's do. */
export class Chunks {
  readonly #head: ResponseHead
  readonly #includeUsage: boolean

  constructor(head: ResponseHead, includeUsage: boolean) {
    this.#head = head
    this.#includeUsage = includeUsage
  }

  /** The text of a choice: jobs are answered whole, so it is one piece. */
  text({ index, sample: { text } }: Choice): readonly unknown[] {
    if (this.#head.endpoint === 'completions')
      return [this.#chunk([{ text, index, logprobs: null, finish_reason: null }])]
    const delta = (content: object): unknown =>
      this.#chunk([{ index, delta: content, logprobs: null, finish_reason: null }])
    return [delta({ role: 'assistant', content: '', refusal: null }), delta({ content: text })]
  }

  /** @param nacre in the last chunk of a stream that has no chunk for usage. */
  end({ index, sample: { finishReason } }: Choice, nacre?: NacreField): unknown {
    const choice =
      this.#head.endpoint === 'chat'
        ? { index, delta: {}, logprobs: null, finish_reason: finishReason }
        : { text: '', index, logprobs: null, finish_reason: finishReason }
    return this.#chunk([choice], nacre === undefined ? {} : { nacre })
  }

  usage(usage: Usage, nacre: NacreField): unknown {
    return this.#chunk([], { usage, nacre })
  }

  #chunk(choices: readonly unknown[], more: object = {}): unknown {
    const { endpoint, id, created, model, fingerprint } = this.#head
    return {
      id,
      object: endpoint === 'chat' ? 'chat.completion.chunk' : 'text_completion',
      created,
      model,
      system_fingerprint: fingerprint,
      choices,
      ...(this.#includeUsage ? { usage: null } : {}),
      ...more,
    }
  }
}
