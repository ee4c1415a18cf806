/**
 * When forging pays: p > C / (d (1 - rho^n) (R + S)). All amounts are in fees that a unit pays its miner (R = 1). C: cost of a unit that
 * forging saves. S: bond. A miner that is caught loses its bond and all that is immature of it.
 */
import type { Params } from '@nacre/protocol'
import { auditors, auditRate, ppmOf, secretsOf, unitChance } from './rates.ts'
import { seedOf } from './seeds.ts'
import { type Share, wilson } from './statistics.ts'

/** Chance that the k-th forged unit is audited. */
export type Policy = (k: number) => number

export const fixedRate =
  (rate: number): Policy =>
  () =>
    rate

/** AUD-2 for a miner whose record is clean and that has so many honest units at stake. */
export function adaptiveRate(params: Params, atStake: number): Policy {
  const known: number[] = []
  return (k) => {
    while (known.length < k) known.push(auditRate(params, { matured: 1000, atStake: atStake + known.length }))
    return known[k - 1]!
  }
}

export interface Forger {
  readonly policy: Policy
  readonly verifiers: number
  /** Chance that an audit finds a forged unit. */
  readonly chance: number
  /** C, in fees of a unit. */
  readonly saved: number
  /** Honest units at stake when it begins. */
  readonly atStake: number
  /** Units that it forges at most before the first of them matures. */
  readonly most: number
}

/** Chances that it is caught within k units, k from 1. */
function caughtWithin({ policy, verifiers, chance, most }: Forger): number[] {
  let left = 1
  return Array.from({ length: most }, (_, i) => {
    left *= 1 - unitChance(policy(i + 1), verifiers, chance)
    return 1 - left
  })
}

export interface BestRun {
  /** Forged units after which it stops, and what it gains over honest work by then, in fees; 0 units: it does not begin. */
  readonly units: number
  readonly gain: number
}

/** What a hit-and-run miner with this bond does, who knows all this. */
export function bestRun(forger: Forger, bond: number): BestRun {
  const { saved, atStake } = forger
  let best: BestRun = { units: 0, gain: 0 }
  caughtWithin(forger).forEach((caught, i) => {
    const units = i + 1
    const gain = units * saved - caught * (atStake + units + bond)
    if (gain > best.gain) best = { units, gain }
  })
  return best
}

/** The least bond, in fees of a unit, at which no number of forged units pays; 0 where none is needed. */
export function leastBond(forger: Forger): number {
  const { saved, atStake } = forger
  return caughtWithin(forger).reduce((least, caught, i) => {
    const units = i + 1
    return Math.max(least, caught === 0 ? Number.POSITIVE_INFINITY : (units * saved) / caught - atStake - units)
  }, 0)
}

export interface CollusionRow {
  readonly rate: number
  readonly verifiers: number
  /** Verifiers that say nothing, whatever they find. */
  readonly colluding: number
  /** Chance that an honest verifier audits a unit: by the rule, and as counted. */
  readonly theory: number
  readonly counted: Share
  /** Proof of sampling: rate (1 - rho^n) with n verifiers for each audited unit, n as many as there are on the average. */
  readonly bound: number
}

/** Audits by honest verifiers, through the protocol's selection. */
export function collusion(rate: number, verifiers: number, colluding: number, units: number): CollusionRow {
  const ppm = ppmOf(rate, verifiers)
  const secrets = secretsOf(`collusion/${rate}`, verifiers)
  let audited = 0
  for (let i = 0; i < units; i++)
    if (auditors(secrets, seedOf(`collusion/${rate}/unit`, i), ppm).some((v) => v >= colluding)) audited++
  const each = ppm / 1e6
  const perAudited = (verifiers * each) / (1 - (1 - each) ** verifiers)
  return {
    ...{ rate, verifiers, colluding },
    theory: 1 - (1 - each) ** (verifiers - colluding),
    counted: wilson(audited, units),
    bound: rate * (1 - (colluding / verifiers) ** perAudited),
  }
}
