import { projRow } from '../../inference/proj-row.ts'
import { encodeRow } from '../leaves.ts'
import { groupWidth } from '../subtrees.ts'
import type { StepView } from './view.ts'

/** `proj` (TRC-3): h[l] and the attention output operands of all groups -> x[l]. */
export function projStep(view: StepView): Uint8Array {
  const { nKvHeads } = view.shape.dims
  const { layer } = view.ref
  const width = groupWidth(view.shape.dims)
  const o = new Int8Array(nKvHeads * width)
  const oScale = new Float32Array(nKvHeads)
  for (let group = 0; group < nKvHeads; group++) {
    const { q, scale } = view.o(group)
    o.set(q, group * width)
    oScale[group] = scale
  }
  return encodeRow(projRow(view.model, layer, view.h(layer), o, oScale))
}
