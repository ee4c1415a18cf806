/** What the figures rest on and what they leave open, in words: the same on the terminal and in the report. */
import { percent } from './format.ts'
import type { HeadStartAudit } from './head-start.ts'

export function headStartAssumptions({ model }: HeadStartAudit): string[] {
  return [
    `Hardware is counted in parts of the final hardware. The insider has ${percent(100 * model.insiderShare)} of it from the first allowed block on. The public has none during the head start, then ${percent(100 * model.publicStart)}, doubling every ${model.doublingDays} days (continuously) until it has the rest.`,
    `The insider's kernel is k times as fast until ${model.leakDays} days after the public's start; from then on everybody has it.`,
    `Mean field: the difficulty follows at once, so blocks come on schedule and each pays in proportion to speed. There is no chance, no fork, no lag of the difficulty.`,
    `Supply is premine, faucet and all emission of ${model.horizonDays} days. All of a subsidy but the team share counts as the finder's, so deferral and verifiers' share change nothing here. Premine and team share count as the insider's.`,
  ]
}

export const CHAIN_LIMITS: readonly string[] = [
  'The audit believes the node that it asks: it checks how the answers fit together and to the rules, not signatures, tickets or executions. A node of your own has checked those.',
  'Block times are what miners wrote into their blocks. Rewards are without transaction fees. A key is not a person: one person can have many keys, and a pool is one key of many people.',
  'Gini and Nakamoto coefficients count all keys that won any block read, so a window of 10 blocks among K keys has a Gini coefficient of at least 1 - 10 / K.',
]
