/** AUD-3: a miner whose unit nobody opens is asked on the chain. */
import type { AccountAgent, FullNode } from '@nacre/node'
import {
  type AuditedUnit,
  challengeBond,
  deliveryId,
  equalBytes,
  FIXED_STEPS,
  isSameStep,
  lastChallengeHeight,
  MAX_UNIT_CHALLENGES,
  readAuditedUnit,
  readChallenges,
  type StateReader,
  type StepRef,
} from '@nacre/protocol'

/** A unit whose steps are wanted and have not been opened. */
export interface UnopenedUnit {
  /** Hex. */
  readonly job: string
  readonly jobId: Uint8Array
  readonly unit: AuditedUnit
  /** Of an audit: the fixed ones first. */
  readonly steps: readonly StepRef[]
}

/** One step after the other, each once the last one has been answered, as often as one challenger may. */
export function challengeUnit(
  { chain, context, log }: Pick<FullNode, 'chain' | 'context' | 'log'>,
  agent: AccountAgent,
  { job, jobId, unit, steps }: UnopenedUnit,
): void {
  const { params } = context
  const { publicKey } = agent.keys
  const last = lastChallengeHeight(params, unit)
  const all = readChallenges(chain.reader, jobId)
  const own = all.filter(({ challenger }) => equalBytes(challenger, publicKey))
  if (chain.tip.header.height >= last || all.some(({ dueHeight }) => dueHeight > 0)) return
  if (own.length >= params.audits.maxChallengesPerUnit || all.length >= MAX_UNIT_CHALLENGES) return
  const drawn = steps.slice(FIXED_STEPS.length)
  const ref = drawn.find((step) => !all.some((each) => isSameStep(each.ref, step)))
  const bond = challengeBond(params, unit)
  if (ref === undefined) return
  if (agent.spendable() < bond + params.fees.minTransactionGrains) {
    log.warn({ event: 'challenge_unaffordable', jobId: job, bondGrains: bond.toString() })
    return
  }
  agent.want({
    key: `challenge/${job}/${own.length}`,
    body: { kind: 'challenge', jobId, ref, bond },
    isOver: (state, tip) =>
      isMoot(state, jobId, unit) ||
      tip.header.height >= last ||
      readChallenges(state, jobId).some((each) => isSameStep(each.ref, ref)),
  })
}

/** Whether nothing more can be said about a unit: it has ended, is condemned, or the branch has another one in its place. */
export function isMoot(reader: StateReader, jobId: Uint8Array, unit: AuditedUnit): boolean {
  const now = readAuditedUnit(reader, jobId)
  return now === undefined || now.isCondemned || !isSameDelivery(now, unit)
}

/** Whether two units are one, delivered by one receipt in the same block or one of the same height. */
export const isSameDelivery = (a: AuditedUnit, b: AuditedUnit): boolean => equalBytes(deliveryId(a), deliveryId(b))
