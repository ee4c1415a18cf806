import * as P from 'micro-packed'
import { bool, boundedBytes, bytes32, fixedBytes, u32 } from '../codec.ts'
import { check } from '../errors.ts'
import { MAX_MODEL_DIMENSION, MAX_MODEL_LAYERS, MAX_NAME_BYTES, MAX_SEQUENCE_LENGTH } from '../limits.ts'
import { MIN_NORMAL_F32 } from '../numerics/f32.ts'
import type { ModelConfig } from './types.ts'

const NAME = /^[a-z0-9.-]{1,64}$/

const name: P.CoderType<string> = P.apply(boundedBytes(MAX_NAME_BYTES), {
  encode: (bytes: Uint8Array): string => String.fromCharCode(...bytes),
  decode: (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0)),
})

/** One binary32, little-endian. */
const f32: P.CoderType<number> = P.apply(fixedBytes(4), {
  encode: (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true),
  decode: (value: number): Uint8Array => {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setFloat32(0, value, true)
    return bytes
  },
})

/** Field order of a configuration in the manifest (MOD-1). */
export const modelConfigCoder: P.CoderType<ModelConfig> = P.struct({
  name,
  dModel: u32,
  nLayers: u32,
  nHeads: u32,
  nKvHeads: u32,
  headDim: u32,
  ffnDim: u32,
  vocabSize: u32,
  maxSeqLen: u32,
  tiedHead: bool,
  normEps: f32,
  bosToken: u32,
  eosToken: u32,
  tokenizerHash: bytes32,
})

/**
 * The bounds of a configuration (MOD-1). They keep every int8 dot product inside int32 (2^17 * 63^2 < 2^31) and every
 * count inside 2^53. Throws MODEL_MALFORMED.
 */
export function checkModelConfig(config: ModelConfig): void {
  const need = (holds: boolean, why: string): void => check(holds, 'MODEL_MALFORMED', why)
  const inRange = (key: keyof ModelConfig, min: number, max: number): void => {
    const value = config[key]
    need(
      typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max,
      `${key} ${String(value)} is outside ${min}..${max}`,
    )
  }
  need(typeof config.name === 'string' && NAME.test(config.name), 'the name has other characters than a-z 0-9 . -')
  for (const key of ['dModel', 'nHeads', 'nKvHeads', 'headDim', 'ffnDim', 'vocabSize'] as const)
    inRange(key, 1, MAX_MODEL_DIMENSION)
  inRange('nLayers', 1, MAX_MODEL_LAYERS)
  inRange('maxSeqLen', 1, MAX_SEQUENCE_LENGTH)
  inRange('bosToken', 0, config.vocabSize - 1)
  inRange('eosToken', 0, config.vocabSize - 1)
  need(config.nHeads % config.nKvHeads === 0, `${config.nHeads} heads do not split into ${config.nKvHeads} groups`)
  need(config.headDim % 2 === 0, `headDim ${config.headDim} is odd, rotation needs pairs`)
  need((config.nHeads + 2 * config.nKvHeads) * config.headDim <= MAX_MODEL_DIMENSION, 'the fused qkv layer is too wide')
  need(2 * config.ffnDim <= MAX_MODEL_DIMENSION, 'the fused gate,up layer is too wide')
  need(typeof config.tiedHead === 'boolean', 'tiedHead is no boolean')
  need(
    Math.fround(config.normEps) === config.normEps && config.normEps >= MIN_NORMAL_F32 && config.normEps <= 1,
    `normEps ${config.normEps} is no normal binary32 in (0, 1]`,
  )
  need(
    config.tokenizerHash instanceof Uint8Array && config.tokenizerHash.length === 32,
    'tokenizerHash has not 32 bytes',
  )
}
