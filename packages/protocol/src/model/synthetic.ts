/**
 * Deterministic random models: for the preset `unit`, tests and simulations. They say nothing sensible, reproducibly.
 */
import { u32le, utf8ToBytes } from '../bytes.ts'
import { taggedXof } from '../hash.ts'
import { buildModel } from './build-model.ts'
import { BYTE_BOS, BYTE_EOS, BYTE_TOKENIZER_HASH } from './byte-tokenizer.ts'
import { tensorShapes } from './tensors.ts'
import type { LayerWeights, Model, ModelConfig, ModelDims, QuantMatrix } from './types.ts'

const f = Math.fround

export interface SyntheticModelOptions {
  readonly name: string
  readonly dims: ModelDims
  readonly seed: string
  readonly tiedHead: boolean
  /** By default the byte tokenizer, as far as the vocabulary has its tokens. */
  readonly tokenizer?: Pick<ModelConfig, 'bosToken' | 'eosToken' | 'tokenizerHash'>
}

/**
 * Rotary tables by repeated binary32 rotation, since no library sine is the same everywhere. Pair j turns by the angle
 * whose half has the tangent t_j = 2^-(1 + floor(12 j / pairs)): (cos, sin) = ((1 - t^2) / (1 + t^2), 2t / (1 + t^2)).
 * Any finite values would do (MOD-1: the tables are data); these are close to a rotation and differ at every position.
 */
export function ropeTables(headDim: number, maxSeqLen: number): { cos: Float32Array; sin: Float32Array } {
  const pairs = headDim / 2
  const cos = new Float32Array(maxSeqLen * pairs)
  const sin = new Float32Array(maxSeqLen * pairs)
  for (let j = 0; j < pairs; j++) {
    const t = 2 ** -(1 + Math.floor((12 * j) / pairs))
    const square = f(t * t)
    const stepCos = f(f(1 - square) / f(1 + square))
    const stepSin = f(f(2 * t) / f(1 + square))
    let c = 1
    let s = 0
    for (let i = 0; i < maxSeqLen; i++) {
      cos[i * pairs + j] = c
      sin[i * pairs + j] = s
      const next = f(f(c * stepCos) - f(s * stepSin))
      s = f(f(c * stepSin) + f(s * stepCos))
      c = next
    }
  }
  return { cos, sin }
}

/** The configuration of {@link syntheticModel}. */
export function syntheticConfig(options: SyntheticModelOptions): ModelConfig {
  const { dims, name, tiedHead } = options
  const hasByteTokens = dims.vocabSize > BYTE_EOS
  const {
    bosToken = hasByteTokens ? BYTE_BOS : 0,
    eosToken = hasByteTokens ? BYTE_EOS : dims.vocabSize - 1,
    tokenizerHash = BYTE_TOKENIZER_HASH,
  } = options.tokenizer ?? {}
  return { ...dims, name, tiedHead, normEps: f(1e-5), bosToken, eosToken, tokenizerHash }
}

/**
 * A model whose weights are the hash of (seed, tensor index), in the order of the manifest's tensors: int8 = byte mod
 * 127 - 63; a scale = f(f(1 + byte / 256) * base) with base = f(1 / f(36 * f(sqrt(columns)))), so that rows keep their
 * magnitude (36 is about the deviation of the int8 values); norm gains = 0.75 + byte / 512.
 */
export function syntheticModel(options: SyntheticModelOptions): Model {
  const { dims, seed, tiedHead } = options
  const config = syntheticConfig(options)
  const shapes = tensorShapes(config)
  const randomBytes = (tensor: string): Uint8Array => {
    const index = shapes.findIndex((shape) => shape.name === tensor)
    const { leafCount, leafLength } = shapes[index]!
    return taggedXof('syntheticModel', leafCount * leafLength, u32le(index), utf8ToBytes(seed))
  }
  const matrix = (tensor: string, rows: number, columns: number): QuantMatrix => {
    const base = f(1 / f(36 * f(Math.sqrt(columns))))
    return {
      rows,
      columns,
      q: weightsOf(randomBytes(`${tensor}.q`)),
      scale: Float32Array.from(randomBytes(`${tensor}.scale`), (byte) => f(f(1 + byte / 256) * base)),
    }
  }
  const gains = (tensor: string): Float32Array => Float32Array.from(randomBytes(tensor), (byte) => 0.75 + byte / 512)
  const layer = (l: number): LayerWeights => ({
    attnNorm: gains(`layers.${l}.attnNorm`),
    qkv: matrix(`layers.${l}.qkv`, (dims.nHeads + 2 * dims.nKvHeads) * dims.headDim, dims.dModel),
    o: matrix(`layers.${l}.o`, dims.dModel, dims.nHeads * dims.headDim),
    ffnNorm: gains(`layers.${l}.ffnNorm`),
    gateUp: matrix(`layers.${l}.gateUp`, 2 * dims.ffnDim, dims.dModel),
    down: matrix(`layers.${l}.down`, dims.dModel, dims.ffnDim),
  })
  const embed = matrix('embed', dims.vocabSize, dims.dModel)
  const rope = ropeTables(dims.headDim, dims.maxSeqLen)
  return buildModel(config, {
    embed,
    layers: Array.from({ length: dims.nLayers }, (_, l) => layer(l)),
    finalNorm: gains('finalNorm'),
    head: tiedHead ? embed : matrix('head', dims.vocabSize, dims.dModel),
    ropeCos: rope.cos,
    ropeSin: rope.sin,
  })
}

/** A loop: `Int8Array.from` with a function takes ten times as long. */
function weightsOf(bytes: Uint8Array): Int8Array {
  const out = new Int8Array(bytes.length)
  for (let i = 0; i < bytes.length; i++) out[i] = (bytes[i]! % 127) - 63
  return out
}

/** Dimensions of the model of the preset `unit`. */
export const UNIT_MODEL_DIMS: ModelDims = {
  dModel: 32,
  nLayers: 2,
  nHeads: 4,
  nKvHeads: 2,
  headDim: 8,
  ffnDim: 64,
  vocabSize: 260,
  maxSeqLen: 64,
}

let unit: Model | undefined

/** The model of the preset `unit`, built once. Its arrays are shared: do not write to them. */
export function unitModel(): Model {
  unit ??= syntheticModel({ name: 'unit-model', dims: UNIT_MODEL_DIMS, seed: 'unit-model', tiedHead: true })
  return unit
}
