import { bytesToHex } from '../bytes.ts'
import { check } from '../errors.ts'
import type { Model } from '../model/types.ts'
import type { ModelParams, Params } from '../params/types.ts'
import { type Corpus, checkCorpus } from '../unit/bootstrap.ts'
import { checkModelFits } from './check-model-fits.ts'
import { type Genesis, genesisOf } from './genesis.ts'

/** A registered model as loaded: its parameters, weights and bootstrap corpus. */
export interface LoadedModel {
  readonly params: ModelParams
  readonly model: Model
  /** Prompts as token lists (UNT-3). */
  readonly corpus: Corpus
}

/** Everything fixed that validation needs: parameters, genesis and the models they list. */
export interface ConsensusContext {
  readonly params: Params
  readonly genesis: Genesis
  /** The model of the bootstrap lane: the first that the parameters list. */
  readonly bootstrap: LoadedModel
}

/**
 * The context of a network. Throws MODEL_UNREGISTERED or UNIT_PROMPT when a loaded model or corpus is not the one
 * that the parameters list (B2), PARAM_CONTRADICTION when parameters and model do not fit each other.
 */
export function createContext(params: Params, model: Model, corpus: Corpus): ConsensusContext {
  const modelParams = params.models[0]!
  check(
    bytesToHex(model.modelId) === modelParams.modelId,
    'MODEL_UNREGISTERED',
    `the loaded model is ${bytesToHex(model.modelId)}, the parameters list ${modelParams.modelId}`,
  )
  checkModelFits(params, modelParams, model.config)
  checkCorpus(modelParams, corpus)
  return { params, genesis: genesisOf(params), bootstrap: { params: modelParams, model, corpus } }
}
