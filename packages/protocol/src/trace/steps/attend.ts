import { attendGroup } from '../../inference/attend-group.ts'
import { attentionOperand } from '../../inference/operands.ts'
import { encodeO } from '../leaves.ts'
import type { StepView } from './view.ts'

/** `attend` (TRC-3): h[l] and the group's keys and values 0..i -> attention output operand. */
export function attendStep(view: StepView): Uint8Array {
  const { layer, group, position } = view.ref
  const a = attentionOperand(view.model, layer, view.h(layer))
  const rows = Array.from({ length: position + 1 }, (_, j) => view.kv(j))
  return encodeO(attendGroup(view.model, layer, group, position, a, rows))
}
