/** The part of the report about a running chain. */
import { GRAINS_PER_NCR, type Params } from '@nacre/protocol'
import { CHAIN_LIMITS } from './assumptions.ts'
import type { ChainAudit } from './chain.ts'
import { axisUnit, DAY_MS, ncr, percent, shortKey } from './format.ts'
import { figure, items, section, tableHtml } from './html-parts.ts'
import { emittedAfterBlocks } from './supply.ts'
import { barChart, escapeText, type Line, lineChart, thinned } from './svg.ts'
import { chainRows, minerRows, windowRows } from './tables.ts'

const SHOWN_MINERS = 20
const CHART_POINTS = 300

export function chainSections(chain: ChainAudit, params: Params): string[] {
  return [
    section('The chain', differences(chain), tableHtml(chainRows(chain))),
    section(
      'Who mined it',
      tableHtml(windowRows(chain)),
      `<div class="charts">${minerFigures(chain)}</div>`,
      tableHtml(minerRows(chain, SHOWN_MINERS)),
      chain.miners.length > SHOWN_MINERS ? `<p class="soft">and ${chain.miners.length - SHOWN_MINERS} more</p>` : '',
    ),
    section('Schedule', `<div class="charts">${scheduleFigures(chain, params)}</div>`),
    section('What the chain’s figures leave open', items(CHAIN_LIMITS)),
  ]
}

function differences({ difference, chainId, height, blocksRead }: ChainAudit): string {
  const lines = difference.lines.map(
    ({ path, preset, chain }) =>
      `<li><code>${escapeText(path)}: ${escapeText(preset)} → ${escapeText(chain)}</code></li>`,
  )
  const text =
    lines.length === 0
      ? `<p>The parameters are those of the preset ${difference.preset}.</p>`
      : `<p>The nearest preset is ${difference.preset}; from it differ:</p><ul>${lines.join('')}</ul>`
  const part = blocksRead < height ? ` Of ${height} blocks the first ${blocksRead} were read.` : ''
  return `<p class="soft">Chain <code>${chainId}</code>.${part}</p>${text}`
}

function minerFigures({ miners }: ChainAudit): string {
  const shown = miners.slice(0, SHOWN_MINERS)
  const left = miners.length > shown.length ? `, the first ${shown.length} of ${miners.length} keys` : ''
  const blocks = shown.map((row) => ({
    label: shortKey(row.minerKey),
    value: row.blocks,
    text: `${row.blocks} (${percent(row.blocksPercent)})`,
  }))
  const rewards = shown.map((row) => ({
    label: shortKey(row.minerKey),
    value: Number(row.rewardGrains),
    text: ncr(row.rewardGrains),
  }))
  return [
    figure('Blocks', `won by each key${left}`, barChart(blocks)),
    figure('Reward', `without fees, by key${left}`, barChart(rewards)),
  ].join('')
}

function scheduleFigures({ series, blockTimes }: ChainAudit, params: Params): string {
  const heights = thinned(
    series.days.map((_, i) => i + 1),
    CHART_POINTS,
  )
  const days = thinned(series.days, CHART_POINTS)
  const target = params.block.timeMs / 1000
  const seconds = thinned(
    series.intervalMs.slice(1).map((ms) => ms / 1000),
    CHART_POINTS,
  )
  const secondsAt = thinned(
    series.intervalMs.slice(1).map((_, i) => i + 2),
    CHART_POINTS,
  )
  const grains = Number(GRAINS_PER_NCR)
  const unit = axisUnit(days.at(-1) ?? 0)
  const time = days.map((day) => day * unit.perDay)
  const onSchedule: Line = {
    label: 'blocks on schedule',
    x: time,
    y: days.map((day) => emittedAfterBlocks(params, 1 + (day * DAY_MS) / params.block.timeMs) / grains),
    dashed: true,
  }
  const emitted: Line = {
    label: 'this chain',
    x: time,
    y: thinned(series.emitted, CHART_POINTS).map((y) => y / grains),
  }
  const times = [
    { label: 'block time', x: secondsAt, y: seconds },
    { label: 'target', x: [1, heights.at(-1) ?? 1], y: [target, target], dashed: true },
  ]
  return [
    figure(
      'Emission',
      'NCR, against blocks that come exactly on time after the first one',
      lineChart([emitted, onSchedule], { xLabel: `${unit.name} since the first block`, yLabel: 'NCR' }),
    ),
    figure(
      'Difficulty',
      'expected work of each block',
      lineChart([{ label: 'work', x: heights, y: thinned(series.workMacs, CHART_POINTS) }], {
        xLabel: 'height',
        yLabel: 'MACs per block',
      }),
    ),
    blockTimes === undefined
      ? ''
      : figure(
          'Block times',
          series.days.length > CHART_POINTS ? 'means of groups of blocks' : 'each block',
          lineChart(times, { xLabel: 'height', yLabel: 'seconds' }),
        ),
  ].join('')
}
