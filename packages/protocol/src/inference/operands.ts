/** The quantised operands of the ticket operations (WRK-1): functions of one residual row. */
import type { Model } from '../model/types.ts'
import { rmsNorm } from '../numerics/f32.ts'
import { type QuantRow, quantiseRow } from '../numerics/quantise.ts'

/** Operand of the fused q,k,v projection. @param h residual row entering `layer`, length dModel. */
export function attentionOperand(model: Model, layer: number, h: Float32Array): QuantRow {
  return quantiseRow(rmsNorm(h, model.layers[layer]!.attnNorm, model.config.normEps))
}

/** Operand of the fused gate,up projection. @param x residual row after attention, length dModel. */
export function ffnOperand(model: Model, layer: number, x: Float32Array): QuantRow {
  return quantiseRow(rmsNorm(x, model.layers[layer]!.ffnNorm, model.config.normEps))
}
