import { utf8ToBytes } from '../bytes.ts'
import { taggedXof } from '../hash.ts'
import type { Corpus } from './bootstrap.ts'

/** A corpus of pseudo-random byte prompts, for synthetic models, tests and simulations. */
export function syntheticCorpus(seed: string, prompts: number, promptTokens: number): Corpus {
  const bytes = taggedXof('syntheticModel', prompts * promptTokens, utf8ToBytes(`corpus/${seed}`))
  return Array.from({ length: prompts }, (_, i) => [...bytes.subarray(i * promptTokens, (i + 1) * promptTokens)])
}

/** The corpus of the preset `unit`: 512 prompts of 8 tokens. */
export function unitCorpus(): Corpus {
  return syntheticCorpus('unit-model', 512, 8)
}
