import { bytesToHex, type Model, type Params, type Tokenizer, unitMacs } from '@nacre/protocol'
import { invalidRequest } from './api-error.ts'
import type { Prompt } from './request.ts'

/** A registered model as the gateway offers it. */
export interface GatewayModel {
  /** Of the network's parameters. */
  readonly name: string
  /** Hex. */
  readonly modelId: string
  readonly model: Model
  readonly tokenizer: Tokenizer
}

/** A model with its tokenizer, from its file. */
export interface LoadedModel {
  readonly model: Model
  readonly tokenizer: Tokenizer
}

/** The registered models among those that are loaded, in the order of the parameters. */
export function gatewayModels(params: Params, loaded: readonly LoadedModel[]): readonly GatewayModel[] {
  const byId = new Map(loaded.map((each) => [bytesToHex(each.model.modelId), each]))
  return params.models.flatMap(({ name, modelId }) => {
    const found = byId.get(modelId)
    return found === undefined ? [] : [{ name, modelId, ...found }]
  })
}

/** The tokens of a prompt for one model. Throws ApiError 400 for tokens that it does not have. */
export function promptTokensFor({ model, tokenizer }: LoadedModel, prompt: Prompt): readonly number[] {
  const { vocabSize, bosToken, eosToken } = model.config
  if ('tokens' in prompt) {
    const wrong = prompt.tokens.find((token) => token >= vocabSize)
    if (wrong !== undefined)
      throw invalidRequest(`Token ${wrong} is not in the model's vocabulary of ${vocabSize}.`, 'prompt')
    return prompt.tokens
  }
  return prompt.parts.flatMap((part) =>
    'text' in part ? tokenizer.encode(part.text) : [part.special === 'bos' ? bosToken : eosToken],
  )
}

/** Most tokens that a job on this model can generate after a prompt (JOB-1, JOB-3); 0 if the prompt itself is too long. */
export function roomAfter(params: Params, { model }: LoadedModel, promptTokens: number): number {
  const { maxPromptTokens, maxNewTokens, maxUnitMacs } = params.units
  const { config } = model
  if (promptTokens > Math.min(maxPromptTokens, config.maxSeqLen)) return 0
  let room = Math.min(maxNewTokens, config.maxSeqLen - promptTokens + 1)
  while (room > 0 && unitMacs(config, promptTokens, room) > maxUnitMacs) room--
  return room
}

/**
 * Tokens to ask for: what the request says, or all that there is room for. Throws ApiError 400 where there is not so much room.
 * @param wanted undefined for as many as possible. @param param that gave it.
 */
export function newTokensFor(
  params: Params,
  at: GatewayModel,
  promptTokens: number,
  wanted: number | undefined,
  param: string,
): number {
  const room = roomAfter(params, at, promptTokens)
  if (room === 0)
    throw invalidRequest(
      `The prompt has ${promptTokens} tokens; ${at.name} takes at most ` +
        `${Math.min(params.units.maxPromptTokens, at.model.config.maxSeqLen)}.`,
      undefined,
      'context_length_exceeded',
    )
  if (wanted !== undefined && wanted > room)
    throw invalidRequest(
      `"${param}" is ${wanted}; after this prompt of ${promptTokens} tokens ${at.name} gives at most ${room}.`,
      param,
      'context_length_exceeded',
    )
  return wanted ?? room
}
