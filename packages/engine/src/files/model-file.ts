/** The model file (MOD-1, MOD-7): a safetensors container whose tensors and metadata are exactly those of one model. */
import {
  bpeTokenizer,
  buildModel,
  byteTokenizer,
  checkModelConfig,
  type KeyedHash,
  type LayerWeights,
  type Model,
  type ModelConfig,
  type QuantMatrix,
  type Tokenizer,
} from '@nacre/protocol'
import { byteTensor, f32Tensor, int8Tensor, malformed, parseSafetensors, type Safetensors } from './safetensors.ts'

export const MODEL_FORMAT = 'nacre-model-1'
/** Metadata that describes the file and not the model. */
const DESCRIPTIVE = new Set(['format', 'tokenizer', 'scheme'])

/** The tensor that holds the definition of a BPE tokenizer. It is no tensor of the manifest, which has its hash. */
export const TOKENIZER_TENSOR = 'tokenizer'

export interface ModelFile {
  readonly model: Model
  readonly tokenizer: Tokenizer
}

/**
 * Reads and validates a model file and computes its identity.
 * @param hash a faster keyed BLAKE3, if there is one. Throws MODEL_MALFORMED and nothing else.
 */
export function parseModel(bytes: Uint8Array, hash?: KeyedHash): Model {
  return parseModelFile(bytes, hash).model
}

/** Like {@link parseModel}, with the tokenizer. */
export function parseModelFile(bytes: Uint8Array, hash?: KeyedHash): ModelFile {
  const file = parseSafetensors(bytes)
  const tokenizer = parseTokenizer(file)
  const config = parseConfig(file.metadata, tokenizer)
  checkModelConfig(config)
  const { dModel, nLayers, nHeads, nKvHeads, headDim, ffnDim, vocabSize, maxSeqLen } = config
  let used = tokenizer.kind === 'bpe' ? 1 : 0
  const vector = (name: string, ...shape: number[]): Float32Array => {
    used++
    return f32Tensor(file, name, shape)
  }
  const matrix = (name: string, rows: number, columns: number): QuantMatrix => {
    used++
    return { rows, columns, q: int8Tensor(file, `${name}.q`, [rows, columns]), scale: vector(`${name}.scale`, rows) }
  }
  const layer = (l: number): LayerWeights => ({
    attnNorm: vector(`layers.${l}.attnNorm`, dModel),
    qkv: matrix(`layers.${l}.qkv`, (nHeads + 2 * nKvHeads) * headDim, dModel),
    o: matrix(`layers.${l}.o`, dModel, nHeads * headDim),
    ffnNorm: vector(`layers.${l}.ffnNorm`, dModel),
    gateUp: matrix(`layers.${l}.gateUp`, 2 * ffnDim, dModel),
    down: matrix(`layers.${l}.down`, dModel, ffnDim),
  })
  const embed = matrix('embed', vocabSize, dModel)
  const weights = {
    embed,
    layers: Array.from({ length: nLayers }, (_, l) => layer(l)),
    finalNorm: vector('finalNorm', dModel),
    head: config.tiedHead ? embed : matrix('head', vocabSize, dModel),
    ropeCos: vector('rope.cos', maxSeqLen, headDim / 2),
    ropeSin: vector('rope.sin', maxSeqLen, headDim / 2),
  }
  if (used !== file.tensors.size) malformed(`${file.tensors.size} tensors, the model has ${used}`)
  return { model: buildModel(config, weights, hash), tokenizer }
}

function parseTokenizer(file: Safetensors): Tokenizer {
  const kind = file.metadata.get('tokenizer') ?? malformed('the metadata has no tokenizer')
  if (kind === 'byte') return byteTokenizer
  if (kind !== 'bpe') malformed(`the tokenizer ${kind} is not known`)
  return bpeTokenizer(byteTensor(file, TOKENIZER_TENSOR))
}

function parseConfig(metadata: Safetensors['metadata'], tokenizer: Tokenizer): ModelConfig {
  const read = new Set(DESCRIPTIVE)
  const text = (key: string): string => {
    read.add(key)
    return metadata.get(key) ?? malformed(`the metadata has no ${key}`)
  }
  const integer = (key: string): number => {
    const value = text(key)
    if (!/^(0|[1-9]\d{0,8})$/.test(value)) malformed(`${key}=${value} is no count`)
    return Number(value)
  }
  const decimal = (key: string): number => {
    const value = text(key)
    if (!/^\d+(\.\d+)?(e[+-]?\d{1,3})?$/.test(value)) malformed(`${key}=${value} is no decimal number`)
    return Math.fround(Number(value))
  }
  const boolean = (key: string): boolean => {
    const value = text(key)
    if (value !== 'true' && value !== 'false') malformed(`${key}=${value} is neither true nor false`)
    return value === 'true'
  }
  if (text('format') !== MODEL_FORMAT) malformed(`the format is ${text('format')}, not ${MODEL_FORMAT}`)
  if ((metadata.get('scheme') ?? 'int8-row63') !== 'int8-row63') malformed(`the scheme is not int8-row63`)
  const config: ModelConfig = {
    name: text('name'),
    dModel: integer('dModel'),
    nLayers: integer('nLayers'),
    nHeads: integer('nHeads'),
    nKvHeads: integer('nKvHeads'),
    headDim: integer('headDim'),
    ffnDim: integer('ffnDim'),
    vocabSize: integer('vocabSize'),
    maxSeqLen: integer('maxSeqLen'),
    tiedHead: boolean('tiedHead'),
    normEps: decimal('normEps'),
    bosToken: integer('bosToken'),
    eosToken: integer('eosToken'),
    tokenizerHash: tokenizer.hash,
  }
  // Models of other tokens than text may have fewer than the byte tokenizer; a BPE tokenizer belongs to its model.
  if (tokenizer.kind === 'bpe' && tokenizer.vocabSize > config.vocabSize)
    malformed(`the tokenizer has ${tokenizer.vocabSize} tokens, the model ${config.vocabSize}`)
  for (const key of metadata.keys()) if (!read.has(key)) malformed(`the metadata ${key} is not known`)
  return config
}
