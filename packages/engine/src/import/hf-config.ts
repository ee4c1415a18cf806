/**
 * `config.json` of Hugging Face's Llama models. Source: `LlamaConfig`, `MistralConfig` and `PretrainedConfig` of transformers.
 * A key that is not known here may change any number, so it is a reason against the import.
 */
import { malformed } from '../files/safetensors.ts'
import { shown } from '../files/shown.ts'
import { asRecord } from './disk-file.ts'
import type { Findings } from './findings.ts'
import type { SourceConfig } from './source.ts'

type Json = Record<string, unknown>

/** What a type of model has where its configuration says nothing. */
interface Defaults {
  readonly positions: number
  /** Undefined: as many as there are heads. */
  readonly kvHeads: number | undefined
  readonly window: number | null
}

/** Mistral is Llama with a sliding window, which is checked. */
const DEFAULTS: ReadonlyMap<unknown, Defaults> = new Map([
  ['llama', { positions: 2048, kvHeads: undefined, window: null }],
  ['mistral', { positions: 131_072, kvHeads: 8, window: 4096 }],
])

/** Keys that are read as dimensions, or that are checked by themselves. */
const READ = [
  ...['model_type', 'hidden_size', 'num_hidden_layers', 'num_attention_heads', 'num_key_value_heads', 'head_dim'],
  ...[
    'intermediate_size',
    'vocab_size',
    'max_position_embeddings',
    'tie_word_embeddings',
    'rms_norm_eps',
    'rope_theta',
  ],
  ...['bos_token_id', 'eos_token_id', 'rope_scaling', 'rope_parameters', 'sliding_window', 'quantization_config'],
  ...['architectures', 'layer_types'],
]

/** Keys that change no number that the model computes: training, storage, versions, sampling. */
const HARMLESS = [
  ...['_name_or_path', 'torch_dtype', 'dtype', 'transformers_version', 'transformers.js_config', 'use_cache'],
  ...['pad_token_id', 'unk_token_id', 'initializer_range', 'pretraining_tp', 'attention_dropout', 'is_llama_config'],
  ...['attn_implementation', '_attn_implementation', '_attn_implementation_autoset', '_flash_attn_2_enabled'],
  ...['unsloth_version', 'unsloth_fixed', 'torchscript', 'use_bfloat16', 'tokenizer_class', 'max_sequence_length'],
  ...['output_attentions', 'output_hidden_states', 'return_dict', 'id2label', 'label2id', 'problem_type'],
  ...['max_length', 'do_sample', 'temperature', 'top_k', 'top_p'],
  // Whatever it says, a window that there is counts.
  'use_sliding_window',
]

/** Keys whose value must say that nothing is changed. */
const NEUTRAL: ReadonlyMap<string, readonly unknown[]> = new Map<string, readonly unknown[]>([
  ['hidden_act', ['silu']],
  ['hidden_activation', ['silu']],
  ['attention_bias', [false]],
  ['mlp_bias', [false]],
  ['partial_rotary_factor', [1]],
  ['rope_interleaved', [false]],
  ['is_encoder_decoder', [false]],
  ['add_cross_attention', [false]],
])

const KNOWN: ReadonlySet<string> = new Set([...READ, ...HARMLESS, ...NEUTRAL.keys()])
const ARCHITECTURES: readonly unknown[] = ['LlamaForCausalLM', 'LLaMAForCausalLM', 'MistralForCausalLM']

/**
 * The dimensions, once nothing is unsupported. Throws MODEL_MALFORMED; what Nacre cannot express is a finding.
 * @param maxSeqLen positions asked for: with no more than a sliding window has, it changes nothing.
 */
export function hfConfig(json: Json, maxSeqLen: number | undefined, findings: Findings): SourceConfig | undefined {
  const defaults = DEFAULTS.get(json.model_type)
  if (defaults === undefined)
    findings.unsupported(
      `the model type ${shown(json.model_type)}, only ${[...DEFAULTS.keys()].join(' and ')} are read`,
    )
  findUnsupported(json, findings)
  if (defaults === undefined) return undefined
  const number = (key: string, usual?: number): number => {
    const value = json[key] ?? usual
    return typeof value === 'number' ? value : malformed(`config.json: ${key} is ${shown(value)}`)
  }
  const count = (key: string, usual?: number): number => {
    const value = number(key, usual)
    return Number.isSafeInteger(value) && value >= 1 ? value : malformed(`config.json: ${key} is ${value}`)
  }
  const dModel = count('hidden_size')
  const nHeads = count('num_attention_heads')
  if (json.head_dim == null && dModel % nHeads !== 0)
    malformed(`config.json: a width of ${dModel} does not split into ${nHeads} heads`)
  const positions = count('max_position_embeddings', defaults.positions)
  checkWindow(json.sliding_window === undefined ? defaults.window : json.sliding_window, positions, maxSeqLen, findings)
  const tied = json.tie_word_embeddings ?? false
  return {
    dModel,
    nLayers: count('num_hidden_layers'),
    nHeads,
    // No number, as opposed to none given, has always meant one for each head.
    nKvHeads: count('num_key_value_heads', json.num_key_value_heads === null ? nHeads : (defaults.kvHeads ?? nHeads)),
    headDim: count('head_dim', dModel / nHeads),
    ffnDim: count('intermediate_size'),
    vocabSize: count('vocab_size'),
    maxSeqLen: positions,
    tiedHead: typeof tied === 'boolean' ? tied : malformed(`config.json: tie_word_embeddings is ${shown(tied)}`),
    normEps: Math.fround(number('rms_norm_eps', 1e-6)),
    ropeTheta: ropeTheta(json, findings),
    bosToken: token(json, 'bos_token_id', 1, findings),
    eosToken: token(json, 'eos_token_id', 2, findings),
  }
}

function findUnsupported(json: Json, findings: Findings): void {
  for (const [key, value] of Object.entries(json)) {
    if (value == null) continue
    const neutral = NEUTRAL.get(key)
    if (!KNOWN.has(key) || (neutral !== undefined && !neutral.includes(value)))
      findings.unsupported(`${key} = ${shown(value)}`)
  }
  const { architectures, layer_types: layers, quantization_config: quantization } = json
  if (architectures != null && !isListOf(architectures, ARCHITECTURES))
    findings.unsupported(`architectures = ${shown(architectures)}`)
  if (layers != null && !isListOf(layers, ['full_attention'])) findings.unsupported(`layer_types = ${shown(layers)}`)
  if (quantization != null)
    findings.unsupported(`weights quantised by ${shown(asRecord(quantization)?.quant_method ?? quantization)}`)
  findScaling('rope_scaling', json.rope_scaling, findings)
  findScaling('rope_parameters', json.rope_parameters, findings)
}

const isListOf = (value: unknown, known: readonly unknown[]): boolean =>
  Array.isArray(value) && value.every((each) => known.includes(each))

/** Rotary parameters must be none, or an object all of whose keys are known to change nothing. */
function findScaling(name: string, value: unknown, findings: Findings): void {
  if (value == null) return
  const parameters = asRecord(value)
  if (parameters === undefined) {
    findings.unsupported(`${name} = ${shown(value)}`)
    return
  }
  const { rope_type, type, ...rest } = parameters
  const kind = [rope_type, type].find((each) => each != null && each !== 'default')
  if (kind !== undefined) {
    findings.unsupported(`rotary scaling ${shown(kind)}`)
    return
  }
  for (const [key, each] of Object.entries(rest)) {
    if (each == null) continue
    const isBase = key === 'rope_theta' && name === 'rope_parameters'
    const isOne = (key === 'factor' || key === 'partial_rotary_factor') && each === 1
    if (!isBase && !isOne) findings.unsupported(`${name}.${key} = ${shown(each)}`)
  }
}

/** A window that covers all positions is none. */
function checkWindow(window: unknown, stored: number, maxSeqLen: number | undefined, findings: Findings): void {
  if (window === null) return
  const positions = Math.min(stored, maxSeqLen ?? Number.POSITIVE_INFINITY)
  if (!(typeof window === 'number' && positions <= window))
    findings.unsupported(`a sliding window of ${shown(window)} positions: no more than these can be asked for`)
}

function ropeTheta(json: Json, findings: Findings): number {
  const outer = json.rope_theta ?? undefined
  const inner = asRecord(json.rope_parameters)?.rope_theta ?? undefined
  if (outer !== undefined && inner !== undefined && outer !== inner)
    findings.unsupported(`two rotary bases, ${shown(outer)} and ${shown(inner)}`)
  const theta = inner ?? outer ?? 10_000
  return typeof theta === 'number' ? theta : malformed(`config.json: rope_theta is ${shown(theta)}`)
}

function token(json: Json, key: string, usual: number, findings: Findings): number {
  const value = json[key] ?? usual
  if (typeof value === 'number') return value
  if (!Array.isArray(value) || typeof value[0] !== 'number') malformed(`config.json: ${key} is ${shown(value)}`)
  if (value.length > 1) findings.note(`of ${key} ${shown(value)} the first counts`)
  return value[0]
}
