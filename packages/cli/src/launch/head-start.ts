/**
 * What an insider with a faster kernel and a head start would own: a mean-field model of the launch.
 *
 * Hardware is counted in parts of the final hardware, which is 1. The insider holds `insiderShare` from the first allowed
 * block on, the public nothing during the head start, then `publicStart`, doubling every `doublingDays` (continuously)
 * until it has the rest. The insider's kernel is k times as fast until `leakDays` after the public's start; from then on
 * everybody has it. The difficulty follows at once, so blocks come on schedule, and each block's subsidy is divided in
 * proportion to speed. There is no chance, no fork and no lag of the difficulty.
 */
import { cumulativeEmission, type Params } from '@nacre/protocol'
import { DAY_MS } from './format.ts'
import { auditSupply, heightAfter, withoutRamp, YEAR_DAYS } from './supply.ts'

/** Hardware as parts of the final hardware, times in days. */
export interface HeadStartModel {
  readonly insiderShare: number
  readonly publicStart: number
  readonly doublingDays: number
  readonly leakDays: number
  readonly horizonDays: number
}

export const HEAD_START_MODEL: HeadStartModel = {
  insiderShare: 0.001,
  publicStart: 0.01,
  doublingDays: 7,
  leakDays: 30,
  horizonDays: YEAR_DAYS,
}

export const KERNEL_FACTORS = [2, 5, 10, 20, 50] as const
export const HEAD_START_DAYS = [1, 3, 7, 14, 30] as const
/** The case that findings and comparisons use. */
export const REFERENCE_CASE = { kernelFactor: 10, headStartDays: 7 } as const

/** Emission is divided hour by hour, by the speeds in the middle of the hour. */
const STEPS_PER_DAY = 24

export interface HeadStartAudit {
  readonly model: HeadStartModel
  readonly kernelFactors: readonly number[]
  readonly headStartDays: readonly number[]
  /**
   * The insider's part of the supply after one year in percent, by kernel factor and then head start. Premine and team
   * share are counted as the insider's. Every part of a subsidy but the team share goes to the block's finder.
   */
  readonly percent: readonly (readonly number[])[]
  readonly reference: {
    readonly kernelFactor: number
    readonly headStartDays: number
    readonly percent: number
    /** Absent where there is no ramp. */
    readonly percentWithoutRamp: number | undefined
    /** The insider's part of what coinbases paid to miners in the first year; absent for more blocks than are followed. */
    readonly percentOfPaid: number | undefined
  }
}

/** The insider's part of all speed, `days` after the launch. */
export function insiderPart(kernelFactor: number, headStartDays: number, days: number): number {
  const { insiderShare, publicStart, doublingDays, leakDays } = HEAD_START_MODEL
  const sinceStart = days - headStartDays
  if (sinceStart < 0) return 1
  const publicHardware = Math.min(1 - insiderShare, publicStart * 2 ** (sinceStart / doublingDays))
  const advantage = sinceStart < leakDays ? kernelFactor : 1
  return (insiderShare * advantage) / (insiderShare * advantage + publicHardware)
}

/** Subsidies of each hour of the first year, in grains: blocks on schedule. */
export function hourlyEmission(params: Params): Float64Array {
  const steps = new Float64Array(HEAD_START_MODEL.horizonDays * STEPS_PER_DAY)
  let before = 0n
  for (let step = 0; step < steps.length; step++) {
    const after = cumulativeEmission(params, heightAfter(params, (step + 1) / STEPS_PER_DAY))
    steps[step] = Number(after - before)
    before = after
  }
  return steps
}

/** The insider's grains of {@link hourlyEmission}, hour by hour and summed up. */
export function insiderCurve(hourly: Float64Array, kernelFactor: number, headStartDays: number): Float64Array {
  let mined = 0
  return hourly.map((grains, step) => {
    mined += grains * insiderPart(kernelFactor, headStartDays, (step + 0.5) / STEPS_PER_DAY)
    return mined
  })
}

/** The insider's part of the supply after one year in percent, as a function of kernel factor and head start. */
export function headStartShare(params: Params): (kernelFactor: number, headStartDays: number) => number {
  const hourly = hourlyEmission(params)
  const supply = auditSupply(params)
  const premine = Number(supply.premine.grains)
  const team = params.emission.teamSharePpm / 1_000_000
  const total = Number(supply.firstYearGrains)
  return (kernelFactor, headStartDays) => {
    if (total === 0) return 0
    const mined = insiderCurve(hourly, kernelFactor, headStartDays).at(-1)!
    return (100 * (premine + Number(supply.teamFirstYear.grains) + mined * (1 - team))) / total
  }
}

/** `minerPaid`: what the miner of block i + 1 gets. */
export function auditHeadStart(params: Params, minerPaid: Float64Array): HeadStartAudit {
  const share = headStartShare(params)
  const { kernelFactor, headStartDays } = REFERENCE_CASE
  return {
    model: HEAD_START_MODEL,
    kernelFactors: KERNEL_FACTORS,
    headStartDays: HEAD_START_DAYS,
    percent: KERNEL_FACTORS.map((factor) => HEAD_START_DAYS.map((days) => share(factor, days))),
    reference: {
      kernelFactor,
      headStartDays,
      percent: share(kernelFactor, headStartDays),
      percentWithoutRamp:
        params.emission.ramp === 'none' ? undefined : headStartShare(withoutRamp(params))(kernelFactor, headStartDays),
      percentOfPaid: paidPercent(params, minerPaid),
    },
  }
}

function paidPercent(params: Params, minerPaid: Float64Array): number | undefined {
  const blocks = heightAfter(params, HEAD_START_MODEL.horizonDays)
  if (blocks === 0 || blocks > minerPaid.length) return undefined
  const { kernelFactor, headStartDays } = REFERENCE_CASE
  let insider = 0
  let all = 0
  for (let height = 1; height <= blocks; height++) {
    const paid = minerPaid[height - 1]!
    all += paid
    insider += paid * insiderPart(kernelFactor, headStartDays, (height * params.block.timeMs) / DAY_MS)
  }
  return all === 0 ? 0 : (100 * insider) / all
}
