import type { Params } from '@nacre/protocol'
import { DAY_MS } from '../units.ts'
import { changesOf, type Hardware, powerAt } from './hardware.ts'
import { Holdings } from './holdings.ts'
import type { FairLaunchValues } from './params.ts'
import type { Payouts } from './payouts.ts'

/** The insider's share and the inequality without chance. */
export interface MeanField {
  readonly holdings: Holdings
  readonly gini: number
}

/**
 * The launch without chance: block h comes at exactly h times the block time, whatever the power, and its coins go to the
 * insider and the public in proportion to their power at that time.
 */
export function meanField(params: Params, values: FairLaunchValues, hardware: Hardware, payouts: Payouts): MeanField {
  const endMs = values.horizonDays * DAY_MS
  const holdings = new Holdings(params, hardware.cohorts.length, endMs)
  const changes = changesOf(hardware)
  /** Coins that one unit of public hardware has earned since the launch, and what it was when each cohort joined. */
  let perHardware = 0
  const before: number[] = []
  let at = -1
  let insiderPart = 1
  let publicHardware = 0
  for (let height = 1; height * params.block.timeMs <= endMs; height++) {
    const timeMs = height * params.block.timeMs
    while (at + 1 < changes.length && changes[at + 1]! <= timeMs) {
      at++
      const power = powerAt(hardware, changes[at]!)
      insiderPart = power.insider / (power.insider + power.public)
      while (before.length < hardware.cohorts.length && hardware.cohorts[before.length]!.joinMs <= timeMs) {
        publicHardware += hardware.cohorts[before.length]!.hardware
        before.push(perHardware)
      }
    }
    const payout = payouts.at(height)
    holdings.advanceTo(timeMs)
    holdings.add(height, payout.team + payout.miner * insiderPart)
    if (publicHardware > 0) perHardware += (payout.miner * (1 - insiderPart)) / publicHardware
  }
  hardware.cohorts.forEach((cohort, i) => {
    holdings.addCohort(i, cohort.hardware * (perHardware - (before[i] ?? perHardware)))
  })
  return { holdings, gini: holdings.gini(hardware) }
}
