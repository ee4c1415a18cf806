import { check } from '../errors.ts'
import type { ModelDims } from '../model/types.ts'
import type { UnitTask } from './types.ts'

/** Highest temperature, in thousandths (MOD-5). */
export const MAX_TEMPERATURE_MILLI = 65_535

/** P + maxNewTokens - 1 positions are fed at most: the last token is never fed (TRC-1). */
export function maxPositions(task: UnitTask): number {
  return task.promptTokens.length + task.maxNewTokens - 1
}

/**
 * Whether `model` can execute `task` at all. Throws UNIT_PROMPT (empty prompt, or a token outside the vocabulary) or
 * UNIT_SHAPE (lengths beyond the model's positions, temperature or seed out of bounds).
 */
export function checkTask(dims: ModelDims, task: UnitTask): void {
  const { promptTokens, maxNewTokens, decoding } = task
  check(promptTokens.length >= 1, 'UNIT_PROMPT', 'the prompt is empty')
  check(
    Number.isSafeInteger(maxNewTokens) && maxNewTokens >= 1,
    'UNIT_SHAPE',
    `${maxNewTokens} new tokens, at least 1 is needed`,
  )
  check(
    maxPositions(task) <= dims.maxSeqLen,
    'UNIT_SHAPE',
    `${maxPositions(task)} positions, the model has ${dims.maxSeqLen}`,
  )
  for (const token of promptTokens) check(isToken(dims, token), 'UNIT_PROMPT', `token ${token} of ${dims.vocabSize}`)
  const { temperatureMilli, seed } = decoding
  check(
    Number.isInteger(temperatureMilli) && temperatureMilli >= 0 && temperatureMilli <= MAX_TEMPERATURE_MILLI,
    'UNIT_SHAPE',
    `temperature ${temperatureMilli} / 1000`,
  )
  check(seed.length === 32, 'UNIT_SHAPE', `the decoding seed has ${seed.length} bytes, not 32`)
}

export function isToken(dims: ModelDims, token: number): boolean {
  return Number.isInteger(token) && token >= 0 && token < dims.vocabSize
}
