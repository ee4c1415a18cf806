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
  const both = linearRow(a.q, a.scale, gateUp, 0, 2 * ffnDim)
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
  const out = linearRow(s.q, s.scale, down, 0, dModel)
  for (let d = 0; d < dModel; d++) out[d] = f(x[d]! + out[d]!)
  return storeFinite(out)
}
