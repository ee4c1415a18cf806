import type { Model } from '../model/types.ts'
import type { Trace } from '../trace/types.ts'
import { checkTask } from '../unit/task.ts'
import type { UnitTask } from '../unit/types.ts'
import { emptyTrace, forwardPosition, shortenTrace } from './forward.ts'
import { nextToken } from './next-token.ts'

/**
 * Executes a unit: the reference, position by position (MOD-6). Generation ends after `maxNewTokens`, or with the
 * end-of-sequence token when the task stops there; that token belongs to the trace.
 * Throws UNIT_PROMPT or UNIT_SHAPE for a task the model cannot execute.
 */
export function executeUnit(model: Model, task: UnitTask): Trace {
  const dims = model.config
  checkTask(dims, task)
  const { maxNewTokens, decoding } = task
  const promptTokens = task.promptTokens.length
  const trace = emptyTrace({ promptTokens, newTokens: maxNewTokens, dims })
  trace.tokens.set(task.promptTokens)
  for (let position = 0; position < promptTokens + maxNewTokens - 1; position++) {
    forwardPosition(model, trace, position)
    if (position < promptTokens - 1) continue
    const finalRow = trace.h[dims.nLayers]!.subarray(position * dims.dModel, (position + 1) * dims.dModel)
    const token = nextToken(model, decoding, finalRow, position)
    trace.tokens[position + 1] = token
    const newTokens = position + 2 - promptTokens
    if (decoding.stopAtEos && token === model.config.eosToken && newTokens < maxNewTokens)
      return shortenTrace(trace, newTokens)
  }
  return trace
}
