/** What a request asks for, once its body has been read: the same for both endpoints. */
import { MAX_TEMPERATURE_MILLI } from '@nacre/protocol'
import { invalidRequest } from './api-error.ts'
import { Fields } from './fields.ts'
import { MAX_JOBS_PER_REQUEST, MAX_STOP_CHARS, MAX_STOP_TEXTS } from './limits.ts'
import { refuseUnsupported } from './unsupported.ts'

/** How the answers of several jobs become choices: all of them, the text that most gave, the one that the model finds likeliest. */
export const SELECTIONS = ['all', 'majority', 'best'] as const
export type Selection = (typeof SELECTIONS)[number]

/** One part of a prompt's text. Text is encoded by the tokenizer of the model that is chosen. */
export type PromptPart = { readonly text: string } | { readonly special: 'bos' | 'eos' }
/** A prompt before a model is chosen; token arrays are taken as they are. */
export type Prompt = { readonly parts: readonly PromptPart[] } | { readonly tokens: readonly number[] }

export interface GenerationRequest {
  readonly endpoint: 'chat' | 'completions'
  /** Alias, name or id of a model. */
  readonly model: string
  readonly prompts: readonly Prompt[]
  /** Undefined: as many as the model has room for. */
  readonly maxNewTokens: number | undefined
  /** Name of the parameter that gave it. */
  readonly maxNewTokensParam: string
  readonly temperatureMilli: number
  /** Undefined: random ones. */
  readonly seed: number | undefined
  /** Choices to return for each prompt. */
  readonly n: number
  /** Jobs to post for each prompt, at least n. */
  readonly samples: number
  readonly select: Selection
  /** The answer is cut where one of these begins. */
  readonly stop: readonly string[]
  readonly isStream: boolean
  readonly includeUsage: boolean
}

/** OpenAI's largest. */
const MAX_TEMPERATURE = 2
/** No unit has as many tokens; the model's own limits come later. */
const MAX_TOKENS = 1 << 20

/** Takes everything that both endpoints have, and refuses what is left over. */
export function commonRequest(
  fields: Fields,
  endpoint: GenerationRequest['endpoint'],
  prompts: readonly Prompt[],
  maxNewTokens: { readonly tokens: number | undefined; readonly param: string },
): GenerationRequest {
  const model = fields.needed('model')
  if (typeof model !== 'string' || model === '')
    throw invalidRequest('"model" must be the name of a model.', 'model', 'invalid_type')
  const temperature = fields.number('temperature', 0, MAX_TEMPERATURE) ?? 0
  const seed = fields.integer('seed', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  const n = fields.integer('n', 1, MAX_JOBS_PER_REQUEST) ?? 1
  const extension = fields.take('nacre')
  const own = extension === undefined ? undefined : new Fields(extension, 'nacre')
  const select = own?.choice('select', SELECTIONS) ?? 'all'
  const ownBestOf = own?.integer('best_of', 1, MAX_JOBS_PER_REQUEST)
  own?.finish()
  const bestOf = endpoint === 'completions' ? fields.integer('best_of', 1, MAX_JOBS_PER_REQUEST) : undefined
  const stream = streamOf(fields)
  const stop = stopOf(fields)
  refuseUnsupported(fields)
  fields.finish()

  const bestOfParam = bestOf === undefined ? 'nacre.best_of' : 'best_of'
  const samples = bestOf ?? ownBestOf ?? n
  if (bestOf !== undefined && ownBestOf !== undefined && bestOf !== ownBestOf)
    throw invalidRequest('"best_of" and "nacre.best_of" differ: give one of them.', 'nacre.best_of')
  if (samples < n) throw invalidRequest(`"${bestOfParam}" is ${samples}, less than "n", ${n}.`, bestOfParam)
  if (stream.isStream && samples > n && select === 'all')
    throw invalidRequest(`"${bestOfParam}" above "n" cannot be streamed: the best are known at the end.`, bestOfParam)
  if (prompts.length * samples > MAX_JOBS_PER_REQUEST)
    throw invalidRequest(
      `This request needs ${prompts.length * samples} jobs, more than the ${MAX_JOBS_PER_REQUEST} that one may have: ` +
        'give fewer prompts, or a smaller "n" or "best_of".',
      samples > 1 ? (samples === n ? 'n' : bestOfParam) : 'prompt',
    )
  return {
    ...{ endpoint, model, prompts, seed, n, samples, select, stop, ...stream },
    maxNewTokens: maxNewTokens.tokens,
    maxNewTokensParam: maxNewTokens.param,
    // What is not 0 stays so: 0 is greedy, another rule.
    temperatureMilli: Math.min(
      MAX_TEMPERATURE_MILLI,
      temperature === 0 ? 0 : Math.max(1, Math.round(temperature * 1000)),
    ),
  }
}

export const maxTokensOf = (fields: Fields, name: string): number | undefined => fields.integer(name, 1, MAX_TOKENS)

function streamOf(fields: Fields): Pick<GenerationRequest, 'isStream' | 'includeUsage'> {
  const isStream = fields.boolean('stream') ?? false
  const given = fields.take('stream_options')
  if (given === undefined) return { isStream, includeUsage: false }
  if (!isStream) throw invalidRequest('"stream_options" needs "stream": true.', 'stream_options')
  const options = new Fields(given, 'stream_options')
  const includeUsage = options.boolean('include_usage') ?? false
  options.boolean('include_obfuscation')
  options.finish()
  return { isStream, includeUsage }
}

function stopOf(fields: Fields): readonly string[] {
  const value = fields.take('stop')
  const texts = value === undefined ? [] : Array.isArray(value) ? value : [value]
  if (texts.length > MAX_STOP_TEXTS)
    throw invalidRequest(`"stop" has ${texts.length} texts, at most ${MAX_STOP_TEXTS} are allowed.`, 'stop')
  for (const text of texts) {
    if (typeof text !== 'string' || text === '' || text.length > MAX_STOP_CHARS)
      throw invalidRequest(`"stop" must be texts of 1 to ${MAX_STOP_CHARS} characters.`, 'stop')
  }
  return texts as string[]
}
