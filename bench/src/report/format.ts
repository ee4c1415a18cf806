import type { Spread } from '../stats.ts'

/** Three significant digits, thousands apart, whole numbers in full. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString('en-US')
  if (size === 0) return '0'
  return size >= 0.001 ? String(Number(value.toPrecision(3))) : value.toExponential(1)
}

/** A median with its quartiles. */
export function withQuartiles({ median, q1, q3 }: Spread): string {
  return `${figure(median)} (${figure(q1)} to ${figure(q3)})`
}

export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[],
): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(header), line(header.map((_, i) => (right.includes(i) ? '--:' : '---'))), ...rows.map(line)].join('\n')
}
