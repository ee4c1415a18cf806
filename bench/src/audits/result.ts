/** The document that `npm run measure:audits` leaves: plain data, written as JSON, and all that the report is made of. */
import type { Machine } from '../machine.ts'
import type { CheaterRow } from './cheaters.ts'
import type { CostResult } from './cost.ts'
import type { CampaignRow, DetectionRow } from './detection.ts'
import type { BestRun, CollusionRow } from './deterrence.ts'
import type { HonestResult } from './honest.ts'
import type { StepSelection, UnitSelection } from './selection.ts'

export interface BondRow {
  readonly cheat: string
  /** Chance that an audit finds it. */
  readonly chance: number
  /** In fees of a unit, by policy. */
  readonly bonds: readonly number[]
}

export interface RunRow {
  readonly bond: number
  /** By policy. */
  readonly runs: readonly BestRun[]
}

export interface Deterrence {
  readonly saved: number
  readonly most: number
  readonly policies: readonly string[]
  readonly bonds: readonly BondRow[]
  readonly runs: readonly RunRow[]
  readonly runChance: number
  readonly collusion: readonly CollusionRow[]
  /** The bond of the preset and the fee of this unit at a price, in grains. */
  readonly bondGrains: string
  readonly feeGrains: string
  readonly priceGrains: string
}

export interface AuditResult {
  readonly format: 'nacre-audits/1'
  readonly date: string
  readonly quick: boolean
  readonly seconds: number
  readonly machine: Machine
  /** Cores that other processes kept busy; absent where that is not known. */
  readonly othersBusy?: number
  readonly model: string
  readonly preset: string
  readonly kernels: string
  readonly steps: number
  readonly verifiers: number
  readonly cost: CostResult
  /** Units that are forged for each row, and audits of each of them. */
  readonly forgedUnits: number
  readonly audits: number
  readonly detection: readonly DetectionRow[]
  readonly campaignMiners: number
  readonly campaigns: readonly CampaignRow[]
  readonly honest: HonestResult
  readonly cheaters: readonly CheaterRow[]
  readonly unitSelection: readonly UnitSelection[]
  readonly stepSelection: readonly StepSelection[]
  readonly deterrence: Deterrence
}
