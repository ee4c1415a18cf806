import type { UnitTask } from './types.ts'

/**
 * Whether generated tokens end where MOD-5 says: exactly `maxNewTokens` of them, or, when the task stops at end of
 * sequence, with the first such token. In either case no token follows an end of sequence that stops.
 */
export function endsByRule(task: UnitTask, eosToken: number, generated: ArrayLike<number>): boolean {
  const length = generated.length
  if (length < 1 || length > task.maxNewTokens) return false
  if (!task.decoding.stopAtEos) return length === task.maxNewTokens
  for (let i = 0; i < length - 1; i++) if (generated[i] === eosToken) return false
  return length === task.maxNewTokens || generated[length - 1] === eosToken
}
