import { check } from '../errors.ts'
import type { Model } from '../model/types.ts'
import type { Trace } from '../trace/types.ts'
import { endsByRule } from '../unit/length-rule.ts'
import { checkTask, isToken } from '../unit/task.ts'
import type { UnitTask } from '../unit/types.ts'
import { emptyTrace } from './forward.ts'

/**
 * What a re-execution starts from (BLK-4): a trace that holds the committed tokens and nothing else, once everything is
 * checked that needs no multiplication.
 * @param tokens P + G tokens, prompt first.
 * Throws UNIT_PROMPT or UNIT_SHAPE for a task the model cannot execute; BLOCK_TOKENS for a token outside the vocabulary;
 * BLOCK_REPLAY_TOKENS when the prompt is another or the length breaks the rule of MOD-5.
 */
export function claimedTrace(model: Model, task: UnitTask, tokens: ArrayLike<number>): Trace {
  const dims = model.config
  checkTask(dims, task)
  const most = task.promptTokens.length + task.maxNewTokens
  check(tokens.length <= most, 'BLOCK_REPLAY_TOKENS', `${tokens.length} tokens, the task has at most ${most}`)
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
    endsByRule(task, dims.eosToken, list.slice(promptTokens)),
    'BLOCK_REPLAY_TOKENS',
    `${newTokens} generated tokens do not end by the rule`,
  )
  const trace = emptyTrace({ promptTokens, newTokens, dims })
  trace.tokens.set(list)
  return trace
}

/** BLK-4: the token that the model chooses after `position` is the committed one. Throws BLOCK_REPLAY_TOKENS. */
export function checkChosenToken(trace: Trace, position: number, chosen: number): void {
  const claimed = trace.tokens[position + 1]!
  check(chosen === claimed, 'BLOCK_REPLAY_TOKENS', `token ${claimed} at ${position + 1}, the model chose ${chosen}`)
}
