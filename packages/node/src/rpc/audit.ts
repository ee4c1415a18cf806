/** What the RPC tells about the audits of delivered units (AUD-3 to AUD-5). */
import {
  hexToBytes,
  readAuditedUnit,
  readChallenges,
  readSuspicion,
  readVerdicts,
  type StateChange,
  type StateReader,
} from '@nacre/protocol'
import type { FullNode } from '../node.ts'
import type { JobAuditView } from '../rpc-client/job-view.ts'

/** What the keys of audits begin with; the job's id in hex follows. */
const PREFIXES = ['audit/', 'verdicts/', 'challenges/'] as const

/** The audits of a delivered unit, as a state has them: undefined where it has nothing of the unit. */
export function auditView(reader: StateReader, jobId: Uint8Array): JobAuditView | undefined {
  const unit = readAuditedUnit(reader, jobId)
  if (unit === undefined) return undefined
  const challenges = readChallenges(reader, jobId)
  const suspicion = readSuspicion(reader, jobId)
  return {
    ratePpm: unit.ratePpm,
    verdicts: readVerdicts(reader, jobId).length,
    challenges: challenges.length,
    openChallenges: challenges.filter(({ dueHeight }) => dueHeight > 0).length,
    isCondemned: unit.isCondemned,
    ...(suspicion === undefined || unit.isCondemned
      ? {}
      : { plant: suspicion.honestRoot === undefined ? 'suspected' : 'revealed' }),
    ...(unit.endHeight === 0 ? {} : { endHeight: unit.endHeight }),
  }
}

/** The state before the changes of one block, as far as it changed. */
export const beforeChanges = (changes: readonly StateChange[]): StateReader => ({
  get: (key) => changes.find((change) => change.key === key)?.before,
})
/** The state after the changes of one block, as far as it changed. */
export const afterChanges = (changes: readonly StateChange[]): StateReader => ({
  get: (key) => changes.find((change) => change.key === key)?.after,
})

/** The events `audit` of a change of the tip: units about which there is a verdict, a challenge or a condemnation, each once. */
export function auditEvents(
  { chain }: FullNode,
  changes: readonly StateChange[],
  most: number,
): readonly (JobAuditView & { readonly jobId: string })[] {
  const ids = changes.flatMap(({ key }) => {
    const prefix = PREFIXES.find((each) => key.startsWith(each))
    return prefix === undefined ? [] : [key.slice(prefix.length)]
  })
  return [...new Set(ids)].slice(0, most).flatMap((jobId) => {
    const view = auditView(chain.reader, hexToBytes(jobId))
    const isQuiet = view === undefined || (view.verdicts === 0 && view.challenges === 0 && !view.isCondemned)
    return isQuiet ? [] : [{ jobId, ...view }]
  })
}
