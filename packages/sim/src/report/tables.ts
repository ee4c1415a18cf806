import { scenarioByName } from '../scenarios/registry.ts'
import type { SweepPlan } from '../sweep/plan.ts'
import type { Group } from './rows.ts'

/** One line per run: seed, commit, preset, changed protocol parameters, scenario parameters, metrics. RFC 4180. */
export function sweepCsv(plan: SweepPlan, groups: readonly Group[]): string {
  const scenario = scenarioByName(plan.scenario)
  const paths = [...new Set(groups.flatMap((group) => Object.keys(group.changed)))].sort()
  const own = Object.keys(scenario.params)
  const metrics = Object.keys(scenario.metrics)
  const lines = [['scenario', 'seed', 'commit', 'preset', ...paths, ...own, ...metrics]]
  for (const group of groups) {
    // A path changed in another combination only has the preset's value here.
    const params = new Map(
      group.params.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
    group.outcomes.forEach((outcome, i) => {
      lines.push([
        plan.scenario,
        String(i + 1),
        plan.commit,
        plan.preset,
        ...paths.map((path) => params.get(path) ?? ''),
        ...own.map((name) => String(group.scenarioParams[name])),
        ...metrics.map((name) => String(outcome.metrics[name])),
      ])
    })
  }
  return `${lines.map((cells) => cells.map(quoted).join(',')).join('\r\n')}\r\n`
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}

/** The sweep with its parameters, each combination's runs and their summaries. */
export function sweepJson(plan: SweepPlan, groups: readonly Group[]): string {
  const scenario = scenarioByName(plan.scenario)
  const document = {
    ...plan,
    confidence: "95 %, Student's t over seeds: mean +- half",
    metrics: scenario.metrics,
    combinations: groups.map((group) => ({
      values: Object.fromEntries(plan.axes.map((axis, i) => [axis.key, group.values[i]])),
      changed: group.changed,
      scenarioParams: group.scenarioParams,
      params: group.params,
      summary: group.metrics,
      runs: group.outcomes.map((outcome, i) => ({ seed: i + 1, metrics: outcome.metrics })),
      series: Object.fromEntries(
        Object.entries(group.series).map(([name, { x, points }]) => [
          name,
          { x, mean: points.map(({ mean }) => mean), half: points.map(({ half }) => half ?? null) },
        ]),
      ),
    })),
  }
  return `${JSON.stringify(document, undefined, 1)}\n`
}
