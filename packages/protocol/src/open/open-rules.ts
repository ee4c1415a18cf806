/** Which of Pearl's rules a network with provenance `open` has (chapter 12): its parameters `open.*` as the baseline's functions take them. */
import type { OpenParams } from '../params/types.ts'
import type { SeedRule } from '../pearl/seeds.ts'

/** Plain data, so that another thread can use it. */
export interface OpenRules {
  readonly rule: SeedRule
  readonly rankPenalty: boolean
}

/** Version 3 as deployed: dimensions in the seeds, no rank penalty. */
export const DEPLOYED_RULES: OpenRules = { rule: 'v3', rankPenalty: false }

export function openRules({ seedRule, rankPenalty }: OpenParams): OpenRules {
  return { rule: seedRule === 'legacy' ? 'legacy' : 'v3', rankPenalty: rankPenalty === 'on' }
}
