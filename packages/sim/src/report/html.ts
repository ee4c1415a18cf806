import { scenarioByName } from '../scenarios/registry.ts'
import type { SweepPlan } from '../sweep/plan.ts'
import type { Group } from './rows.ts'
import { CHART_COLORS, dotPlot, escapeText, type Line, lineChart, withSpread } from './svg.ts'

const STYLE = `
:root{color-scheme:light dark;--ink:#1c1f24;--soft:#5d6570;--paper:#fff;--card:#f5f6f8;--rule:#d9dde3;
--s0:#1f6fd0;--s1:#c9570c;--s2:#17824f;--s3:#a2318f;--s4:#7a6100;--s5:#5b4bd6;--s6:#b3263a;--s7:#0b7f8c}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa3af;--paper:#14171b;--card:#1d2126;--rule:#353b43;
--s0:#6aa9f5;--s1:#f0954f;--s2:#5cc98f;--s3:#e285d3;--s4:#d6b93f;--s5:#a79cff;--s6:#f2808f;--s7:#4fc7d4}}
body{margin:0 auto;padding:24px;max-width:1180px;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:24px;margin:0}h2{font-size:18px;margin:32px 0 10px}h3{font-size:14px;margin:0}
p{margin:4px 0}.soft{color:var(--soft)}code{font-size:13px;overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,460px),1fr));gap:16px}
figure{margin:0;padding:14px;background:var(--card);border-radius:8px}figcaption{font-size:13px;color:var(--soft);margin-bottom:8px}
svg{width:100%;height:auto;display:block;font-size:12px}svg text{fill:var(--ink)}.grid{stroke:var(--rule);fill:none}
.line{fill:none;stroke-width:2}.dashed{stroke-dasharray:5 4}.band{opacity:.2;stroke:none}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;margin:0 0 10px;padding:0;list-style:none}
.legend svg{display:inline-block;width:22px;height:10px;margin-right:6px;vertical-align:middle}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px}th,td{padding:3px 12px 3px 0;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child,td:first-child{text-align:left}
${Array.from({ length: CHART_COLORS }, (_, i) => `.line.s${i}{stroke:var(--s${i})}.dot.s${i},.band.s${i}{fill:var(--s${i})}`).join('\n')}`

const colorOf = (index: number): number => index % CHART_COLORS

/** The report of a sweep: one page, no external resource, no script. */
export function sweepHtml(plan: SweepPlan, groups: readonly Group[]): string {
  const scenario = scenarioByName(plan.scenario)
  const title = `${plan.scenario}: ${groups.length * plan.seeds} runs`
  const settings = [...plan.set, ...plan.param].map((each) => `<code>${escapeText(each)}</code>`)
  const body = [
    `<h1>${escapeText(title)}</h1><p>${escapeText(scenario.doc)}</p>`,
    `<p class="soft">preset ${escapeText(plan.preset)}, ${plan.seeds === 1 ? 'seed 1' : `seeds 1 to ${plan.seeds}`}, commit ${escapeText(plan.commit)}, sources ${escapeText(plan.sources)}</p>`,
    `<p>${settings.length > 0 ? `With ${settings.join(' ')}. ` : ''}${variedText(plan)}</p>`,
    `<p class="soft">Dots and curves are means over the seeds; whiskers and bands are 95 % confidence intervals of the mean (Student's t)${plan.seeds === 1 ? ', which one seed does not give' : ''}.</p>`,
    `<h2>Over time</h2><div class="charts">${seriesCharts(plan, groups).join('')}</div>`,
    ...axisSections(plan, groups),
    `<h2>Figures</h2><div class="charts">${metricPlots(plan, groups).join('')}</div>`,
    `<h2>Table</h2>${table(plan, groups)}`,
    `<h2>Parameters</h2>${parameterTable(groups)}`,
  ]
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeText(title)}</title><style>${STYLE}</style></head>
<body>
${body.join('\n')}
</body></html>
`
}

function variedText(plan: SweepPlan): string {
  if (plan.axes.length === 0) return 'Nothing varies but the seed.'
  const axes = plan.axes.map(({ key, values }) => `<code>${escapeText(key)}</code> (${escapeText(values.join(', '))})`)
  return `Varied: ${axes.join(' and ')}.`
}

/** What tells a combination from the others: bare values for one axis, keys too for several. */
function labelOf(plan: SweepPlan, group: Group): string {
  if (plan.axes.length === 0) return 'all'
  return plan.axes
    .map(({ key }, i) => (plan.axes.length === 1 ? `${key.split('.').at(-1)} ${group.values[i]}` : group.values[i]!))
    .join(', ')
}

function legend(entries: readonly { label: string; color: number; dashed?: boolean }[]): string {
  const items = entries.map(
    ({ label, color, dashed }) =>
      `<li><svg viewBox="0 0 22 10"><path class="line s${color}${dashed === true ? ' dashed' : ''}" d="M0 5H22"/></svg>${escapeText(label)}</li>`,
  )
  return `<ul class="legend">${items.join('')}</ul>`
}

function seriesCharts(plan: SweepPlan, groups: readonly Group[]): string[] {
  const scenario = scenarioByName(plan.scenario)
  const shown = groups.slice(0, CHART_COLORS)
  const charts = new Map<string, string[]>()
  for (const [name, { group }] of Object.entries(scenario.series))
    charts.set(group, [...(charts.get(group) ?? []), name])
  return [...charts.values()].map((names) => {
    const first = scenario.series[names[0]!]!
    const lines = shown.flatMap((group, at) =>
      names.map((name, i): Line => {
        const { x, points } = group.series[name]!
        const y = points.map(({ mean }) => mean)
        return { color: colorOf(at), dashed: i > 0, x, y, half: points.map(({ half }) => half) }
      }),
    )
    const docs = names.map(
      (name, i) => `${names.length === 1 ? '' : i === 0 ? 'solid: ' : 'dashed: '}${scenario.series[name]!.doc}`,
    )
    const left = groups.length > shown.length ? `; the first ${shown.length} of ${groups.length} combinations` : ''
    return `<figure><h3>${escapeText(names[0]!)} (${escapeText(first.unit)})</h3><figcaption>${escapeText(docs.join('; ') + left)}</figcaption>${legend(
      shown.map((group, at) => ({ label: labelOf(plan, group), color: colorOf(at) })),
    )}${lineChart(lines, first.xUnit, first.unit)}</figure>`
  })
}

/** For each axis of three or more numbers, every metric over it; one curve per combination of the other axes. */
function axisSections(plan: SweepPlan, groups: readonly Group[]): string[] {
  const scenario = scenarioByName(plan.scenario)
  return plan.axes.flatMap((axis, at) => {
    const numbers = axis.values.map(Number)
    if (axis.values.length < 3 || !numbers.every(Number.isFinite)) return []
    const order = numbers.map((_, i) => i).sort((a, b) => numbers[a]! - numbers[b]!)
    const others = new Map<string, Group[]>()
    for (const group of groups) {
      const rest = plan.axes.flatMap(({ key }, i) => (i === at ? [] : [`${key.split('.').at(-1)} ${group.values[i]}`]))
      others.set(rest.join(', '), [...(others.get(rest.join(', ')) ?? []), group])
    }
    const curves = [...others].slice(0, CHART_COLORS)
    const charts = Object.entries(scenario.metrics).map(([name, { unit, doc }]) => {
      const lines = curves.map(([, members], i): Line => {
        const sorted = order.map((index) => members.find((group) => group.values[at] === axis.values[index])!)
        const summaries = sorted.map((group) => group.metrics[name]!)
        return {
          color: colorOf(i),
          marked: true,
          x: order.map((index) => numbers[index]!),
          y: summaries.map(({ mean }) => mean),
          half: summaries.map(({ half }) => half),
        }
      })
      const names = curves.length > 1 ? legend(curves.map(([label], i) => ({ label, color: colorOf(i) }))) : ''
      return `<figure><h3>${escapeText(name)} (${escapeText(unit)})</h3><figcaption>${escapeText(doc)}</figcaption>${names}${lineChart(lines, axis.key, unit)}</figure>`
    })
    return [`<h2>Over ${escapeText(axis.key)}</h2><div class="charts">${charts.join('')}</div>`]
  })
}

function metricPlots(plan: SweepPlan, groups: readonly Group[]): string[] {
  return Object.entries(scenarioByName(plan.scenario).metrics).map(([name, { unit, doc }]) => {
    const rows = groups.map((group, i) => ({
      label: labelOf(plan, group),
      color: colorOf(i),
      mean: group.metrics[name]!.mean,
      half: group.metrics[name]!.half,
    }))
    return `<figure><h3>${escapeText(name)} (${escapeText(unit)})</h3><figcaption>${escapeText(doc)}</figcaption>${dotPlot(rows, unit)}</figure>`
  })
}

function table(plan: SweepPlan, groups: readonly Group[]): string {
  const head = groups.map((group) => `<th>${escapeText(labelOf(plan, group))}</th>`)
  const rows = Object.entries(scenarioByName(plan.scenario).metrics).map(([name, { unit }]) => {
    const cells = groups.map(({ metrics }) => {
      const { mean, half } = metrics[name]!
      return `<td>${withSpread(mean, half)}</td>`
    })
    return `<tr><td>${escapeText(name)} <span class="soft">${escapeText(unit)}</span></td>${cells.join('')}</tr>`
  })
  return `<div class="scroll"><table><tr><th></th>${head.join('')}</tr>${rows.join('')}</table></div>`
}

/** The scenario's values and all protocol parameters of the first combination; what varies is named above. */
function parameterTable(groups: readonly Group[]): string {
  const first = groups[0]!
  const own = Object.entries(first.scenarioParams).map(([name, value]) => `${name}=${value}`)
  const lines = [...own, ...first.params].map((line) => `<code>${escapeText(line)}</code><br>`)
  return `<details><summary>${lines.length} values of the first combination</summary>${lines.join('')}</details>`
}
