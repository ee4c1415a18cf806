/** Horizontal bars as a standalone SVG file that reads well on light and dark pages. */
import { figure } from './format.ts'

export interface Bar {
  readonly label: string
  readonly value: number
  /** Quartiles, drawn as a whisker. */
  readonly from?: number
  readonly to?: number
  /** 0 for Nacre, 1 for others, 2 for what is slow by design. */
  readonly colour: 0 | 1 | 2
}

export interface BarGroup {
  readonly title: string
  readonly bars: readonly Bar[]
}

export interface BarsOptions {
  readonly unit: string
  /** Logarithmic where values span orders of magnitude. */
  readonly log?: boolean
  /** A line across all groups, such as a goal. */
  readonly line?: { readonly at: number; readonly label: string }
}

const WIDTH = 720
const ROW = 18
const TITLE = 24
/** About the width of a letter of a label. */
const LETTER = 6.9
const RIGHT = 76
const TOP = 8
const BOTTOM = 34

const STYLE = `text{font:12px system-ui,sans-serif;fill:#333}.t{font-weight:600}.g{stroke:#ccc;stroke-width:1}.w{stroke:#333;stroke-width:1}
.l{stroke:#c33;stroke-dasharray:4 3}.c0{fill:#2a7fb8}.c1{fill:#999}.c2{fill:#d9a441}
@media(prefers-color-scheme:dark){text{fill:#ddd}.g{stroke:#444}.w{stroke:#ddd}}`

export function bars(title: string, groups: readonly BarGroup[], options: BarsOptions): string {
  const { unit, log = false, line } = options
  const longest = Math.max(...groups.flatMap((group) => group.bars.map(({ label }) => label.length)))
  const left = Math.ceil(longest * LETTER) + 12
  const values = groups.flatMap((group) =>
    group.bars.flatMap(({ value, from, to }) => [value, from ?? value, to ?? value]),
  )
  const all = line === undefined ? values : [...values, line.at]
  const [low, high] = log ? logRange(all) : [0, Math.max(...all) * 1.02]
  const place = log
    ? (value: number): number => Math.log(Math.max(value, low) / low) / Math.log(high / low)
    : (value: number): number => value / high
  const x = (value: number): number => left + place(value) * (WIDTH - left - RIGHT)

  const height = TOP + groups.reduce((sum, group) => sum + TITLE + ROW * group.bars.length, 0) + BOTTOM
  const bottom = height - BOTTOM
  const parts: string[] = []
  for (const tick of log ? logTicks(low, high) : linearTicks(high)) {
    parts.push(`<path class="g" d="M${at(x(tick))} ${TOP}V${bottom}"/>`)
    parts.push(`<text x="${at(x(tick))}" y="${bottom + 15}" text-anchor="middle">${figure(tick)}</text>`)
  }
  parts.push(`<text x="${WIDTH - 4}" y="${bottom + 29}" text-anchor="end">${escapeText(unit)}</text>`)
  let y = TOP
  for (const group of groups) {
    parts.push(`<text class="t" x="4" y="${y + 17}">${escapeText(group.title)}</text>`)
    y += TITLE
    for (const bar of group.bars) {
      const middle = y + ROW / 2
      parts.push(`<text x="${left - 6}" y="${middle + 4}" text-anchor="end">${escapeText(bar.label)}</text>`)
      parts.push(
        `<rect class="c${bar.colour}" x="${left}" y="${y + 3}" width="${at(x(bar.value) - left)}" height="${ROW - 6}"/>`,
      )
      if (bar.from !== undefined && bar.to !== undefined)
        parts.push(`<path class="w" d="M${at(x(bar.from))} ${middle}H${at(x(bar.to))}"/>`)
      const end = Math.max(x(bar.value), x(bar.to ?? bar.value))
      parts.push(`<text x="${at(end + 5)}" y="${middle + 4}">${figure(bar.value)}</text>`)
      y += ROW
    }
  }
  if (line !== undefined) {
    parts.push(`<path class="l" d="M${at(x(line.at))} ${TOP}V${bottom}"/>`)
    parts.push(`<text x="${at(x(line.at))}" y="${bottom + 29}" text-anchor="middle">${escapeText(line.label)}</text>`)
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeText(title)}"><style>${STYLE}</style>\n${parts.join('\n')}\n</svg>\n`
}

const at = (value: number): string => value.toFixed(1)

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** Whole powers of ten around positive values. */
export function logRange(values: readonly number[]): [number, number] {
  const positive = values.filter((value) => value > 0)
  return [10 ** Math.floor(Math.log10(Math.min(...positive))), 10 ** Math.ceil(Math.log10(Math.max(...positive)))]
}

export function logTicks(low: number, high: number): number[] {
  const ticks: number[] = []
  for (let tick = low; tick <= high * 1.0001; tick *= 10) ticks.push(tick)
  return ticks
}

function linearTicks(high: number): number[] {
  const power = 10 ** Math.floor(Math.log10(high))
  const step = [0.2, 0.5, 1, 2].map((factor) => factor * power).find((each) => high / each <= 6)!
  return Array.from({ length: Math.floor(high / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)))
}
