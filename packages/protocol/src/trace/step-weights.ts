/** What steps weigh when they are drawn (AUD-1). */
import { checkStepRef, type StepRun, stepRuns } from './step-ref.ts'
import { groupWidth, positionCount } from './subtrees.ts'
import type { StepRef, TraceShape } from './types.ts'

/**
 * `macs`: multiplications of the step. `reach`: multiplications at its position that somebody saves who forges this step and takes
 * everything behind it from a trace that is there already.
 */
export const WEIGHINGS = ['macs', 'reach'] as const
export type Weighing = (typeof WEIGHINGS)[number]

/** How draw j of a sample weighs: by multiplications, by reach, and so on in turns. */
export const weighingOf = (draw: number): Weighing => WEIGHINGS[draw % 2]!

/** Weight of the steps of a run: at the n-th position of the unit `base + slope * (n + 1)`. */
export interface RunWeight {
  readonly base: number
  readonly slope: number
}

/** Multiplications of the heaviest step of a unit of this shape; `shape` embeds all tokens again. */
export function maxStepMacs(shape: TraceShape): number {
  return Math.max(
    positionCount(shape) * shape.dims.dModel,
    ...stepRuns(shape).map((run) => {
      const { base, slope } = runWeight(shape, run, 'macs')
      return base + slope * run.count
    }),
  )
}

/** Only runs that start at position 0 have a slope. */
export function runWeight(shape: TraceShape, run: StepRun, weighing: Weighing = 'macs'): RunWeight {
  return weighing === 'macs' ? runMacs(shape, run) : runReach(shape, run)
}

/** Attention's products count too: a forger would save them. `shape` and `input` multiply nothing and weigh 1. */
function runMacs(shape: TraceShape, { kind }: Pick<StepRun, 'kind'>): RunWeight {
  const { dModel, headDim, ffnDim, vocabSize, nHeads } = shape.dims
  const width = groupWidth(shape.dims)
  switch (kind) {
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

/**
 * Residual rows carry a position from step to step: whoever forges one of them need not compute the rows behind it. Those of `embed` are
 * all checked by `shape`, which every audit opens, and need no draws.
 */
function runReach(shape: TraceShape, { kind, layer }: StepRun): RunWeight {
  const { nLayers, nKvHeads } = shape.dims
  const macs = (of: StepRun['kind']): RunWeight => runMacs(shape, { kind: of })
  const [kv, attend, proj, ffn] = [macs('kv'), macs('attend'), macs('proj'), macs('ffn')]
  /** Behind the residual row that enters the last `layers` layers. */
  const behind = (layers: number, first: number): RunWeight => ({
    base: first + layers * (nKvHeads * (kv.base + attend.base) + proj.base + ffn.base),
    slope: layers * nKvHeads * attend.slope,
  })
  switch (kind) {
    case 'proj':
      return behind(nLayers - layer - 1, proj.base + ffn.base)
    case 'ffn':
      return behind(nLayers - layer - 1, ffn.base)
    case 'head':
      return macs('head')
    default:
      return { base: 0, slope: 0 }
  }
}

/** Weight of the first `n` steps of a run. */
export function prefixWeight({ base, slope }: RunWeight, n: number): bigint {
  return BigInt(n) * BigInt(base) + (BigInt(slope) * BigInt(n) * BigInt(n + 1)) / 2n
}

/** Parts of a unit, 0 to 1, in each weighing. */
export type Shares = Readonly<Record<Weighing, number>>

/** The chance of each kind of draw to hit a step. Throws STEP_OUT_OF_RANGE. */
export function stepShares(shape: TraceShape): (ref: StepRef) => Shares {
  const runs = stepRuns(shape)
  const totals = WEIGHINGS.map((weighing) =>
    Number(runs.reduce((sum, run) => sum + prefixWeight(runWeight(shape, run, weighing), run.count), 0n)),
  )
  return (ref) => {
    checkStepRef(shape, ref)
    const { kind, layer, group, position } = ref
    const run = runs.find((each) => each.kind === kind && each.layer === layer && each.group === group)!
    const [macs, reach] = WEIGHINGS.map((weighing, i) => {
      const { base, slope } = runWeight(shape, run, weighing)
      return (base + slope * (position - run.firstPosition + 1)) / totals[i]!
    })
    return { macs: macs!, reach: reach! }
  }
}

/** Chance that `draws` draws in turns hit one of the steps that have these shares together. */
export function detectionChance({ macs, reach }: Shares, draws: number): number {
  return 1 - (1 - macs) ** Math.ceil(draws / 2) * (1 - reach) ** Math.floor(draws / 2)
}
