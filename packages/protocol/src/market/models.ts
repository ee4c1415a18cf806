import { bytesToHex } from '../bytes.ts'
import type { ModelConfig } from '../model/types.ts'
import type { Params } from '../params/types.ts'

/** Configurations of all models that the parameters list, by model id in hex: prices count their MACs. */
export type JobModels = ReadonlyMap<string, ModelConfig>

/** What the market's rules need besides the state. */
export interface MarketRules {
  readonly params: Params
  readonly models: JobModels
}

/** The configuration of a model that a state entry names; every one of them is registered. */
export function modelOf(rules: MarketRules, modelId: Uint8Array): ModelConfig {
  return rules.models.get(bytesToHex(modelId))!
}
