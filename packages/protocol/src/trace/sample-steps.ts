import { bigintFromLe, u32le } from '../bytes.ts'
import { taggedXof } from '../hash.ts'
import { prefixWeight, type StepRun, stepOfRun, stepRuns } from './step-ref.ts'
import type { StepRef, TraceShape } from './types.ts'

/**
 * `count` steps drawn independently by weight (AUD-1), so that the chance to hit a forged step is its share of the work
 * it would save. Draw j is a 128-bit little-endian integer u from (seed, j); it selects the step whose range of
 * cumulative weight holds floor(u * total / 2^128). The bias is below total / 2^128. The same step can be drawn twice.
 * @param seed 32 bytes.
 */
export function sampleSteps(seed: Uint8Array, shape: TraceShape, count: number): StepRef[] {
  const runs = stepRuns(shape)
  const weights = runs.map((run) => prefixWeight(shape, run, run.count))
  const total = weights.reduce((sum, weight) => sum + weight, 0n)
  return Array.from({ length: count }, (_, j) => {
    const u = bigintFromLe(taggedXof('stepSampling', 16, seed, u32le(j)))
    let left = (u * total) >> 128n
    let i = 0
    while (left >= weights[i]!) left -= weights[i++]!
    const run = runs[i]!
    return stepOfRun(run, offsetAt(shape, run, left))
  })
}

/** The last offset whose prefix weight is at most `left`. */
function offsetAt(shape: TraceShape, run: StepRun, left: bigint): number {
  let low = 0
  let high = run.count
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (prefixWeight(shape, run, middle) <= left) low = middle
    else high = middle
  }
  return low
}
