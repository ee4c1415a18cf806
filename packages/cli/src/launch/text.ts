/** The audit on the terminal. */
import { CHAIN_LIMITS, headStartAssumptions } from './assumptions.ts'
import type { LaunchAudit } from './audit.ts'
import type { ChainAudit } from './chain.ts'
import { counted, DAY_MS, duration, percent } from './format.ts'
import {
  allocationRows,
  chainRows,
  headStartRows,
  minerRows,
  splitRows,
  supplyRows,
  type Table,
  windowRows,
} from './tables.ts'

const SHOWN_MINERS = 10
const WIDTH = 100

export function auditText(audit: LaunchAudit): string {
  const lines = [
    `Launch audit: ${audit.subject}`,
    ...audit.overrides.map((line) => `  with ${line}`),
    `network ${audit.network}, parameters ${audit.paramsHash}`,
    ...(audit.chain === undefined ? [] : differenceLines(audit.chain)),
    '',
    ...findingLines(audit),
    ...section('Premine, team share, faucet', table(allocationRows(audit))),
    ...section('Supply curve', table(supplyRows(audit))),
    halfText(audit),
    ...section('Who gets the subsidies (ECO-3)', table(splitRows(audit))),
    ...splitNotes(audit),
    ...headStartLines(audit),
    ...(audit.chain === undefined ? [] : chainLines(audit.chain)),
  ]
  return `${lines.join('\n')}\n`
}

const section = (title: string, lines: readonly string[]): string[] => ['', title, ...lines]

function differenceLines({ difference }: ChainAudit): string[] {
  if (difference.lines.length === 0) return [`parameters are those of the preset ${difference.preset}`]
  return [
    `nearest preset ${difference.preset}, from which differ:`,
    ...difference.lines.map((line) => `  ${line.path}: ${line.preset} -> ${line.chain}`),
  ]
}

function findingLines({ findings }: LaunchAudit): string[] {
  const count = (verdict: string): number => findings.filter((finding) => finding.verdict === verdict).length
  const width = Math.max(...findings.map(({ id }) => id.length))
  return [
    `${counted(findings.length, 'finding')}: ${count('PASS')} PASS, ${count('WARN')} WARN, ${count('FAIL')} FAIL`,
    ...findings.flatMap(({ verdict, id, reason }) => {
      const [first, ...rest] = wrapped(reason, WIDTH - width - 9)
      return [`  ${verdict}  ${id.padEnd(width)} ${first}`, ...rest.map((line) => `${' '.repeat(width + 9)}${line}`)]
    }),
  ]
}

function halfText({ supply }: LaunchAudit): string {
  return supply.half === undefined
    ? '  half of it is never emitted'
    : `  half of it is emitted after ${duration(supply.half.days * DAY_MS)}, at height ${supply.half.height.toLocaleString('en-US')}`
}

export function splitNotes({ split }: LaunchAudit): string[] {
  return split.leftOut.length === 0 ? [] : [`  left out as too many blocks: ${split.leftOut.join(', ')}`]
}

function headStartLines({ headStart }: LaunchAudit): string[] {
  const { reference } = headStart
  return [
    ...section(
      "What a k times faster kernel with d days of head start owns of the first year's supply",
      table(headStartRows(headStart)),
    ),
    `  k = ${reference.kernelFactor}, d = ${reference.headStartDays}: ${percent(reference.percent)}${reference.percentWithoutRamp === undefined ? '' : `; without the ramp ${percent(reference.percentWithoutRamp)}`}${reference.percentOfPaid === undefined ? '' : `; of what coinbases paid to miners ${percent(reference.percentOfPaid)}`}`,
    ...headStartAssumptions(headStart).flatMap((text) => bullet(text)),
  ]
}

function chainLines(chain: ChainAudit): string[] {
  const left = chain.miners.length - SHOWN_MINERS
  return [
    ...section('The chain', table(chainRows(chain))),
    ...section('Concentration over the first blocks', table(windowRows(chain))),
    ...section('Miners', table(minerRows(chain, SHOWN_MINERS))),
    ...(left > 0 ? [`  and ${left} more`] : []),
    ...CHAIN_LIMITS.flatMap((text) => bullet(text)),
  ]
}

function table({ head, rows }: Table): string[] {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]!.length)))
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')}`.trimEnd()
  return [line(head), ...rows.map(line)]
}

function bullet(text: string): string[] {
  return wrapped(text, WIDTH - 4).map((line, i) => `  ${i === 0 ? '-' : ' '} ${line}`)
}

function wrapped(text: string, width: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`
  }
  return lines
}
