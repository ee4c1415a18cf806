import type { Params } from '@nacre/protocol'
import { UsageError } from '../../errors.ts'
import type { ParamsOf } from '../types.ts'
import { checkDuration, HOUR_MS } from '../units.ts'

export type DifficultyValues = {
  readonly stepFactor: number
  readonly phaseHours: number
  readonly tolerancePercent: number
  readonly hopHours: number
  readonly hopperFactor: number
  readonly enterBelow: number
  readonly leaveAbove: number
  readonly propagationMs: number
}

export const DIFFICULTY_PARAMS: ParamsOf<DifficultyValues> = {
  stepFactor: {
    kind: 'number',
    default: 10,
    unit: 'times',
    min: 1.1,
    max: 1000,
    doc: 'the hash rate rises by this factor, and later falls by it',
  },
  phaseHours: {
    kind: 'number',
    default: 96,
    unit: 'hours',
    min: 1,
    max: 87_600,
    doc: 'length of each phase: steady, raised, lowered',
  },
  tolerancePercent: {
    kind: 'number',
    default: 10,
    unit: '%',
    min: 1,
    max: 100,
    doc: 'a step has been recovered from once the expected block time is this close to its target',
  },
  hopHours: {
    kind: 'number',
    default: 336,
    unit: 'hours',
    min: 1,
    max: 87_600,
    doc: 'length of the run with hopping miners, which begins on schedule',
  },
  hopperFactor: {
    kind: 'number',
    default: 4,
    unit: 'times',
    min: 0.01,
    max: 1000,
    doc: 'hash rate of the hoppers over that of the honest miners',
  },
  enterBelow: {
    kind: 'number',
    default: 1.05,
    unit: 'times',
    min: 0.01,
    max: 1000,
    doc: 'hoppers come when difficulty is below this multiple of what suits the honest miners alone',
  },
  leaveAbove: {
    kind: 'number',
    default: 1.25,
    unit: 'times',
    min: 0.01,
    max: 1000,
    doc: 'and leave when it is above this multiple',
  },
  propagationMs: {
    kind: 'integer',
    default: 0,
    unit: 'ms',
    min: 0,
    max: 600_000,
    doc: 'time until a block reaches the other miners',
  },
}

/** Throws UsageError for contradictions. */
export function checkDifficulty(params: Params, values: DifficultyValues): void {
  if (values.enterBelow > values.leaveAbove)
    throw new UsageError(`enterBelow=${values.enterBelow} is above leaveAbove=${values.leaveAbove}`)
  const { phaseHours, hopHours, stepFactor, hopperFactor } = values
  // The raised phase may run stepFactor times too fast until difficulty has followed; a slow rule may need all of it.
  checkDuration(params, phaseHours * HOUR_MS * (2 + stepFactor), `phaseHours=${phaseHours}, stepFactor=${stepFactor}`)
  checkDuration(params, hopHours * HOUR_MS * (1 + hopperFactor), `hopHours=${hopHours}, hopperFactor=${hopperFactor}`)
}
