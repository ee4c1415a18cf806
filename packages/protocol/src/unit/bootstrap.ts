/** Bootstrap units (UNT-3): one fixed shape, a prompt that only the unit id chooses, nothing to select or reuse. */
import { bigintFromLe, bytesToHex, u32ListToBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import { taggedXof } from '../hash.ts'
import { merkleRoot } from '../merkle.ts'
import type { ModelParams, Params } from '../params/types.ts'
import type { UnitTask } from './types.ts'

/** Prompts as token lists, in the order that the corpus root commits to. */
export type Corpus = readonly (readonly number[])[]

/** Tokens 0..255 at the start of each bootstrap prompt, from the unit id. */
export const BOOTSTRAP_ID_TOKENS = 16

/** CNV-6 root of the corpus; a leaf is a prompt's tokens as u32 little-endian. */
export function corpusRoot(prompts: Corpus): Uint8Array {
  return merkleRoot(prompts.map((prompt) => u32ListToBytes(prompt)))
}

/** Whether `corpus` is the one that `Params` names for a model. Throws UNIT_PROMPT. */
export function checkCorpus(model: ModelParams, corpus: Corpus): void {
  check(
    corpus.length === model.corpusPrompts,
    'UNIT_PROMPT',
    `the corpus has ${corpus.length} prompts, not ${model.corpusPrompts}`,
  )
  check(
    corpus.every((prompt) => prompt.length > 0),
    'UNIT_PROMPT',
    'a corpus prompt is empty',
  )
  check(bytesToHex(corpusRoot(corpus)) === model.corpusRoot, 'UNIT_PROMPT', 'the corpus has another root')
}

/**
 * The prompt of a bootstrap unit: 16 byte tokens, then one corpus prompt, repeated or truncated to the fixed length. Of
 * 24 bytes of hash, 16 are the tokens; the last 8, a little-endian integer u, choose prompt floor(u * prompts / 2^64).
 * @returns `units.bootstrapPromptTokens` tokens. Throws UNIT_PROMPT if there is nothing to choose from.
 */
export function bootstrapPrompt(params: Params, unitId: Uint8Array, corpus: Corpus): number[] {
  const length = params.units.bootstrapPromptTokens
  check(length > BOOTSTRAP_ID_TOKENS, 'UNIT_PROMPT', `bootstrap prompts of ${length} tokens have no room for a corpus`)
  const random = taggedXof('bootstrapPrompt', BOOTSTRAP_ID_TOKENS + 8, unitId)
  const draw = bigintFromLe(random.subarray(BOOTSTRAP_ID_TOKENS))
  const chosen = corpus[Number((draw * BigInt(corpus.length)) >> 64n)]
  check(chosen !== undefined && chosen.length > 0, 'UNIT_PROMPT', 'the corpus has no prompt here')
  return Array.from({ length }, (_, i) =>
    i < BOOTSTRAP_ID_TOKENS ? random[i]! : chosen[(i - BOOTSTRAP_ID_TOKENS) % chosen.length]!,
  )
}

/** The task of a bootstrap unit: greedy, a fixed number of tokens, end of sequence ignored. */
export function bootstrapTask(params: Params, unitId: Uint8Array, corpus: Corpus): UnitTask {
  return {
    promptTokens: bootstrapPrompt(params, unitId, corpus),
    maxNewTokens: params.units.bootstrapNewTokens,
    decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false },
  }
}
