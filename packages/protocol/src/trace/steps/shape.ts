import { check } from '../../errors.ts'
import { endsByRule } from '../../unit/length-rule.ts'
import { encodeDimensions } from '../leaves.ts'
import type { StepView } from './view.ts'

/**
 * `shape` (TRC-3): the generated tokens end by the rule of MOD-5. That the dimensions fit the model and the task, and
 * that every sub-tree has the leaves they call for, `checkStep` has checked on the way, since this step opens all
 * sub-roots.
 */
export function shapeStep(view: StepView): Uint8Array {
  const { task, model, shape } = view
  const generated = view.tokens().slice(shape.promptTokens)
  check(
    endsByRule(task, model.config.eosToken, generated),
    'STEP_MISMATCH',
    `${generated.length} generated tokens do not end by the rule`,
  )
  return encodeDimensions(shape)
}
