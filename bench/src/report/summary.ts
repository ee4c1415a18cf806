import { differences } from '../goals.ts'
import type { Result } from '../result.ts'
import { figure, withQuartiles } from './format.ts'

/** What a terminal shows: speeds of the products, then the goals. */
export function summary(result: Result, folder: string | undefined): string {
  const lines: string[] = []
  for (const { title, topic, rows, ratios } of result.sections) {
    lines.push(`${topic}: ${title}`)
    for (const { label, ms, rate, missing } of rows) {
      if (missing !== undefined) lines.push(`  ${label.padEnd(52)} skipped: ${missing}`)
      else if (ms !== undefined)
        lines.push(
          `  ${label.padEnd(52)} ${`${figure(ms.median)} ms`.padStart(12)}${rate === undefined ? '' : ` ${`${figure(rate.value)} ${rate.unit}`.padStart(18)}`}`,
        )
    }
    for (const { label, ratio } of ratios)
      if (ratio !== undefined) lines.push(`  ${`${label}:`.padEnd(52)} ${withQuartiles(ratio)}`)
  }
  const off = differences(result)
  lines.push('', `goals${off.length === 0 ? '' : ` (${off.join('; ')})`}`)
  for (const { text, comparison, target, value, met } of result.goals) {
    if (value === undefined) continue
    lines.push(
      `  ${(met === true ? 'met' : 'NOT MET').padEnd(8)} ${text}, ${comparison} ${target}: ${withQuartiles(value)}`,
    )
  }
  const open = result.goals.filter(({ met }) => met === undefined).length
  if (open > 0) lines.push(`  ${open} not measured`)
  for (const text of result.disagreements) lines.push(`wrong: ${text}`)
  lines.push('', `${Math.round(result.seconds)} s${folder === undefined ? '' : `, written to ${folder}`}`, '')
  return lines.join('\n')
}
