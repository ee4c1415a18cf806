import { kvOf } from '../../inference/kv-of.ts'
import { attentionOperand } from '../../inference/operands.ts'
import { encodeKv } from '../leaves.ts'
import type { StepView } from './view.ts'

/** `kv` (TRC-3): h[l] -> keys and values of one group. */
export function kvStep(view: StepView): Uint8Array {
  const { layer, group, position } = view.ref
  return encodeKv(kvOf(view.model, layer, group, position, attentionOperand(view.model, layer, view.h(layer))))
}
