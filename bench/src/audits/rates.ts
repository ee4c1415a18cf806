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

/** Whether one of `verifiers`, whose secrets belong to `purpose`, audits a unit at this rate (AUD-1). */
export function auditors(purpose: string, unit: number, rate: number, verifiers: number): number[] {
  const ppm = verifierRatePpm(Math.round(rate * 1e6), verifiers)
  const unitId = seedOf(`${purpose}/unit`, unit)
  return Array.from({ length: verifiers }, (_, v) => v).filter((v) => isAudited(secretOf(purpose, v), unitId, ppm))
}

export const secretOf = (purpose: string, verifier: number): Uint8Array => seedOf(`${purpose}/secret`, verifier)

/** Chance that one of `verifiers` finds a unit at this rate, when an audit of it finds with chance `found`: they choose independently. */
export function unitChance(rate: number, verifiers: number, found: number): number {
  const each = verifierRatePpm(Math.round(rate * 1e6), verifiers) / 1e6
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
