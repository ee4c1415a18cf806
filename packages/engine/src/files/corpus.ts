import { MAX_UNIT_TOKENS } from '@nacre/protocol'
import { malformed } from './safetensors.ts'

/** Prompts of the bootstrap lane (UNT-3), all of one length. */
export interface Corpus {
  readonly promptTokens: number
  readonly prompts: readonly (readonly number[])[]
}

/** The range of `models.*.corpusPrompts`. */
const MAX_PROMPTS = 2 ** 24
const MAX_TOKEN = 2 ** 32 - 1

/** Reads `{"promptTokens": n, "prompts": [[token, ...], ...]}`. Throws MODEL_MALFORMED and nothing else. */
export function parseCorpus(bytes: Uint8Array): Corpus {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    malformed('the corpus is no JSON')
  }
  const { promptTokens, prompts } = (value ?? {}) as { promptTokens?: unknown; prompts?: unknown }
  const isLength = typeof promptTokens === 'number' && Number.isInteger(promptTokens)
  if (!isLength || promptTokens < 1 || promptTokens > MAX_UNIT_TOKENS) malformed('promptTokens is no length')
  if (!Array.isArray(prompts) || prompts.length < 1 || prompts.length > MAX_PROMPTS) malformed('prompts is no list')
  prompts.forEach((prompt: unknown, i) => {
    const valid =
      Array.isArray(prompt) &&
      prompt.length === promptTokens &&
      prompt.every((token) => Number.isInteger(token) && token >= 0 && token <= MAX_TOKEN)
    if (!valid) malformed(`prompt ${i} is no list of ${promptTokens} tokens`)
  })
  return { promptTokens, prompts: prompts as number[][] }
}
