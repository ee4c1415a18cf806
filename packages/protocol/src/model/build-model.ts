import { check } from '../errors.ts'
import type { KeyedHash } from '../hash.ts'
import { keyedHash } from '../hash.ts'
import { QUANT_MAX } from '../numerics/quantise.ts'
import { isScale } from '../numerics/scale.ts'
import { checkModelConfig } from './config.ts'
import { modelIdOf } from './manifest.ts'
import { tensorData, tensorRoot, tensorShapes } from './tensors.ts'
import type { Model, ModelConfig, ModelManifest, ModelWeights, QuantMatrix } from './types.ts'

function checkInt8(data: Int8Array, name: string): void {
  for (let i = 0; i < data.length; i++) {
    if (data[i]! > QUANT_MAX || data[i]! < -QUANT_MAX)
      check(false, 'MODEL_MALFORMED', `${name}[${i}] = ${data[i]} is outside [-63, 63]`)
  }
}

function checkF32(data: Float32Array, name: string): void {
  const valid = name.endsWith('.scale') ? isScale : Number.isFinite
  for (let i = 0; i < data.length; i++) {
    if (!valid(data[i]!)) check(false, 'MODEL_MALFORMED', `${name}[${i}] = ${data[i]} is no valid value`)
  }
}

/**
 * Validates configuration and weights, and computes manifest and `modelId` (MOD-1).
 * Throws MODEL_MALFORMED: dimensions outside their bounds or not those of the arrays; an int8 weight outside [-63, 63];
 * a scale that is negative, subnormal or not finite; a norm gain or rotary value that is not finite; an embedding scale
 * so large that an embedding row could overflow (so that h[0] is finite without a further rule).
 * @param hash a faster keyed BLAKE3, if there is one.
 */
export function buildModel(config: ModelConfig, weights: ModelWeights, hash: KeyedHash = keyedHash): Model {
  checkModelConfig(config)
  const need = (holds: boolean, why: string): void => check(holds, 'MODEL_MALFORMED', why)
  need(weights.layers.length === config.nLayers, `${weights.layers.length} layers, not ${config.nLayers}`)
  need(
    config.tiedHead === (weights.head === weights.embed),
    'a tied head is the embedding itself, an untied one is not',
  )
  const matrix = (name: string, m: QuantMatrix, rows: number, columns: number): void =>
    need(m.rows === rows && m.columns === columns, `${name} is ${m.rows} x ${m.columns}, not ${rows} x ${columns}`)
  const { dModel, nHeads, nKvHeads, headDim, ffnDim, vocabSize } = config
  matrix('embed', weights.embed, vocabSize, dModel)
  matrix('head', weights.head, vocabSize, dModel)
  weights.layers.forEach((layer, l) => {
    matrix(`layers.${l}.qkv`, layer.qkv, (nHeads + 2 * nKvHeads) * headDim, dModel)
    matrix(`layers.${l}.o`, layer.o, dModel, nHeads * headDim)
    matrix(`layers.${l}.gateUp`, layer.gateUp, 2 * ffnDim, dModel)
    matrix(`layers.${l}.down`, layer.down, dModel, ffnDim)
  })

  const data = tensorData(config, weights)
  const tensorRoots = tensorShapes(config).map((shape, i) => {
    const array = data[i]!
    const length = shape.leafCount * shape.leafLength
    need(
      shape.name.endsWith('.q') ? array instanceof Int8Array : array instanceof Float32Array,
      `${shape.name} has the wrong element type`,
    )
    need(array.length === length, `${shape.name} has ${array.length} elements, not ${length}`)
    if (array instanceof Int8Array) checkInt8(array, shape.name)
    else checkF32(array, shape.name)
    return tensorRoot({ ...shape, data: array }, hash)
  })
  weights.embed.scale.forEach((scale, token) => {
    need(Number.isFinite(Math.fround(QUANT_MAX * scale)), `the embedding of token ${token} overflows`)
  })
  const manifest: ModelManifest = { config, tensorRoots }
  return { ...weights, config, manifest, modelId: modelIdOf(manifest) }
}
