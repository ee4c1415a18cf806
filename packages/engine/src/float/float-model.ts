/** Models in plain binary32, for comparison with their int8 form. Nothing here is consensus: sums are not pinned. */
import type { Model, ModelDims, QuantMatrix } from '@nacre/protocol'
import { rotaryTables } from '../import/rope.ts'
import { rowBlocks, type SourceModel } from '../import/source.ts'

/** Matrices are stored one output per row, as in a Nacre model (MOD-1). */
export interface FloatLayer {
  readonly attnNorm: Float32Array
  /** Query heads, key heads, value heads; columns dModel. */
  readonly qkv: Float32Array
  readonly o: Float32Array
  readonly ffnNorm: Float32Array
  /** ffnDim gates, then ffnDim ups. */
  readonly gateUp: Float32Array
  readonly down: Float32Array
}

export interface FloatModel {
  readonly config: ModelDims & { readonly normEps: number; readonly bosToken: number; readonly eosToken: number }
  readonly embed: Float32Array
  readonly layers: readonly FloatLayer[]
  readonly finalNorm: Float32Array
  /** The same array as `embed` when the head is tied. */
  readonly head: Float32Array
  readonly ropeCos: Float32Array
  readonly ropeSin: Float32Array
}

/** Weights of a source model as they are. Throws MODEL_MALFORMED, the signal's reason or the disk's error. */
export async function loadFloatModel(source: SourceModel, signal?: AbortSignal): Promise<FloatModel> {
  const { config, tensors } = source
  const join = async (...parts: string[]): Promise<Float32Array> => {
    const all = parts.map((part) => tensors.get(part)!)
    const out = new Float32Array(all.reduce((sum, { rows, columns }) => sum + rows * columns, 0))
    let start = 0
    for (const tensor of all) {
      for await (const { first, values } of rowBlocks(tensor, signal)) out.set(values, start + first * tensor.columns)
      start += tensor.rows * tensor.columns
    }
    return out
  }
  const layers: FloatLayer[] = []
  for (let l = 0; l < config.nLayers; l++) {
    const at = `layers.${l}.`
    layers.push({
      attnNorm: await join(`${at}attnNorm`),
      qkv: await join(`${at}q`, `${at}k`, `${at}v`),
      o: await join(`${at}o`),
      ffnNorm: await join(`${at}ffnNorm`),
      gateUp: await join(`${at}gate`, `${at}up`),
      down: await join(`${at}down`),
    })
  }
  const embed = await join('embed')
  const { cos, sin } = rotaryTables(config.headDim, config.maxSeqLen, config.ropeTheta)
  return {
    ...{ config, embed, layers, finalNorm: await join('finalNorm') },
    head: config.tiedHead ? embed : await join('head'),
    ...{ ropeCos: cos, ropeSin: sin },
  }
}

/** The weights of a Nacre model as real numbers: what is lost against the source is the rounding of weights alone. */
export function dequantisedModel(model: Model): FloatModel {
  const { config, embed, head, finalNorm, ropeCos, ropeSin } = model
  const real = ({ rows, columns, q, scale }: QuantMatrix): Float32Array => {
    const out = new Float32Array(rows * columns)
    for (let i = 0; i < out.length; i++) out[i] = q[i]! * scale[Math.floor(i / columns)]!
    return out
  }
  const realEmbed = real(embed)
  return {
    ...{ config, embed: realEmbed, finalNorm, ropeCos, ropeSin },
    layers: model.layers.map(({ attnNorm, qkv, o, ffnNorm, gateUp, down }) => ({
      ...{ attnNorm, ffnNorm },
      ...{ qkv: real(qkv), o: real(o), gateUp: real(gateUp), down: real(down) },
    })),
    head: config.tiedHead ? realEmbed : real(head),
  }
}
