/** The tables of the audit as text cells: one truth for terminal and report. The first column names the row. */
import type { LaunchAudit } from './audit.ts'
import type { ChainAudit } from './chain.ts'
import { counted, duration, ncr, percent, percentOf, shortKey } from './format.ts'
import type { HeadStartAudit } from './head-start.ts'

export interface Table {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export function supplyRows({ supply }: LaunchAudit): Table {
  return {
    head: ['after', 'height', 'emitted', 'of the supply', 'without ramp'],
    rows: supply.rows.map((row) => [
      row.label,
      row.height.toLocaleString('en-US'),
      ncr(row.emittedGrains),
      percent(row.percent),
      percent(row.percentWithoutRamp),
    ]),
  }
}

/** Premine, team and faucet, whether or not there are any. */
export function allocationRows({ supply }: LaunchAudit): Table {
  const { premine, teamFirstYear, teamFinal, faucet } = supply
  const row = (name: string, year: typeof premine, final: typeof premine): string[] => [
    name,
    `${year.grains.toLocaleString('en-US')} grains`,
    percent(year.percentOfFirstYear),
    `${final.grains.toLocaleString('en-US')} grains`,
    percent(final.percentOfFinal),
  ]
  return {
    head: ['origin', 'in the first year', "of that year's supply", 'in all', 'of the final supply'],
    rows: [
      row('premine', premine, premine),
      row('team share', teamFirstYear, teamFinal),
      row('faucet', faucet, faucet),
    ],
  }
}

export function splitRows({ split }: LaunchAudit): Table {
  return {
    head: ['after', 'miners, direct', 'released', 'miners in all', 'deferred pot', 'verifiers', 'team'],
    rows: split.rows.map((row) => [
      row.label,
      percent(percentOf(row.minerDirect, row.emitted)),
      percent(percentOf(row.released, row.emitted)),
      percent(row.minerPercent),
      percent(percentOf(row.deferredPot, row.emitted)),
      percent(percentOf(row.verifiers, row.emitted)),
      percent(percentOf(row.team, row.emitted)),
    ]),
  }
}

export function headStartRows({ kernelFactors, headStartDays, percent: shares }: HeadStartAudit): Table {
  return {
    head: ['', ...headStartDays.map((days) => `d = ${days}`)],
    rows: kernelFactors.map((factor, i) => [`k = ${factor}`, ...shares[i]!.map(percent)]),
  }
}

export function chainRows(chain: ChainAudit): Table {
  const { blockTimes: times, supply, lanes, published } = chain
  const lane = (count: number): string => percent(chain.blocksRead === 0 ? 0 : (100 * count) / chain.blocksRead)
  return {
    head: ['figure', 'value'],
    rows: [
      ['height', String(chain.height)],
      ['blocks read', String(chain.blocksRead)],
      ['bootstrap lane', `${counted(lanes.bootstrap, 'block')}, ${lane(lanes.bootstrap)}`],
      ['paid lane', `${counted(lanes.paid, 'block')}, ${lane(lanes.paid)}`],
      ...(lanes.open === 0 ? [] : [['open lane', `${counted(lanes.open, 'block')}, ${lane(lanes.open)}`]]),
      ['paid part of all MACs', percent(Number(published.paidMacsPpm) / 10_000)],
      ['useful share of the blocks’ work', percent(Number(published.usefulSharePpm) / 10_000)],
      ['burned', `${published.burnedGrains.toLocaleString('en-US')} grains`],
      ['burned over minted', percent(Number(published.burnedOverMintedPpm) / 10_000)],
      ['premiums of paid blocks', `${chain.premiumGrains.toLocaleString('en-US')} grains`],
      ['launch to first block', chain.firstBlockDelayMs === undefined ? 'none yet' : duration(chain.firstBlockDelayMs)],
      ['block time, target', times === undefined ? 'unknown' : duration(times.targetMs)],
      ['block time, mean', times === undefined ? 'unknown' : duration(times.meanMs)],
      ['block time, median', times === undefined ? 'unknown' : duration(times.medianMs)],
      ['block time, 90 % below', times === undefined ? 'unknown' : duration(times.p90Ms)],
      ['emitted', `${supply.emittedGrains.toLocaleString('en-US')} grains`],
      ['emitted by the schedule', `${supply.scheduledGrains.toLocaleString('en-US')} grains`],
    ],
  }
}

export function windowRows({ windows }: ChainAudit): Table {
  return {
    head: ['window', 'blocks', 'keys', 'largest', 'Gini', 'Gini of reward', 'Nakamoto', 'Nakamoto of reward'],
    rows: windows.map((row) => [
      row.label,
      String(row.blocks),
      String(row.keys),
      percent(row.largestPercent),
      row.giniBlocks.toFixed(3),
      row.giniReward.toFixed(3),
      String(row.nakamotoBlocks),
      String(row.nakamotoReward),
    ]),
  }
}

/** The first `count` miners. */
export function minerRows({ miners }: ChainAudit, count: number): Table {
  return {
    head: ['miner key', 'blocks', 'of all', 'reward'],
    rows: miners
      .slice(0, count)
      .map((row) => [shortKey(row.minerKey), String(row.blocks), percent(row.blocksPercent), ncr(row.rewardGrains)]),
  }
}
