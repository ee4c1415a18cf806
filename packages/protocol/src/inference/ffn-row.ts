import type { Model } from '../model/types.ts'
import { siluF32, storeFinite } from '../numerics/f32.ts'
import { linearRow } from '../numerics/linear.ts'
import { type QuantRow, quantiseRow } from '../numerics/quantise.ts'
import { ffnOperand } from './operands.ts'

const f = Math.fround

/** The operand of the down projection: s_j = f(silu(gate_j) * up_j), quantised. Length ffnDim. */
export function downOperand(model: Model, layer: number, x: Float32Array): QuantRow {
  const { gateUp } = model.layers[layer]!
  const { ffnDim } = model.config
  const a = ffnOperand(model, layer, x)
  return gatedOperand(linearRow(a.q, a.scale, gateUp, 0, 2 * ffnDim))
}

/** {@link downOperand} from the fused projection's outputs: all gates, then all ups. Length 2 ffnDim. */
export function gatedOperand(both: Float32Array): QuantRow {
  const ffnDim = both.length / 2
  const s = new Float32Array(ffnDim)
  for (let j = 0; j < ffnDim; j++) s[j] = f(siluF32(both[j]!) * both[ffnDim + j]!)
  return quantiseRow(s)
}

/**
 * The residual row entering the next layer: next[d] = f(x[d] + W_down(s)[d]), s of {@link downOperand},
 * non-finite elements stored as +0.
 * @param x residual row after attention, length dModel.
 */
export function ffnRow(model: Model, layer: number, x: Float32Array): Float32Array {
  const { down } = model.layers[layer]!
  const { dModel } = model.config
  const s = downOperand(model, layer, x)
  return addResidual(x, linearRow(s.q, s.scale, down, 0, dModel))
}

/** A residual row and what a layer adds to it, element by element, non-finite sums stored as +0. Overwrites `added`. */
export function addResidual(row: Float32Array, added: Float32Array): Float32Array {
  for (let d = 0; d < added.length; d++) added[d] = f(row[d]! + added[d]!)
  return storeFinite(added)
}
