import { bytesToHex } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import { MAX_GENERATED_MODELS } from '../limits.ts'
import type { MarketRules } from '../market/models.ts'
import { generatedModel, generatedModelConfig, isGeneratedModelId } from '../model/generated-model.ts'
import type { Model, ModelConfig } from '../model/types.ts'
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
  /** Models that blocks brought along, by their id in hex: only where B2 is off, the latest MAX_GENERATED_MODELS of them. */
  readonly generated: Map<string, Model>
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
    generated: new Map(),
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

/** A model as far as headers and bodies are judged by it: no weights. */
export interface ModelOutline {
  readonly params: ModelParams
  readonly config: ModelConfig
}

/**
 * What the model of a unit looks like: a registered one. Without `bindings.registeredWeights` (B2) it may also be a generated one, which
 * draws with the lottery shape of the bootstrap lane's model and fits the parameters as that does. Throws UNIT_MODEL.
 */
export function outlineOfUnit(context: ConsensusContext, modelId: Uint8Array): ModelOutline {
  const { params, bootstrap } = context
  if (params.bindings.registeredWeights === 'on' || !isGeneratedModelId(modelId)) {
    const { params: modelParams, model } = registeredModel(context, modelId)
    return { params: modelParams, config: model.config }
  }
  const config = generatedModelConfig(modelId, bootstrap.model.config)
  try {
    checkModelFits(params, bootstrap.params, config)
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    throw new ProtocolError('UNIT_MODEL', `the generated model does not fit: ${cause.message}`, { cause })
  }
  return { params: bootstrap.params, config }
}

/** The model of a unit with its weights, which a generated one gets here. Throws like {@link outlineOfUnit}. */
export function modelOfUnit(context: ConsensusContext, modelId: Uint8Array): RunnableModel {
  const { params } = outlineOfUnit(context, modelId)
  const hex = bytesToHex(modelId)
  const registered = context.models.get(hex)
  if (registered !== undefined) return registered
  const { generated } = context
  const model = generated.get(hex) ?? generatedModel(modelId, context.bootstrap.model.config)
  generated.delete(hex)
  generated.set(hex, model)
  if (generated.size > MAX_GENERATED_MODELS) generated.delete(generated.keys().next().value!)
  return { params, model }
}
