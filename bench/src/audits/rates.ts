/** AUD-2 as the ledger computes it, for a miner with a given record. */
import {
  auditRatePpm,
  isAudited,
  type Params,
  ROLE_MINER,
  StateDraft,
  verifierRatePpm,
  writeRegistration,
  writeUnitCounts,
} from '@nacre/protocol'
import { seedOf } from './seeds.ts'

/** A miner's record when a unit of its is delivered. */
export interface MinerRecord {
  /** Units that have ended without fraud. */
  readonly matured: number
  /** Units at stake, without this one. */
  readonly atStake: number
}

const MINER = new Uint8Array(32).fill(1)

/** The part of the miner's units that all verifiers together audit, 0 to 1. */
export function auditRate(params: Params, record: MinerRecord): number {
  const draft = new StateDraft({ get: () => undefined })
  writeRegistration(draft, ROLE_MINER, MINER, {
    bond: params.bonds.minerGrains,
    registeredHeight: 1,
    unbondingHeight: 0,
  })
  writeUnitCounts(draft, MINER, record)
  return auditRatePpm(params, draft, MINER) / 1e6
}

/** Secrets of the verifiers that a miner has against it. */
export const secretsOf = (purpose: string, verifiers: number): readonly Uint8Array[] =>
  Array.from({ length: verifiers }, (_, v) => seedOf(`${purpose}/secret`, v))

/** The verifiers, by their secrets, that audit a unit at this rate (AUD-1). @param ppm of each, by `verifierRatePpm`. */
export function auditors(secrets: readonly Uint8Array[], unitId: Uint8Array, ppm: number): number[] {
  return secrets.flatMap((secret, v) => (isAudited(secret, unitId, ppm) ? [v] : []))
}

export const ppmOf = (rate: number, verifiers: number): number => verifierRatePpm(Math.round(rate * 1e6), verifiers)

/** Chance that one of `verifiers` finds a unit at this rate, when an audit of it finds with chance `found`: they choose independently. */
export function unitChance(rate: number, verifiers: number, found: number): number {
  const each = ppmOf(rate, verifiers) / 1e6
  return 1 - (1 - each * found) ** verifiers
}

/** Chance that a miner is caught in none of units 1 to k. @param chance that unit k is found. */
export function survival(chance: (unit: number) => number): (k: number) => number {
  const left = [1]
  return (k) => {
    while (left.length <= k) left.push(left.at(-1)! * (1 - chance(left.length)))
    return left[k]!
  }
}
