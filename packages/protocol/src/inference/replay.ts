import { check } from '../errors.ts'
import type { Model } from '../model/types.ts'
import type { Trace } from '../trace/types.ts'
import { endsByRule } from '../unit/length-rule.ts'
import { checkTask, isToken } from '../unit/task.ts'
import type { UnitTask } from '../unit/types.ts'
import { emptyTrace, forwardPosition } from './forward.ts'
import { nextToken } from './next-token.ts'

/**
 * Re-executes a unit in one pass over its prompt and committed tokens (BLK-4), all of which are known before the first
 * multiplication.
 * @param tokens P + G tokens, prompt first.
 * Throws UNIT_PROMPT or UNIT_SHAPE for a task the model cannot execute; BLOCK_TOKENS for a token outside the
 * vocabulary; BLOCK_REPLAY_TOKENS when the prompt is another, the length breaks the rule of MOD-5, or the model chose
 * another token.
 */
export function replayUnit(model: Model, task: UnitTask, tokens: ArrayLike<number>): Trace {
  const dims = model.config
  checkTask(dims, task)
  const list = Array.from(tokens)
  for (const token of list) check(isToken(dims, token), 'BLOCK_TOKENS', `token ${token} of ${dims.vocabSize}`)
  const promptTokens = task.promptTokens.length
  const newTokens = list.length - promptTokens
  check(
    task.promptTokens.every((token, i) => token === list[i]),
    'BLOCK_REPLAY_TOKENS',
    'the prompt is not the assigned one',
  )
  check(
    endsByRule(task, model.config.eosToken, list.slice(promptTokens)),
    'BLOCK_REPLAY_TOKENS',
    `${newTokens} generated tokens do not end by the rule`,
  )
  const trace = emptyTrace({ promptTokens, newTokens, dims })
  trace.tokens.set(list)
  for (let position = 0; position < list.length - 1; position++) {
    forwardPosition(model, trace, position)
    if (position < promptTokens - 1) continue
    const finalRow = trace.h[dims.nLayers]!.subarray(position * dims.dModel, (position + 1) * dims.dModel)
    const token = nextToken(model, task.decoding, finalRow, position)
    check(
      token === list[position + 1],
      'BLOCK_REPLAY_TOKENS',
      `token ${list[position + 1]} at ${position + 1}, the model chose ${token}`,
    )
  }
  return trace
}
