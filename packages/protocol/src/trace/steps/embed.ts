import { embedRow } from '../../inference/embed-row.ts'
import { encodeRow } from '../leaves.ts'
import type { StepView } from './view.ts'

/** `embed` (TRC-3): token -> h[0]. */
export function embedStep(view: StepView): Uint8Array {
  return encodeRow(embedRow(view.model, view.tokens()[view.ref.position]!))
}
