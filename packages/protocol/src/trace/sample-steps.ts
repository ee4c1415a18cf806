import { bigintFromLe, u32le } from '../bytes.ts'
import { taggedXof } from '../hash.ts'
import { type StepRun, stepOfRun, stepRuns } from './step-ref.ts'
import { prefixWeight, type RunWeight, runWeight, WEIGHINGS, type Weighing, weighingOf } from './step-weights.ts'
import type { StepRef, TraceShape } from './types.ts'

/**
 * `count` steps drawn independently (AUD-1), in turns by multiplications and by reach, so that the chance to hit a forged step goes with
 * the work that it saves: its own, or all that is behind it. Draw j is a 128-bit little-endian integer u from (seed, j); it selects the step whose
 * range of cumulative weight holds floor(u * total / 2^128). The bias is below total / 2^128. The same step can be drawn twice.
 * @param seed 32 bytes.
 */
export function sampleSteps(seed: Uint8Array, shape: TraceShape, count: number): StepRef[] {
  const runs = stepRuns(shape)
  const tables = Object.fromEntries(WEIGHINGS.map((weighing) => [weighing, tableOf(shape, runs, weighing)])) as Record<
    Weighing,
    Table
  >
  return Array.from({ length: count }, (_, j) => {
    const { weights, prefixes, total } = tables[weighingOf(j)]
    const u = bigintFromLe(taggedXof('stepSampling', 16, seed, u32le(j)))
    let left = (u * total) >> 128n
    let i = 0
    while (left >= prefixes[i]!) left -= prefixes[i++]!
    const run = runs[i]!
    return stepOfRun(run, offsetAt(weights[i]!, run.count, left))
  })
}

interface Table {
  readonly weights: readonly RunWeight[]
  /** Of each whole run. */
  readonly prefixes: readonly bigint[]
  readonly total: bigint
}

function tableOf(shape: TraceShape, runs: readonly StepRun[], weighing: Weighing): Table {
  const weights = runs.map((run) => runWeight(shape, run, weighing))
  const prefixes = weights.map((weight, i) => prefixWeight(weight, runs[i]!.count))
  return { weights, prefixes, total: prefixes.reduce((sum, each) => sum + each, 0n) }
}

/** The last offset whose prefix weight is at most `left`. */
function offsetAt(weight: RunWeight, count: number, left: bigint): number {
  let low = 0
  let high = count
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (prefixWeight(weight, middle) <= left) low = middle
    else high = middle
  }
  return low
}
