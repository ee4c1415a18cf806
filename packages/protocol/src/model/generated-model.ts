/**
 * A model that a miner brings where weights need not be registered (B2 off). Its id names it so that everybody can make the same
 * weights again: a tag, the dimensions and a seed of the synthetic model, 32 bytes. Vocabulary, positions and tokenizer are those of
 * the model of the bootstrap lane, whose prompts it runs.
 */
import * as P from 'micro-packed'
import { bytesToHex, equalBytes, utf8ToBytes } from '../bytes.ts'
import { type Codec, defineCodec, fixedBytes, u8, u16 } from '../codec.ts'
import { check, ProtocolError } from '../errors.ts'
import { MAX_GENERATED_WEIGHTS } from '../limits.ts'
import { checkModelConfig } from './config.ts'
import { syntheticConfig, syntheticModel } from './synthetic.ts'
import { tensorShapes } from './tensors.ts'
import type { Model, ModelConfig, ModelDims } from './types.ts'

/** The dimensions that the miner chooses. */
export type GeneratedDims = Pick<ModelDims, 'dModel' | 'nLayers' | 'nHeads' | 'nKvHeads' | 'headDim' | 'ffnDim'>
/** What the bootstrap lane's model lends. */
export type GeneratedBase = Pick<ModelConfig, 'vocabSize' | 'maxSeqLen' | 'bosToken' | 'eosToken' | 'tokenizerHash'>

export interface GeneratedModelName extends GeneratedDims {
  /** 16 bytes. */
  readonly seed: Uint8Array
}

/** First bytes of every such id: a hash begins with them once in 2^64. */
const TAG: Uint8Array = utf8ToBytes('nacregen')
const SEED_BYTES = 16

const nameCodec: Codec<GeneratedModelName & { readonly tag: Uint8Array }> = defineCodec(
  'generated model',
  P.struct({
    tag: fixedBytes(TAG.length),
    dModel: u16,
    nLayers: u8,
    nHeads: u8,
    nKvHeads: u8,
    headDim: u8,
    ffnDim: u16,
    seed: fixedBytes(SEED_BYTES),
  }),
  32,
)

/** The 32-byte id of a generated model. Throws CODEC_MALFORMED for a field that does not fit. */
export function generatedModelId(name: GeneratedModelName): Uint8Array {
  return nameCodec.encode({ ...name, tag: TAG })
}

/** Whether an id of 32 bytes names a generated model; whether there is such a model is not checked. */
export function isGeneratedModelId(modelId: Uint8Array): boolean {
  return modelId.length === 32 && equalBytes(modelId.subarray(0, TAG.length), TAG)
}

interface Options {
  readonly name: string
  readonly dims: ModelDims
  readonly seed: string
  readonly tiedHead: boolean
  readonly tokenizer: GeneratedBase
}

function optionsOf(modelId: Uint8Array, base: GeneratedBase): Options {
  check(isGeneratedModelId(modelId), 'UNIT_MODEL', `${bytesToHex(modelId)} names no generated model`)
  const { tag: _, seed, ...chosen } = nameCodec.decode(modelId)
  const dims = { ...chosen, vocabSize: base.vocabSize, maxSeqLen: base.maxSeqLen }
  return { name: 'generated', dims, seed: bytesToHex(seed), tiedHead: true, tokenizer: base }
}

/**
 * The configuration behind an id, without the weights. Throws UNIT_MODEL: no generated model, dimensions that are none (MOD-1), or more
 * than MAX_GENERATED_WEIGHTS elements, so that making the weights is bounded.
 */
export function generatedModelConfig(modelId: Uint8Array, base: GeneratedBase): ModelConfig {
  const config = syntheticConfig(optionsOf(modelId, base))
  try {
    checkModelConfig(config)
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    throw new ProtocolError('UNIT_MODEL', `the generated model cannot be: ${cause.message}`, { cause })
  }
  const weights = tensorShapes(config).reduce((sum, { leafCount, leafLength }) => sum + leafCount * leafLength, 0)
  check(
    weights <= MAX_GENERATED_WEIGHTS,
    'UNIT_MODEL',
    `the generated model has ${weights} weights, at most ${MAX_GENERATED_WEIGHTS} are allowed`,
  )
  return config
}

/** The model behind an id, which is also its `modelId`. Throws like {@link generatedModelConfig}. */
export function generatedModel(modelId: Uint8Array, base: GeneratedBase): Model {
  generatedModelConfig(modelId, base)
  return { ...syntheticModel(optionsOf(modelId, base)), modelId }
}
