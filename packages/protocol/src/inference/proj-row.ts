import type { Model } from '../model/types.ts'
import { groupedLinearRow } from '../numerics/linear.ts'
import { addResidual } from './ffn-row.ts'

/**
 * The residual row after attention: x[d] = f(h[d] + W_o(o)[d]), non-finite elements stored as +0.
 * @param h residual row entering the layer, length dModel. @param o nHeads * headDim values of all groups in order.
 * @param oScale one per KV group.
 */
export function projRow(
  model: Model,
  layer: number,
  h: Float32Array,
  o: Int8Array,
  oScale: Float32Array,
): Float32Array {
  return addResidual(h, groupedLinearRow(o, oScale, model.layers[layer]!.o))
}
