/** The supply schedule of a parameter set: what exists when, and what of it belongs to a team. */
import { cumulativeEmission, MAX_HEIGHT, type Params, partOf } from '@nacre/protocol'
import { DAY_MS, percentOf } from './format.ts'

export const YEAR_DAYS = 365

/** The times since the launch at which the schedule is read. */
export const HORIZONS: readonly { readonly label: string; readonly days: number }[] = [
  { label: '1 day', days: 1 },
  { label: '1 week', days: 7 },
  { label: '30 days', days: 30 },
  { label: '91 days', days: 91 },
  { label: '1 year', days: YEAR_DAYS },
  { label: '4 years', days: 4 * YEAR_DAYS },
]

export interface SupplyRow {
  readonly label: string
  readonly days: number
  readonly height: number
  readonly emittedGrains: bigint
  /** Of `emission.supplyGrains`. */
  readonly percent: number
  /** The same parameters without the ramp. */
  readonly percentWithoutRamp: number
}

/** Grains of one origin, and their part of the supply after a year and in the end. */
export interface Allocation {
  readonly grains: bigint
  readonly percentOfFirstYear: number
  readonly percentOfFinal: number
}

export interface SupplyAudit {
  /** Premine, faucet and emission after one year. */
  readonly firstYearGrains: bigint
  /** Premine, faucet and `emission.supplyGrains`; a tail comes on top, without end. */
  readonly finalGrains: bigint
  readonly premine: Allocation
  readonly faucet: Allocation
  readonly teamSharePpm: number
  /** Team share of the subsidies of one year. */
  readonly teamFirstYear: Allocation
  /** Team share of all subsidies but a tail's. */
  readonly teamFinal: Allocation
  readonly rows: readonly SupplyRow[]
  /** First height at which half of `emission.supplyGrains` is emitted, and its time; absent if there is none. */
  readonly half: { readonly height: number; readonly days: number } | undefined
}

/** Height after `days` of blocks on schedule; the ledger ends at MAX_HEIGHT. */
export function heightAfter(params: Params, days: number): number {
  return Math.min(MAX_HEIGHT, Math.floor((days * DAY_MS) / params.block.timeMs))
}

/** Emission in percent of `emission.supplyGrains` after `days` of blocks on schedule. */
export function emittedPercent(params: Params, days: number): number {
  return percentOf(cumulativeEmission(params, heightAfter(params, days)), params.emission.supplyGrains)
}

/** Emission of the first `blocks` blocks in grains; a part of a block counts as none. */
export function emittedAfterBlocks(params: Params, blocks: number): number {
  return Number(cumulativeEmission(params, Math.min(MAX_HEIGHT, Math.max(0, Math.floor(blocks)))))
}

export function withoutRamp(params: Params): Params {
  return { ...params, emission: { ...params.emission, ramp: 'none' } }
}

/** The supply schedule: blocks on schedule from the launch on. */
export function auditSupply(params: Params): SupplyAudit {
  const { emission } = params
  const created = emission.premineGrains + emission.faucetGrains
  const firstYear = cumulativeEmission(params, heightAfter(params, YEAR_DAYS))
  const firstYearGrains = created + firstYear
  const finalGrains = created + emission.supplyGrains
  const allocation = (grains: bigint): Allocation => ({
    grains,
    percentOfFirstYear: percentOf(grains, firstYearGrains),
    percentOfFinal: percentOf(grains, finalGrains),
  })
  return {
    firstYearGrains,
    finalGrains,
    premine: allocation(emission.premineGrains),
    faucet: allocation(emission.faucetGrains),
    teamSharePpm: emission.teamSharePpm,
    // Rounded once, not per block: up to one grain per block more than the ledger pays.
    teamFirstYear: allocation(partOf(firstYear, emission.teamSharePpm)),
    teamFinal: allocation(partOf(emission.supplyGrains, emission.teamSharePpm)),
    rows: HORIZONS.map(({ label, days }) => {
      const height = heightAfter(params, days)
      return {
        label,
        days,
        height,
        emittedGrains: cumulativeEmission(params, height),
        percent: emittedPercent(params, days),
        percentWithoutRamp: emittedPercent(withoutRamp(params), days),
      }
    }),
    half: halfTime(params),
  }
}

function halfTime(params: Params): SupplyAudit['half'] {
  const isReached = (height: number): boolean => 2n * cumulativeEmission(params, height) >= params.emission.supplyGrains
  if (!isReached(MAX_HEIGHT)) return undefined
  let low = 0
  let high = MAX_HEIGHT
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (isReached(middle)) high = middle
    else low = middle
  }
  return { height: high, days: (high * params.block.timeMs) / DAY_MS }
}
