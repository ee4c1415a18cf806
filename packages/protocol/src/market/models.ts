import { bytesToHex } from '../bytes.ts'
import type { StateDraft } from '../ledger/state.ts'
import type { ModelConfig } from '../model/types.ts'
import type { Params } from '../params/types.ts'
import type { JobBooks } from './job-books.ts'

/** Configurations of all models that the parameters list, by model id in hex: prices count their MACs. */
export type JobModels = ReadonlyMap<string, ModelConfig>

/** What the market's rules need besides the state. */
export interface MarketRules {
  readonly params: Params
  readonly models: JobModels
}

/** A block under way, as far as the market's transactions and steps read and change it. */
export interface MarketContext extends MarketRules {
  /** Height of the block. */
  readonly height: number
  readonly draft: StateDraft
  readonly books: JobBooks
}

/** The configuration of a model that a state entry names; every one of them is registered. */
export function modelOf(rules: MarketRules, modelId: Uint8Array): ModelConfig {
  return rules.models.get(bytesToHex(modelId))!
}
