/**
 * Models of the architecture `llama` in GGUF. Converters permute the rows of q and k from Hugging Face's halves back to
 * interleaved pairs, which is what llama.cpp rotates for this architecture (LLAMA_ROPE_TYPE_NORM) and Nacre too (MOD-4).
 * Source: `conversion` (`LlamaModel.permute`) and `llama_model_rope_type` of ggml-org/llama.cpp.
 */
import { malformed } from '../files/safetensors.ts'
import { shown } from '../files/shown.ts'
import { DiskFile } from './disk-file.ts'
import { BF16, type ElementType, F16, F32, Q8_0, rowBytes } from './element-types.ts'
import { Findings } from './findings.ts'
import { checkGgufExtents, type Gguf, type GgufTensor, type GgufValue, readGguf } from './gguf.ts'
import { ggufTokenizer } from './gguf-tokenizer.ts'
import { readLlama2cTokenizer } from './llama2c-tokenizer.ts'
import {
  checkAllPlaced,
  checkSourceConfig,
  type SourceConfig,
  type SourceModel,
  type SourceOptions,
  type SourceTensor,
  sourceParts,
} from './source.ts'

const TYPES: Readonly<Record<number, ElementType>> = { 0: F32, 1: F16, 8: Q8_0, 30: BF16 }
/** For messages: ggml's names of the formats that are not read. */
const OTHER_TYPES: Readonly<Record<number, string>> = {
  ...{ 2: 'Q4_0', 3: 'Q4_1', 6: 'Q5_0', 7: 'Q5_1', 9: 'Q8_1', 10: 'Q2_K', 11: 'Q3_K', 12: 'Q4_K', 13: 'Q5_K' },
  ...{ 14: 'Q6_K', 15: 'Q8_K', 16: 'IQ2_XXS', 17: 'IQ2_XS', 18: 'IQ3_XXS', 19: 'IQ1_S', 20: 'IQ4_NL', 21: 'IQ3_S' },
  ...{ 22: 'IQ2_S', 23: 'IQ4_XS', 24: 'I8', 25: 'I16', 26: 'I32', 27: 'I64', 28: 'F64', 29: 'IQ1_M', 34: 'TQ1_0' },
  ...{ 35: 'TQ2_0', 39: 'MXFP4' },
}

/** Parts by the names of their tensors, without `.weight`. */
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({ token_embd: 'embed', output_norm: 'finalNorm', output: 'head' }),
)
const LAYER_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ attn_norm: 'attnNorm', attn_q: 'q', attn_k: 'k', attn_v: 'v', attn_output: 'o' },
    ...{ ffn_norm: 'ffnNorm', ffn_gate: 'gate', ffn_up: 'up', ffn_down: 'down' },
  }),
)

/** Opens a GGUF file. Throws MODEL_MALFORMED, MODEL_UNSUPPORTED with every reason, or the error of the disk. */
export async function openGguf(path: string, options: SourceOptions): Promise<SourceModel> {
  const file = await DiskFile.open(path)
  try {
    const findings = new Findings()
    const gguf = await readGguf(file, findings)
    const metadata = new Metadata(gguf.metadata)
    metadata.findUnsupported(findings, options.maxSeqLen)
    const named = partsOf(gguf, findings)
    const own = options.tokenizer === undefined ? ggufTokenizer(gguf.metadata, findings) : undefined
    const tokenizer =
      options.tokenizer === undefined ? own?.definition : await readLlama2cTokenizer(options.tokenizer, findings)
    // Dimensions of another architecture have other names: what is not supported comes first.
    findings.settle(path)
    const config = checkSourceConfig(metadata.config(gguf, named, findings), options.maxSeqLen, findings)
    const tensors = place(file, gguf, config, named)
    findings.settle(path)
    checkGgufExtents(file, gguf, tensorBytes)
    return {
      format: `GGUF ${gguf.version}`,
      path,
      config,
      tokenizer: tokenizer!,
      tokenizerFrom: options.tokenizer ?? 'the model file',
      tensors,
      notes: findings.notes,
      close: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

class Metadata {
  readonly #values: ReadonlyMap<string, GgufValue>
  constructor(values: ReadonlyMap<string, GgufValue>) {
    this.#values = values
  }

  #number(key: string): number | undefined {
    const value = this.#values.get(`llama.${key}`)
    if (value === undefined || typeof value === 'number') return value
    return malformed(`llama.${key} is no number`)
  }

  #count(key: string): number {
    const value = this.#number(key) ?? malformed(`the metadata has no llama.${key}`)
    if (!Number.isSafeInteger(value) || value < 1) malformed(`llama.${key} is ${value}`)
    return value
  }

  findUnsupported(findings: Findings, maxSeqLen: number | undefined): void {
    const architecture =
      this.#values.get('general.architecture') ?? malformed('the metadata has no general.architecture')
    if (architecture !== 'llama') findings.unsupported(`the architecture ${shown(architecture)}, only llama is read`)
    const parts = this.#values.get('split.count')
    if (typeof parts === 'number' && parts > 1) findings.unsupported(`a model in ${parts} files: merge them first`)
    for (const [key, value] of this.#values) {
      const name = key.startsWith('llama.') ? key.slice('llama.'.length) : undefined
      if (name === undefined) continue
      if (Array.isArray(value)) findings.unsupported(`${key} differs between layers`)
      else if (name === 'attention.sliding_window') this.#checkWindow(Number(value), maxSeqLen, findings)
      else if (!HARMLESS.has(name) && !NEUTRAL.get(name)?.(value)) findings.unsupported(`${key} = ${shown(value)}`)
    }
  }

  /** A window that covers all positions is none. */
  #checkWindow(window: number, maxSeqLen: number | undefined, findings: Findings): void {
    const positions = Math.min(Number(this.#values.get('llama.context_length')), maxSeqLen ?? Number.POSITIVE_INFINITY)
    if (window > 0 && !(positions <= window))
      findings.unsupported(`a sliding window of ${window} positions: no more than these can be asked for`)
  }

  /** Throws MODEL_MALFORMED. */
  config(gguf: Gguf, named: ReadonlyMap<string, GgufTensor>, findings: Findings): SourceConfig {
    const dModel = this.#count('embedding_length')
    const nHeads = this.#count('attention.head_count')
    const nKvHeads = this.#number('attention.head_count_kv') ?? nHeads
    const headDim = this.#number('attention.key_length') ?? dModel / nHeads
    const valueDim = this.#number('attention.value_length') ?? headDim
    const rotated = this.#number('rope.dimension_count') ?? headDim
    if (valueDim !== headDim) findings.unsupported(`values of width ${valueDim} for keys of width ${headDim}`)
    if (rotated !== headDim) findings.unsupported(`only ${rotated} of ${headDim} values of a head are rotated`)
    const embedding = named.get('embed') ?? malformed('there is no tensor token_embd.weight')
    const eps = this.#number('attention.layer_norm_rms_epsilon')
    return {
      dModel,
      nLayers: this.#count('block_count'),
      nHeads,
      nKvHeads,
      headDim,
      ffnDim: this.#count('feed_forward_length'),
      vocabSize: embedding.dimensions[1] ?? 1,
      maxSeqLen: this.#count('context_length'),
      tiedHead: !gguf.tensors.some(({ name }) => name === 'output.weight'),
      normEps: Math.fround(eps ?? malformed('the metadata has no llama.attention.layer_norm_rms_epsilon')),
      ropeTheta: this.#number('rope.freq_base') ?? 10_000,
      bosToken: tokenOf(this.#values, 'bos', 1),
      eosToken: tokenOf(this.#values, 'eos', 2),
    }
  }
}

/** A special token; SentencePiece's usual one if the metadata has none. */
function tokenOf(values: ReadonlyMap<string, GgufValue>, name: string, usual: number): number {
  const value = values.get(`tokenizer.ggml.${name}_token_id`) ?? usual
  return typeof value === 'number' ? value : malformed(`the ${name} token is ${shown(value)}`)
}

/** Keys of `llama.` that are read elsewhere or change no number. */
const HARMLESS = new Set([
  ...['embedding_length', 'attention.head_count', 'attention.head_count_kv', 'attention.key_length'],
  ...['attention.value_length', 'rope.dimension_count', 'rope.freq_base', 'attention.layer_norm_rms_epsilon'],
  ...['block_count', 'feed_forward_length', 'context_length', 'vocab_size', 'tensor_data_layout'],
  ...['rope.scaling.original_context_length', 'rope.scaling.finetuned'],
])

const is =
  (...neutral: unknown[]) =>
  (value: GgufValue) =>
    neutral.includes(value)
/** Keys of `llama.` whose value must say that nothing is changed. */
const NEUTRAL: ReadonlyMap<string, (value: GgufValue) => boolean> = new Map([
  ['rope.scaling.type', is('none')],
  ['rope.scaling.factor', is(0, 1)],
  ['rope.scaling.attn_factor', is(1)],
  ['rope.scale_linear', is(1)],
  ['expert_count', is(0)],
  ['expert_used_count', is(0)],
  ['attention.clamp_kqv', is(0)],
  ['attention.max_alibi_bias', is(0)],
  ['attention.causal', is(true)],
  ['use_parallel_residual', is(false)],
  ['embedding_scale', is(1)],
  ['residual_scale', is(1)],
  ['logit_scale', is(1)],
])

/** The tensors by part; all that Nacre has no place for, and all formats that are not read, are findings. */
function partsOf(gguf: Gguf, findings: Findings): Map<string, GgufTensor> {
  const out = new Map<string, GgufTensor>()
  const formats = new Map<string, number>()
  const others = new Map<string, number>()
  for (const tensor of gguf.tensors) {
    const { name, type } = tensor
    const [, layer, inLayer] = /^blk\.(0|[1-9]\d{0,5})\.(\w+)\.weight$/.exec(name) ?? []
    const partInLayer = LAYER_NAMES.get(inLayer ?? '')
    const part =
      partInLayer === undefined ? NAMES.get(/^(\w+)\.weight$/.exec(name)?.[1] ?? '') : `layers.${layer}.${partInLayer}`
    if (part === undefined) {
      const family = name.replace(/^blk\.\d+\./, 'blk.*.')
      others.set(family, (others.get(family) ?? 0) + 1)
      continue
    }
    out.set(part, tensor)
    if (TYPES[type] !== undefined) continue
    const format = OTHER_TYPES[type] ?? `the unknown format ${type}`
    formats.set(format, (formats.get(format) ?? 0) + 1)
  }
  for (const [format, count] of formats)
    findings.unsupported(`${count} tensor${count === 1 ? '' : 's'} in ${format}, only F32, F16, BF16 and Q8_0 are read`)
  for (const [family, count] of others)
    findings.unsupported(`the tensor ${family}${count > 1 ? ` (${count} of them)` : ''}`)
  return out
}

function tensorBytes({ name, dimensions, type }: GgufTensor): number {
  const [columns, ...rest] = dimensions as [number, ...number[]]
  const format = TYPES[type]!
  const row = rowBytes(format, columns) ?? malformed(`${name}: ${columns} columns do not fill blocks of ${format.name}`)
  return rest.reduce((product, n) => product * n, row)
}

function place(
  file: DiskFile,
  gguf: Gguf,
  config: SourceConfig,
  named: ReadonlyMap<string, GgufTensor>,
): Map<string, SourceTensor> {
  const out = new Map<string, SourceTensor>()
  for (const { part, rows, columns } of sourceParts(config)) {
    const { name, dimensions, type, offset } = named.get(part) ?? malformed(`there is no tensor for ${part}`)
    const [width, height = 1, ...rest] = dimensions
    if (width !== columns || height !== rows || rest.some((n) => n !== 1))
      malformed(`${name} is ${[...dimensions].reverse().join(' x ')}, not ${rows} x ${columns}`)
    out.set(part, { name, file, position: gguf.dataStart + offset, type: TYPES[type]!, rows, columns })
  }
  checkAllPlaced(out, named)
  return out
}
