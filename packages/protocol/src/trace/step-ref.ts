/** The steps of a unit in their one order (TRC-3), and what each weighs. */
import { check } from '../errors.ts'
import { groupWidth, positionCount } from './subtrees.ts'
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

/** Multiplications of the heaviest step of a unit of this shape. */
export function maxStepMacs(shape: TraceShape): number {
  return Math.max(
    ...stepRuns(shape).map((run) => {
      const { base, slope } = runWeight(shape, run)
      return base + slope * run.count
    }),
  )
}

/** Weight of one step in multiplications. Throws STEP_OUT_OF_RANGE. */
export function stepWeight(shape: TraceShape, ref: StepRef): number {
  checkStepRef(shape, ref)
  const { kind, layer, group } = ref
  const run = stepRuns(shape).find((each) => each.kind === kind && each.layer === layer && each.group === group)!
  const { base, slope } = runWeight(shape, run)
  return base + slope * (ref.position - run.firstPosition + 1)
}

/** Weight of all steps of a unit of this shape: what one draw of `sampleSteps` is a share of. */
export function totalWeight(shape: TraceShape): bigint {
  return stepRuns(shape).reduce((sum, run) => sum + prefixWeight(shape, run, run.count), 0n)
}

/** Weight of the first `n` steps of a run. Only runs that start at position 0 have a slope. */
export function prefixWeight(shape: TraceShape, run: StepRun, n: number): bigint {
  const { base, slope } = runWeight(shape, run)
  return BigInt(n) * BigInt(base) + (BigInt(slope) * BigInt(n) * BigInt(n + 1)) / 2n
}

/**
 * Weight of the steps of a run: at the n-th position of the unit `base + slope * (n + 1)` multiplications, attention's
 * products included, because that is what a forger would save. `shape` and `input` multiply nothing and weigh 1.
 */
export function runWeight(shape: TraceShape, run: StepRun): { base: number; slope: number } {
  const { dModel, headDim, ffnDim, vocabSize, nHeads } = shape.dims
  const width = groupWidth(shape.dims)
  switch (run.kind) {
    case 'shape':
    case 'input':
      return { base: 1, slope: 0 }
    case 'embed':
      return { base: dModel, slope: 0 }
    case 'kv':
      return { base: 2 * headDim * dModel, slope: 0 }
    case 'attend':
      return { base: width * dModel, slope: 2 * width }
    case 'proj':
      return { base: nHeads * headDim * dModel, slope: 0 }
    case 'ffn':
      return { base: 3 * ffnDim * dModel, slope: 0 }
    case 'head':
      return { base: vocabSize * dModel, slope: 0 }
  }
}
