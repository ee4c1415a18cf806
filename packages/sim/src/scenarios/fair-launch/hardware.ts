import { DAY_MS } from '../units.ts'
import type { FairLaunchValues } from './params.ts'

/** Hardware joins once a day: the growth curve in steps. */
const STEP_MS = DAY_MS

/** Public hardware that joins at one time. Hardware is counted in parts of all final hardware. */
export interface Cohort {
  readonly joinMs: number
  readonly hardware: number
}

/** Who mines with what, as a function of time in ms since the launch. */
export interface Hardware {
  readonly insider: number
  /** In order of joining; those after the horizon are left out. */
  readonly cohorts: readonly Cohort[]
  /** From here on the public runs the insider's kernel. */
  readonly leakMs: number
  readonly kernelFactor: number
}

/**
 * The public starts after the head start with `publicStart` and grows by 2^(1 / doublingDays) a day until it has all but
 * the insider's part.
 */
export function hardwareOf(values: FairLaunchValues): Hardware {
  const final = 1 - values.insiderShare
  const cohorts: Cohort[] = []
  const startMs = values.headStartDays * DAY_MS
  const endMs = values.horizonDays * DAY_MS
  let total = 0
  for (let step = 0; total < final && startMs + step * STEP_MS < endMs; step++) {
    const next = Math.min(final, values.publicStart * 2 ** ((step * STEP_MS) / (values.doublingDays * DAY_MS)))
    cohorts.push({ joinMs: startMs + step * STEP_MS, hardware: next - total })
    total = next
  }
  return {
    insider: values.insiderShare,
    cohorts,
    leakMs: startMs + values.leakDays * DAY_MS,
    kernelFactor: values.kernelFactor,
  }
}

/** Times in ms at which somebody's power changes, in order, each once; 0 included. */
export function changesOf(hardware: Hardware): number[] {
  const times = new Set([0, hardware.leakMs, ...hardware.cohorts.map((cohort) => cohort.joinMs)])
  return [...times].sort((a, b) => a - b)
}

/** Power at `timeMs` in units of the public kernel on all final hardware. */
export function powerAt(hardware: Hardware, timeMs: number): { insider: number; public: number } {
  let joined = 0
  for (const cohort of hardware.cohorts) if (cohort.joinMs <= timeMs) joined += cohort.hardware
  return {
    insider: hardware.insider * hardware.kernelFactor,
    public: joined * (timeMs >= hardware.leakMs ? hardware.kernelFactor : 1),
  }
}
