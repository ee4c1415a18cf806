import { encodeTokens } from '../leaves.ts'
import type { StepView } from './view.ts'

/** `input` (TRC-3): the prompt's tokens are the assigned ones. */
export function inputStep(view: StepView): Uint8Array {
  return encodeTokens(view.task.promptTokens)
}
