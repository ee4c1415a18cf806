import { bytesToHex } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import type { MarketRules } from '../market/models.ts'
import type { Model } from '../model/types.ts'
import type { ModelParams, Params } from '../params/types.ts'
import { type Corpus, checkCorpus } from '../unit/bootstrap.ts'
import { checkModelFits } from './check-model-fits.ts'
import { type Genesis, genesisOf } from './genesis.ts'

/** A registered model as loaded: its parameters and weights. */
export interface RunnableModel {
  readonly params: ModelParams
  readonly model: Model
}
/** The model of the bootstrap lane, with its prompts as token lists (UNT-3). */
export interface LoadedModel extends RunnableModel {
  readonly corpus: Corpus
}

/** Everything fixed that validation needs: parameters, genesis and the models they list. */
export interface ConsensusContext {
  readonly params: Params
  readonly genesis: Genesis
  /** The model of the bootstrap lane: the first that the parameters list. */
  readonly bootstrap: LoadedModel
  /** Every model that the parameters list, by its id in hex: a job may be for any of them. */
  readonly models: ReadonlyMap<string, RunnableModel>
  /** The same models as the ledger sees them. */
  readonly market: MarketRules
}

/**
 * The context of a network. Throws MODEL_UNREGISTERED when the loaded models are not those that the parameters list, in
 * their order (B2), UNIT_PROMPT for another corpus, PARAM_CONTRADICTION when parameters and a model do not fit each other.
 * @param model the first listed one, which the bootstrap lane runs. @param further the others.
 */
export function createContext(
  params: Params,
  model: Model,
  corpus: Corpus,
  further: readonly Model[] = [],
): ConsensusContext {
  const loaded = [model, ...further]
  check(
    loaded.length === params.models.length,
    'MODEL_UNREGISTERED',
    `${loaded.length} models are loaded, the parameters list ${params.models.length}`,
  )
  const models = new Map<string, RunnableModel>()
  for (const [i, modelParams] of params.models.entries()) {
    const modelId = bytesToHex(loaded[i]!.modelId)
    check(
      modelId === modelParams.modelId,
      'MODEL_UNREGISTERED',
      `the loaded model is ${modelId}, the parameters list ${modelParams.modelId}`,
    )
    checkModelFits(params, modelParams, loaded[i]!.config)
    models.set(modelId, { params: modelParams, model: loaded[i]! })
  }
  const modelParams = params.models[0]!
  checkCorpus(modelParams, corpus)
  const configs = new Map([...models].map(([id, { model: each }]) => [id, each.config]))
  return {
    params,
    genesis: genesisOf(params),
    bootstrap: { params: modelParams, model, corpus },
    models,
    market: { params, models: configs },
  }
}

/** The registered model with an id of 32 bytes. Throws UNIT_MODEL if there is none (B2). */
export function registeredModel(context: Pick<ConsensusContext, 'models'>, modelId: Uint8Array): RunnableModel {
  const hex = bytesToHex(modelId)
  const found = context.models.get(hex)
  if (found === undefined) throw new ProtocolError('UNIT_MODEL', `no model ${hex} is registered (B2)`)
  return found
}
