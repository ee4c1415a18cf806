import { ffnRow } from '../../inference/ffn-row.ts'
import { encodeRow } from '../leaves.ts'
import type { StepView } from './view.ts'

/** `ffn` (TRC-3): x[l] -> h[l + 1]. */
export function ffnStep(view: StepView): Uint8Array {
  return encodeRow(ffnRow(view.model, view.ref.layer, view.x()))
}
