import type { Model } from '../model/types.ts'
import { siluF32, storeFinite } from '../numerics/f32.ts'
import { linearRow } from '../numerics/linear.ts'
import { quantiseRow } from '../numerics/quantise.ts'
import { ffnOperand } from './operands.ts'

const f = Math.fround

/**
 * The residual row entering the next layer: s_j = f(silu(gate_j) * up_j), quantised; next[d] = f(x[d] + W_down(s)[d]),
 * non-finite elements stored as +0.
 * @param x residual row after attention, length dModel.
 */
export function ffnRow(model: Model, layer: number, x: Float32Array): Float32Array {
  const { gateUp, down } = model.layers[layer]!
  const { ffnDim, dModel } = model.config
  const a = ffnOperand(model, layer, x)
  const both = linearRow(a.q, a.scale, gateUp, 0, 2 * ffnDim)
  const s = new Float32Array(ffnDim)
  for (let j = 0; j < ffnDim; j++) s[j] = f(siluF32(both[j]!) * both[ffnDim + j]!)
  const quantised = quantiseRow(s)
  const out = linearRow(quantised.q, quantised.scale, down, 0, dModel)
  for (let d = 0; d < dModel; d++) out[d] = f(x[d]! + out[d]!)
  return storeFinite(out)
}
