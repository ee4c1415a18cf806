/** The report: one page without scripts, external resources or times of its making; the same audit gives the same bytes. */
import type { Params } from '@nacre/protocol'
import { headStartAssumptions } from './assumptions.ts'
import type { LaunchAudit } from './audit.ts'
import { axisUnit, DAY_MS, duration, percent, percentOf } from './format.ts'
import { HEAD_START_DAYS, headStartShare, hourlyEmission, insiderCurve, REFERENCE_CASE } from './head-start.ts'
import { chainSections } from './html-chain.ts'
import { figure, items, page, section, tableHtml } from './html-parts.ts'
import { emittedPercent, withoutRamp, YEAR_DAYS } from './supply.ts'
import { barChart, escapeText, type Line, lineChart } from './svg.ts'
import { allocationRows, headStartRows, splitRows, supplyRows } from './tables.ts'

const CURVE_POINTS = 120

export function auditHtml(audit: LaunchAudit, params: Params): string {
  const title = `Launch audit: ${audit.subject}`
  return page(title, [
    `<h1>${escapeText(title)}</h1>`,
    `<p class="soft">Network ${escapeText(audit.network)}, parameters <code>${audit.paramsHash}</code></p>`,
    audit.overrides.length === 0
      ? ''
      : `<p>With${audit.overrides.map((line) => ` <code>${escapeText(line)}</code>`).join(',')}</p>`,
    findings(audit),
    ...(audit.chain === undefined ? [] : chainSections(audit.chain, params)),
    supply(audit, params),
    split(audit),
    headStart(audit, params),
  ])
}

function findings(audit: LaunchAudit): string {
  const rows = audit.findings.map(
    ({ verdict, id, reason }) =>
      `<li><span class="verdict ${verdict.toLowerCase()}">${verdict}</span><b>${escapeText(id)}</b><span>${escapeText(reason)}</span></li>`,
  )
  return section('Findings', `<ul class="findings">${rows.join('')}</ul>`)
}

function supply(audit: LaunchAudit, params: Params): string {
  const hasRamp = params.emission.ramp !== 'none'
  const chart = (days: number): string => {
    const { name, perDay } = axisUnit(days)
    const times = Array.from({ length: CURVE_POINTS + 1 }, (_, i) => (i * days) / CURVE_POINTS)
    const line = (label: string, from: Params, dashed: boolean): Line => {
      return { label, x: times.map((day) => day * perDay), y: times.map((day) => emittedPercent(from, day)), dashed }
    }
    const lines = [
      line('this launch', params, false),
      ...(hasRamp ? [line('without ramp', withoutRamp(params), true)] : []),
    ]
    return lineChart(lines, { xLabel: `${name} since the launch`, yLabel: '% of the supply' })
  }
  const { half } = audit.supply
  const halfDays = half?.days ?? Number.POSITIVE_INFINITY
  const halfText =
    half === undefined
      ? 'Half of the supply is never emitted.'
      : `Half of the supply is emitted after ${duration(half.days * DAY_MS)}, at height ${half.height.toLocaleString('en-US')}.`
  return section(
    'Supply',
    tableHtml(allocationRows(audit)),
    `<p>${halfText} Blocks on schedule; percentages of <code>emission.supplyGrains</code>.</p>`,
    tableHtml(supplyRows(audit)),
    '<div class="charts">',
    figure('Emitted at first', 'share of the supply', chart(Math.min(182, halfDays / 4))),
    figure('Emitted in the long run', 'share of the supply', chart(Math.min(4 * YEAR_DAYS, 4 * halfDays))),
    '</div>',
  )
}

function split(audit: LaunchAudit): string {
  const { rows, leftOut, bootstrapFactorPpm, verifierSharePpm } = audit.split
  const last = rows.at(-1)
  const left = leftOut.length === 0 ? '' : ` Left out as too many blocks: ${escapeText(leftOut.join(', '))}.`
  const text = `<p>Verifiers get ${percent(verifierSharePpm / 10_000)} of each subsidy. Of what remains after a team share, a bootstrap block pays ${percent(bootstrapFactorPpm / 10_000)} at once; the rest goes to the deferred pot, of which each later block releases one part in <code>emission.curveBlocks</code> to its miner. Shares of all emission so far, every block a bootstrap block, without fees.${left}</p>`
  if (last === undefined) return section('Who gets the subsidies', text)
  const bar = (label: string, grains: bigint): { label: string; value: number; text: string } => {
    const value = percentOf(grains, last.emitted)
    return { label, value, text: percent(value) }
  }
  const bars = [
    bar('miners, direct', last.minerDirect),
    bar('miners, released', last.released),
    bar('deferred pot', last.deferredPot),
    bar('verifiers', last.verifiers),
    bar('team', last.team),
  ]
  return section(
    'Who gets the subsidies',
    text,
    tableHtml(splitRows(audit)),
    `<div class="charts">${figure(`After ${last.label}`, 'share of all emission so far', barChart(bars))}</div>`,
  )
}

function headStart(audit: LaunchAudit, params: Params): string {
  const { reference, kernelFactors } = audit.headStart
  const share = headStartShare(params)
  const byDays = kernelFactors.map((factor): Line => {
    const x = [...HEAD_START_DAYS]
    return { label: `k = ${factor}`, x, y: x.map((days) => share(factor, days)), marked: true }
  })
  const { percentWithoutRamp } = reference
  const ramp = percentWithoutRamp === undefined ? '' : `, and ${percent(percentWithoutRamp)} without the ramp`
  const paid =
    reference.percentOfPaid === undefined
      ? ''
      : ` Of what coinbases pay to miners in that year it is ${percent(reference.percentOfPaid)}.`
  return section(
    'A faster kernel and a head start',
    `<p>What an insider owns of the first year's supply with a kernel k times as fast and d days alone. For k = ${reference.kernelFactor} and d = ${reference.headStartDays} it is ${percent(reference.percent)}${ramp}.${paid}</p>`,
    tableHtml(headStartRows(audit.headStart)),
    '<div class="charts">',
    figure(
      'Part of the first year’s supply',
      'by head start and speed of the kernel',
      lineChart(byDays, { xLabel: 'days of head start', yLabel: '%', yLog: true }),
    ),
    figure(
      `Part of the supply to date, k = ${REFERENCE_CASE.kernelFactor}, d = ${REFERENCE_CASE.headStartDays}`,
      'mined coins only; the head start is all the insider’s',
      lineChart(
        [
          shareOverTime('this launch', params, false),
          ...(params.emission.ramp === 'none' ? [] : [shareOverTime('without ramp', withoutRamp(params), true)]),
        ],
        { xLabel: 'days since the launch', yLabel: '%', yLog: true },
      ),
    ),
    '</div><h3>Assumptions</h3>',
    items(headStartAssumptions(audit.headStart)),
  )
}

/** The insider's part of all coins mined so far, day by day. */
function shareOverTime(label: string, params: Params, dashed: boolean): Line {
  const hourly = hourlyEmission(params)
  const insider = insiderCurve(hourly, REFERENCE_CASE.kernelFactor, REFERENCE_CASE.headStartDays)
  let all = 0
  const x: number[] = []
  const y: number[] = []
  hourly.forEach((grains, hour) => {
    all += grains
    if ((hour + 1) % 24 !== 0 || all === 0) return
    x.push((hour + 1) / 24)
    y.push((100 * insider[hour]!) / all)
  })
  return { label, x, y, dashed }
}
