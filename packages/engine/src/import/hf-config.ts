/** `config.json` of Hugging Face's Llama models. Source: `LlamaConfig` and `MistralConfig` of transformers. */
import { malformed } from '../files/safetensors.ts'
import { asRecord } from './disk-file.ts'
import type { Findings } from './findings.ts'
import type { SourceConfig } from './source.ts'

/** Mistral is Llama with a sliding window, which is checked. */
const MODEL_TYPES = ['llama', 'mistral']

/**
 * The dimensions, once nothing is unsupported. Throws MODEL_MALFORMED; what Nacre cannot express is a finding.
 * @param maxSeqLen positions asked for: with no more than a sliding window has, it changes nothing.
 */
export function hfConfig(
  json: Record<string, unknown>,
  maxSeqLen: number | undefined,
  findings: Findings,
): SourceConfig | undefined {
  findUnsupported(json, maxSeqLen, findings)
  if (!MODEL_TYPES.includes(String(json.model_type))) return undefined
  const number = (key: string, usual?: number): number => {
    const value = json[key] ?? usual
    return typeof value === 'number' ? value : malformed(`config.json: ${key} is ${String(value)}`)
  }
  const count = (key: string, usual?: number): number => {
    const value = number(key, usual)
    return Number.isSafeInteger(value) && value >= 1 ? value : malformed(`config.json: ${key} is ${value}`)
  }
  const dModel = count('hidden_size')
  const nHeads = count('num_attention_heads')
  if (json.head_dim == null && dModel % nHeads !== 0)
    malformed(`config.json: a width of ${dModel} does not split into ${nHeads} heads`)
  return {
    dModel,
    nLayers: count('num_hidden_layers'),
    nHeads,
    nKvHeads: count('num_key_value_heads', nHeads),
    headDim: count('head_dim', dModel / nHeads),
    ffnDim: count('intermediate_size'),
    vocabSize: count('vocab_size'),
    maxSeqLen: count('max_position_embeddings', 2048),
    tiedHead: json.tie_word_embeddings === true,
    normEps: Math.fround(number('rms_norm_eps', 1e-6)),
    ropeTheta: ropeTheta(json),
    bosToken: token(json, 'bos_token_id', 1, findings),
    eosToken: token(json, 'eos_token_id', 2, findings),
  }
}

function findUnsupported(json: Record<string, unknown>, maxSeqLen: number | undefined, findings: Findings): void {
  const needs = (key: string, neutral: readonly unknown[]): void => {
    if (json[key] != null && !neutral.includes(json[key])) findings.unsupported(`${key} = ${shown(json[key])}`)
  }
  if (!MODEL_TYPES.includes(String(json.model_type)))
    findings.unsupported(`the model type ${shown(json.model_type)}, only ${MODEL_TYPES.join(' and ')} are read`)
  needs('hidden_act', ['silu'])
  needs('attention_bias', [false])
  needs('mlp_bias', [false])
  needs('partial_rotary_factor', [1])
  needs('num_local_experts', [])
  if (json.quantization_config != null) findings.unsupported(`weights quantised by ${shown(method(json))}`)
  for (const scaling of [json.rope_scaling, json.rope_parameters]) {
    const { rope_type, type, partial_rotary_factor: part } = asRecord(scaling) ?? {}
    const kind = rope_type ?? type ?? 'default'
    if (kind !== 'default') findings.unsupported(`rotary scaling ${shown(kind)}`)
    if (part != null && part !== 1) findings.unsupported(`partial_rotary_factor = ${shown(part)}`)
  }
  const window = json.sliding_window
  if (window == null || json.use_sliding_window === false) return
  const positions = Math.min(Number(json.max_position_embeddings ?? 2048), maxSeqLen ?? Number.POSITIVE_INFINITY)
  if (!(positions <= Number(window)))
    findings.unsupported(`a sliding window of ${shown(window)} positions: no more than these can be asked for`)
}

const method = (json: Record<string, unknown>): unknown => asRecord(json.quantization_config)?.quant_method

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

function ropeTheta(json: Record<string, unknown>): number {
  const theta = asRecord(json.rope_parameters)?.rope_theta ?? json.rope_theta ?? 10_000
  return typeof theta === 'number' ? theta : malformed(`config.json: rope_theta is ${shown(theta)}`)
}

function token(json: Record<string, unknown>, key: string, usual: number, findings: Findings): number {
  const value = json[key] ?? usual
  if (typeof value === 'number') return value
  if (!Array.isArray(value) || typeof value[0] !== 'number') malformed(`config.json: ${key} is ${shown(value)}`)
  if (value.length > 1) findings.note(`of ${key} ${shown(value)} the first counts`)
  return value[0]
}
