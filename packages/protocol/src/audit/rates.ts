/** AUD-2: how much of a miner's work is audited. Integers only. */
import { PPM } from '../emission/coinbase.ts'
import { readRegistration } from '../ledger/entries.ts'
import { ROLE_MINER } from '../ledger/keys.ts'
import type { StateReader } from '../ledger/state.ts'
import type { Params } from '../params/types.ts'
import { readUnitCounts } from './entries.ts'

const ONE = Number(PPM)

/**
 * Part of a miner's units that all verifiers together audit, in ppm: rateUnits over the units it has at stake, this one
 * included, at least the floor and at most all; all while fewer than newKeyUnits of its units have matured, and all without a
 * full, active bond.
 */
export function auditRatePpm(params: Params, reader: StateReader, minerKey: Uint8Array): number {
  const { rateUnits, rateFloorPpm, newKeyUnits } = params.audits
  const registration = readRegistration(reader, ROLE_MINER, minerKey)
  const hasFullBond = registration?.unbondingHeight === 0 && registration.bond >= params.bonds.minerGrains
  const { atStake, matured } = readUnitCounts(reader, minerKey)
  if (!hasFullBond || matured < newKeyUnits) return ONE
  const rate = Number((BigInt(rateUnits) * PPM) / BigInt(atStake + 1))
  return Math.min(ONE, Math.max(rateFloorPpm, rate))
}

/**
 * The rate of each of `verifiers` that choose independently: the least p in ppm with (1 - p)^verifiers <= 1 - rate, so that the
 * chance that somebody audits is the rate, and certainty stays certain. 0 without verifiers.
 */
export function verifierRatePpm(ratePpm: number, verifiers: number): number {
  if (verifiers === 0) return 0
  const most = BigInt(ONE - ratePpm) * PPM ** BigInt(verifiers - 1)
  let low = 0
  let high = ONE
  while (low < high) {
    const middle = (low + high) >>> 1
    if (BigInt(ONE - middle) ** BigInt(verifiers) <= most) high = middle
    else low = middle + 1
  }
  return low
}
