import { nextToken } from '../../inference/next-token.ts'
import { encodeTokens } from '../leaves.ts'
import type { StepView } from './view.ts'

/** `head` (TRC-3): h[nLayers] -> the next token. */
export function headStep(view: StepView): Uint8Array {
  const { model, task, ref, shape } = view
  return encodeTokens([nextToken(model, task.decoding, view.h(shape.dims.nLayers), ref.position)])
}
