/** The steps of a unit in their one order (TRC-3). */
import { check } from '../errors.ts'
import { positionCount } from './subtrees.ts'
import { STEP_KINDS, type StepKind, type StepRef, type TraceShape } from './types.ts'

/** Consecutive steps that differ only in their position. */
export interface StepRun {
  readonly kind: StepKind
  readonly layer: number
  readonly group: number
  readonly firstPosition: number
  readonly count: number
}

/**
 * All steps: shape; input; embed by position; per layer kv by group and position, attend by group and position, proj by
 * position, ffn by position; head at the positions P - 1 .. P + G - 2 that generate.
 */
export function stepRuns(shape: TraceShape): readonly StepRun[] {
  const { nLayers, nKvHeads } = shape.dims
  const single = { layer: 0, group: 0, firstPosition: 0, count: 1 }
  const everywhere = { layer: 0, group: 0, firstPosition: 0, count: positionCount(shape) }
  const runs: StepRun[] = [
    { kind: 'shape', ...single },
    { kind: 'input', ...single },
    { kind: 'embed', ...everywhere },
  ]
  for (let layer = 0; layer < nLayers; layer++) {
    for (const kind of ['kv', 'attend'] as const)
      for (let group = 0; group < nKvHeads; group++) runs.push({ ...everywhere, kind, layer, group })
    for (const kind of ['proj', 'ffn'] as const) runs.push({ ...everywhere, kind, layer })
  }
  runs.push({ ...single, kind: 'head', firstPosition: shape.promptTokens - 1, count: shape.newTokens })
  return runs
}

export function stepCount(shape: TraceShape): number {
  return stepRuns(shape).reduce((sum, run) => sum + run.count, 0)
}

/** Step `index` of 0 .. stepCount - 1. Throws STEP_OUT_OF_RANGE. */
export function stepAt(shape: TraceShape, index: number): StepRef {
  let left = index
  for (const run of stepRuns(shape)) {
    if (Number.isInteger(left) && left >= 0 && left < run.count) return stepOfRun(run, left)
    left -= run.count
  }
  check(false, 'STEP_OUT_OF_RANGE', `there is no step ${index}`)
}

/** Whether two references name the same step. */
export function isSameStep(a: StepRef, b: StepRef): boolean {
  return a.kind === b.kind && a.layer === b.layer && a.group === b.group && a.position === b.position
}

export function stepOfRun(run: StepRun, offset: number): StepRef {
  return { kind: run.kind, layer: run.layer, group: run.group, position: run.firstPosition + offset }
}

/**
 * Throws STEP_OUT_OF_RANGE unless `ref` names a step of a unit of this shape; fields that its kind does not use are 0.
 */
export function checkStepRef(shape: TraceShape, ref: StepRef): void {
  const { nLayers, nKvHeads } = shape.dims
  check(STEP_KINDS.includes(ref.kind), 'STEP_OUT_OF_RANGE', `there is no kind ${String(ref.kind)}`)
  const inRange = (name: string, value: number, min: number, max: number): void =>
    check(
      Number.isInteger(value) && value >= min && value <= max,
      'STEP_OUT_OF_RANGE',
      `${ref.kind} ${name} ${value} is outside ${min}..${max}`,
    )
  const { kind } = ref
  const isSingle = kind === 'shape' || kind === 'input'
  const hasGroup = kind === 'kv' || kind === 'attend'
  const hasLayer = hasGroup || kind === 'proj' || kind === 'ffn'
  inRange('layer', ref.layer, 0, hasLayer ? nLayers - 1 : 0)
  inRange('group', ref.group, 0, hasGroup ? nKvHeads - 1 : 0)
  const first = kind === 'head' ? shape.promptTokens - 1 : 0
  inRange('position', ref.position, first, isSingle ? 0 : positionCount(shape) - 1)
}
