import type { Params } from '@nacre/protocol'
import { UsageError } from '../../errors.ts'
import type { ParamsOf } from '../types.ts'
import { checkDuration, DAY_MS } from '../units.ts'

export type FairLaunchValues = {
  readonly kernelFactor: number
  readonly headStartDays: number
  readonly insiderShare: number
  readonly publicStart: number
  readonly doublingDays: number
  readonly leakDays: number
  readonly horizonDays: number
  readonly propagationMs: number
  readonly genesisEase: number
  readonly coinbase: string
}

export const FAIR_LAUNCH_PARAMS: ParamsOf<FairLaunchValues> = {
  kernelFactor: {
    kind: 'number',
    default: 10,
    unit: 'times',
    min: 1,
    max: 1000,
    doc: 'speed of the insider kernel, as a multiple of the public one',
  },
  headStartDays: {
    kind: 'number',
    default: 7,
    unit: 'days',
    min: 0,
    max: 3650,
    doc: 'time from the first block on during which the insider mines alone',
  },
  insiderShare: {
    kind: 'number',
    default: 0.001,
    unit: 'of final hardware',
    min: 0.000001,
    max: 0.9,
    doc: "the insider's hardware, constant; the public ends with the rest",
  },
  publicStart: {
    kind: 'number',
    default: 0.01,
    unit: 'of final hardware',
    min: 0.000001,
    max: 0.999999,
    doc: "the public's hardware when it starts",
  },
  doublingDays: {
    kind: 'number',
    default: 7,
    unit: 'days',
    min: 0.1,
    max: 3650,
    doc: "time in which the public's hardware doubles, until it is final",
  },
  leakDays: {
    kind: 'number',
    default: 30,
    unit: 'days',
    min: 0,
    max: 3650,
    doc: "time from the public's start until everybody has the insider's kernel",
  },
  horizonDays: { kind: 'number', default: 365, unit: 'days', min: 1, max: 3650, doc: 'length of the run' },
  propagationMs: {
    kind: 'integer',
    default: 2000,
    unit: 'ms',
    min: 0,
    max: 600_000,
    doc: 'time until a block reaches the other miners',
  },
  genesisEase: {
    kind: 'number',
    default: 1,
    unit: 'times',
    min: 0.001,
    max: 1000,
    doc: 'how many times too easy the first target is for the first miners',
  },
  coinbase: {
    kind: 'choice',
    default: 'whole',
    choices: ['whole', 'split'],
    doc: 'whole: all but the team share goes to the miner; split: ECO-3 of a bootstrap block',
  },
}

/** Throws UsageError for contradictions. */
export function checkFairLaunch(params: Params, values: FairLaunchValues): void {
  if (values.headStartDays >= values.horizonDays)
    throw new UsageError(
      `headStartDays=${values.headStartDays} is not before the end at horizonDays=${values.horizonDays}`,
    )
  if (values.publicStart > 1 - values.insiderShare)
    throw new UsageError(
      `publicStart=${values.publicStart} and insiderShare=${values.insiderShare} are more than all hardware`,
    )
  checkDuration(params, values.horizonDays * DAY_MS, `horizonDays=${values.horizonDays}`)
}
