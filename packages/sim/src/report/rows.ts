import { diffParams, type Params, paramLines, presetByName } from '@nacre/protocol'
import { scenarioByName } from '../scenarios/registry.ts'
import type { Outcome, ScenarioValues } from '../scenarios/types.ts'
import { type Summary, summarize } from '../stats/interval.ts'
import { type Job, resolveJob } from '../sweep/job.ts'
import { combinationsOf, type SweepPlan } from '../sweep/plan.ts'
import type { Sources } from '../sweep/sources.ts'

/** One run with everything needed to repeat it. The order of keys is fixed, so that equal runs are equal bytes. */
export interface RunRecord extends Sources {
  readonly scenario: string
  readonly seed: number
  readonly preset: string
  /** Paths at which the parameters differ from the preset. */
  readonly changed: Readonly<Record<string, string>>
  readonly scenarioParams: ScenarioValues
  /** All protocol parameters, `path=value`, sorted. */
  readonly params: readonly string[]
  readonly metrics: Readonly<Record<string, number>>
  readonly series: Outcome['series']
}

/** Paths of `params` that differ from the preset `name`, with their values. */
export function changedFrom(name: string, params: Params): Record<string, string> {
  return Object.fromEntries(diffParams(presetByName(name), params).map(({ path, b }) => [path, b ?? '']))
}

export function runRecord(job: Job, outcome: Outcome, { commit, sources }: Sources): RunRecord {
  const { params, values } = resolveJob(job)
  return {
    scenario: job.scenario,
    seed: job.seed,
    commit,
    sources,
    preset: job.preset,
    changed: changedFrom(job.preset, params),
    scenarioParams: values,
    params: paramLines(params),
    metrics: outcome.metrics,
    series: outcome.series,
  }
}

/** All runs of one combination of a sweep. */
export interface Group {
  /** Values of the axes, in their order. */
  readonly values: readonly string[]
  readonly changed: Readonly<Record<string, string>>
  readonly scenarioParams: ScenarioValues
  readonly params: readonly string[]
  /** In the order of seeds, 1 first. */
  readonly outcomes: readonly Outcome[]
  readonly metrics: Readonly<Record<string, Summary>>
  /** Mean and half-width of the 95 % interval at each point. */
  readonly series: Readonly<Record<string, { readonly x: readonly number[]; readonly points: readonly Summary[] }>>
}

/** A sweep's outcomes, given in the order of its jobs, combination by combination. */
export function groupsOf(plan: SweepPlan, outcomes: readonly Outcome[]): Group[] {
  const scenario = scenarioByName(plan.scenario)
  return combinationsOf(plan).map((combination, i) => {
    const mine = outcomes.slice(i * plan.seeds, (i + 1) * plan.seeds)
    const { set, param } = combination
    const { params, values } = resolveJob({ scenario: plan.scenario, preset: plan.preset, set, param, seed: 1 })
    const metrics = Object.keys(scenario.metrics).map((name) => [
      name,
      summarize(mine.map((outcome) => outcome.metrics[name]!)),
    ])
    const series = Object.keys(scenario.series).map((name) => {
      const { x } = mine[0]!.series[name]!
      return [name, { x, points: x.map((_, at) => summarize(mine.map((outcome) => outcome.series[name]!.y[at]!))) }]
    })
    return {
      values: combination.values,
      changed: changedFrom(plan.preset, params),
      scenarioParams: values,
      params: paramLines(params),
      outcomes: mine,
      metrics: Object.fromEntries(metrics) as Group['metrics'],
      series: Object.fromEntries(series) as Group['series'],
    }
  })
}
