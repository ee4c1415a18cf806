import type { StateChange } from '@nacre/protocol'

/** What the keys of job entries begin with; the id in hex follows. */
export const JOB_PREFIX = 'job/'

/** Ids (hex) of the jobs that a block's changes touched. */
export function jobsIn(changes: readonly StateChange[]): string[] {
  return changes.flatMap(({ key }) => (key.startsWith(JOB_PREFIX) ? [key.slice(JOB_PREFIX.length)] : []))
}
