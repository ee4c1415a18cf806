import { UsageError } from '../errors.ts'
import { scenarioByName } from '../scenarios/registry.ts'
import { type Job, resolveJob } from './job.ts'
import type { Sources } from './sources.ts'

/** Runs in one sweep: more would be a mistake in `--vary`. */
const MAX_JOBS = 100_000

/** One key with the values it takes in turn. */
export interface Axis {
  /** A path of the protocol's parameters, which has a dot, or a parameter of the scenario. */
  readonly key: string
  readonly values: readonly string[]
}

/** A sweep: all combinations of the axes, each with seeds 1 to `seeds`. */
export interface SweepPlan extends Sources {
  readonly scenario: string
  readonly preset: string
  readonly set: readonly string[]
  readonly param: readonly string[]
  readonly axes: readonly Axis[]
  readonly seeds: number
}

/** One combination of axis values. */
export interface Combination {
  /** Axis values in the order of the axes; empty without axes. */
  readonly values: readonly string[]
  readonly set: readonly string[]
  readonly param: readonly string[]
}

/** `key=a,b,c` as an axis. Throws UsageError. */
export function parseAxis(text: string): Axis {
  const at = text.indexOf('=')
  const key = text.slice(0, at)
  const values = text.slice(at + 1).split(',')
  if (at <= 0 || values.includes('')) throw new UsageError(`--vary ${text} is not of the form key=value,value`)
  if (new Set(values).size !== values.length) throw new UsageError(`--vary ${text} names a value twice`)
  return { key, values }
}

/** All combinations, the last axis changing fastest. */
export function combinationsOf(plan: SweepPlan): Combination[] {
  let rows: string[][] = [[]]
  for (const axis of plan.axes) rows = rows.flatMap((row) => axis.values.map((value) => [...row, value]))
  return rows.map((values) => {
    const settings = values.map((value, i) => `${plan.axes[i]!.key}=${value}`)
    return {
      values,
      set: [...plan.set, ...settings.filter((setting) => isProtocolPath(setting))],
      param: [...plan.param, ...settings.filter((setting) => !isProtocolPath(setting))],
    }
  })
}

/** Every run of a sweep, combination by combination, seeds in order. Throws UsageError where any of them is impossible. */
export function jobsOf(plan: SweepPlan): Job[] {
  scenarioByName(plan.scenario)
  const keys = plan.axes.map((axis) => axis.key)
  const repeated = keys.find((key, i) => keys.indexOf(key) !== i)
  if (repeated !== undefined) throw new UsageError(`--vary names ${repeated} twice`)
  for (const setting of [...plan.set, ...plan.param]) {
    const key = setting.slice(0, setting.indexOf('='))
    if (keys.includes(key)) throw new UsageError(`${key} is both set and varied`)
  }
  const count = plan.axes.reduce((product, axis) => product * axis.values.length, plan.seeds)
  if (count > MAX_JOBS) throw new UsageError(`the sweep has ${count} runs, more than ${MAX_JOBS}`)
  return combinationsOf(plan).flatMap(({ set, param }) => {
    const base = { scenario: plan.scenario, preset: plan.preset, set, param }
    resolveJob({ ...base, seed: 1 })
    return Array.from({ length: plan.seeds }, (_, i) => ({ ...base, seed: i + 1 }))
  })
}

function isProtocolPath(setting: string): boolean {
  return setting.slice(0, setting.indexOf('=')).includes('.')
}
