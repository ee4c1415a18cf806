/** The work monitor on the terminal. */

import { messageOf } from '@nacre/node/rpc-client'
import { counted, duration, percent, short, shortKey } from '../launch/format.ts'
import type { Interval, WorkPage } from './read.ts'

/** @param rpc where the figures come from. */
export function workPage(rpc: string, page: WorkPage): string {
  const lines = [
    `Work on the chain of ${rpc} at height ${page.height}`,
    ...alarmLines(page),
    '',
    'Work rate',
    ...rateLines(page),
    '',
    'Capacity, per block',
    ...capacityLines(page),
    '',
    'Reward and cost',
    ...rewardLines(page),
    '',
    ...winnerLines(page),
  ]
  return `${lines.join('\n')}\n`
}

function alarmLines({ alarms, blocksPerFalseAlarm }: WorkPage): string[] {
  if (alarms.length === 0) return ['No alarm.']
  return [
    `${counted(alarms.length, 'ALARM')} (a chain of honest miners raises each of the WORK and KEY alarms less than once in ${short(blocksPerFalseAlarm)} blocks)`,
    ...alarms.map(
      ({ code, sinceHeight, lastHeight, message }) =>
        `  ${code} since height ${sinceHeight}, last seen at ${lastHeight}\n    ${messageOf(message)}`,
    ),
  ]
}

function rateLines({ rates, growth, datedHeight }: WorkPage): string[] {
  if (rates.length === 0) return ['  not known yet: a time counts once five blocks have confirmed it']
  const [shortest] = rates
  return [
    ...rates.map((rate) => {
      const range = `${macs(rate.low)} to ${macs(rate.high)}`
      return `  newest ${counted(rate.blocks, 'block').padEnd(12)}${`${macs(rate.value)}/s`.padStart(14)}   95 %: ${range}`
    }),
    `  up to height ${datedHeight}, the newest one whose time is confirmed`,
    ...(growth === undefined
      ? []
      : [
          `  the newest ${shortest!.blocks} against those before: ${short(growth.value)} times${interval(growth, short)}`,
        ]),
  ]
}

function capacityLines(page: WorkPage): string[] {
  const { workMacs, asks, askKeys, declaredMacs, roomMacs, averageWorkMacs, blockTimeMs } = page
  const rows: [string, string][] = [
    ['work done', workMacs === undefined ? 'not known yet' : `${macs(workMacs)} in ${duration(blockTimeMs)}`],
    [
      'declared in asks',
      asks === 0 ? 'nothing' : `${macs(declaredMacs)} in ${counted(asks, 'ask')} of ${counted(askKeys, 'key')}`,
    ],
    ['of which counts', macs(roomMacs)],
    ['matured work of these', macs(averageWorkMacs)],
  ]
  return rows.map(([name, value]) => `  ${name.padEnd(24)}${value}`)
}

function rewardLines({ reward, lanes }: WorkPage): string[] {
  const paid = `  paid blocks             ${lanes.paidBlocks} of ${lanes.blocks}, ${percent(100 * lanes.paidWorkShare)} of the work`
  if (reward === undefined) return ['  no block yet']
  const { grainsPerGmac, cost, blocks } = reward
  return [
    `  mining pays             ${short(grainsPerGmac)} grains per GMAC, over ${counted(blocks, 'block')}`,
    cost === undefined
      ? '  clients pay             no price in the last 512 blocks'
      : `  clients pay             ${short(cost)} grains per GMAC for the same work: mining pays ${short(grainsPerGmac / cost)} times that`,
    paid,
  ]
}

function winnerLines({ winners }: WorkPage): string[] {
  const { blocks, keys, effectiveKeys, largest } = winners
  if (blocks === 0) return ['No winners yet']
  const even = effectiveKeys === undefined ? '' : `, as uneven as ${short(effectiveKeys)} equal ones`
  return [
    `Winners of the newest ${counted(blocks, 'block')}: ${counted(keys, 'key')}${even}`,
    ...largest.map((key) => {
      const declares = key.declaredMacs === 0 ? 'declares nothing' : `declares ${macs(key.declaredMacs)} per block`
      const part = `${percent(100 * key.value)}${interval(key, (share) => percent(100 * share))}`
      return `  ${shortKey(key.minerKey)}  ${counted(key.blocks, 'block').padStart(10)}  ${part.padEnd(32)}  ${declares}`
    }),
    ...(keys > largest.length ? [`  and ${keys - largest.length} more`] : []),
  ]
}

const interval = ({ low, high }: Interval, text: (value: number) => string): string =>
  ` (95 %: ${text(low)} to ${text(high)})`

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E'] as const

/** MACs with a decimal prefix: `5.2 GMAC`. */
export function macs(value: number): string {
  const step = value < 1000 ? 0 : Math.min(PREFIXES.length - 1, Math.floor(Math.log10(value) / 3))
  return `${short(value / 1000 ** step)} ${PREFIXES[step]}MAC`
}
