import type { Model } from '../model/types.ts'
import type { Trace } from '../trace/types.ts'
import type { UnitTask } from '../unit/types.ts'
import { checkChosenToken, claimedTrace } from './claimed-trace.ts'
import { forwardPosition } from './forward.ts'
import { nextToken } from './next-token.ts'

/**
 * Re-executes a unit in one pass over its prompt and committed tokens (BLK-4), all of which are known before the first
 * multiplication.
 * @param tokens P + G tokens, prompt first.
 * Throws what {@link claimedTrace} throws, and BLOCK_REPLAY_TOKENS when the model chose another token.
 */
export function replayUnit(model: Model, task: UnitTask, tokens: ArrayLike<number>): Trace {
  const { dModel, nLayers } = model.config
  const trace = claimedTrace(model, task, tokens)
  for (let position = 0; position < trace.tokens.length - 1; position++) {
    forwardPosition(model, trace, position)
    if (position < trace.shape.promptTokens - 1) continue
    const finalRow = trace.h[nLayers]!.subarray(position * dModel, (position + 1) * dModel)
    checkChosenToken(trace, position, nextToken(model, task.decoding, finalRow, position))
  }
  return trace
}
