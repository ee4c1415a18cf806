/** Small charts as inline SVG: lines and bars. Colours are classes of the page, so they follow its light or dark theme. */

/** Classes s0, s1, ... that the page colours. */
export const CHART_COLORS = 6

export interface Line {
  readonly label: string
  readonly x: readonly number[]
  readonly y: readonly number[]
  readonly dashed?: boolean
  readonly marked?: boolean
}

export interface Bar {
  readonly label: string
  readonly value: number
  readonly text: string
}

export interface Axes {
  readonly xLabel: string
  readonly yLabel: string
  /** Logarithmic, and named so, where the values span a decade or so; values that are not positive are left out. */
  readonly yLog?: boolean
}

const WIDTH = 520
const HEIGHT = 260
const LEFT = 62
const RIGHT = 14
const TOP = 12
const BOTTOM = 40
/** Values closer together have few ticks on a logarithmic scale. */
const MIN_LOG_RATIO = 4
const BAR_HEIGHT = 20
const BAR_LABEL = 130
const BAR_TEXT = 110

export function escapeText(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (character) => names[character]!)
}

interface Scale {
  readonly at: (value: number) => number
  readonly ticks: readonly number[]
}

/** Ticks at 1, 2 or 5 times a power of ten, about five of them. `toTick`: the scale ends at one. */
function linearScale(min: number, max: number, from: number, to: number, toTick: boolean): Scale {
  const rough = (max > min ? max - min : 1) / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10)
  const end = toTick ? Math.ceil(max / step - 1e-9) * step : max
  const range = end > min ? end - min : 1
  const ticks: number[] = []
  for (let i = Math.ceil(min / step - 1e-9); i * step <= min + range * (1 + 1e-9); i++) ticks.push(i * step)
  return { at: (value) => from + ((value - min) / range) * (to - from), ticks }
}

/** Ticks at powers of ten, and at 2 and 5 times them where there are few. */
function logScale(min: number, max: number, from: number, to: number): Scale {
  const low = Math.log10(min)
  const range = max > min ? Math.log10(max) - low : 1
  const factors = range > 2.5 ? [1] : [1, 2, 5]
  const ticks: number[] = []
  const every = Math.max(1, Math.ceil(range / 6))
  for (let power = Math.floor(low); power <= low + range + 1e-9; power++)
    for (const factor of factors) {
      const tick = factor * 10 ** power
      const isInside = Math.log10(tick) >= low - 1e-9 && Math.log10(tick) <= low + range + 1e-9
      if (isInside && (factors.length > 1 || power % every === 0)) ticks.push(tick)
    }
  return { at: (value) => from + ((Math.log10(value) - low) / range) * (to - from), ticks }
}

const n = (value: number): string => value.toFixed(1)

export function tickText(value: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size < 1e-3) return value.toExponential(0)
  if (size < 1e4) return String(Number(value.toPrecision(4)))
  for (const [unit, name] of [
    [1e18, 'E'],
    [1e15, 'P'],
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const)
    if (size >= unit) return `${Number((value / unit).toPrecision(3))}${name}`
  return value.toExponential(0)
}

/** Lines with a legend below the title; the linear axes contain 0. */
export function lineChart(lines: readonly Line[], axes: Axes): string {
  const yLog = axes.yLog ?? false
  const shown = lines.map((line) => ({
    line,
    points: line.x
      .map((x, i) => [x, line.y[i]!] as const)
      .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y) && (!yLog || y > 0)),
  }))
  const all = shown.flatMap(({ points }) => points)
  if (all.length === 0) return '<p class="soft">nothing to draw</p>'
  const ys = all.map(([, value]) => value)
  const isLog = yLog && Math.max(...ys) > MIN_LOG_RATIO * Math.min(...ys)
  const x = linearScale(
    Math.min(0, ...all.map(([value]) => value)),
    Math.max(...all.map(([value]) => value)),
    LEFT,
    WIDTH - RIGHT,
    false,
  )
  const y = isLog
    ? logScale(Math.min(...ys), Math.max(...ys), HEIGHT - BOTTOM, TOP)
    : linearScale(Math.min(0, ...ys), Math.max(...ys), HEIGHT - BOTTOM, TOP, true)
  const yLabel = isLog ? `${axes.yLabel} (logarithmic)` : axes.yLabel
  const grid = [
    ...y.ticks.map(
      (tick) =>
        `<path class="grid" d="M${LEFT} ${n(y.at(tick))}H${WIDTH - RIGHT}"/><text x="${LEFT - 6}" y="${n(y.at(tick) + 4)}" text-anchor="end">${tickText(tick)}</text>`,
    ),
    ...x.ticks.map(
      (tick) =>
        `<path class="grid" d="M${n(x.at(tick))} ${HEIGHT - BOTTOM}v4"/><text x="${n(x.at(tick))}" y="${HEIGHT - BOTTOM + 17}" text-anchor="middle">${tickText(tick)}</text>`,
    ),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 5}" text-anchor="middle">${escapeText(axes.xLabel)}</text>`,
    `<text transform="translate(12 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escapeText(yLabel)}</text>`,
  ]
  const paths = shown.map(({ line, points }, i) => {
    const at = points.map(([px, py]) => [n(x.at(px)), n(y.at(py))] as const)
    const path = `<path class="line s${i % CHART_COLORS}${line.dashed === true ? ' dashed' : ''}" d="M${at.map((point) => point.join(' ')).join('L')}"/>`
    const isMarked = line.marked === true || at.length === 1
    const dots = isMarked
      ? at.map(([px, py]) => `<circle class="dot s${i % CHART_COLORS}" cx="${px}" cy="${py}" r="3"/>`)
      : []
    return (at.length === 0 ? '' : path) + dots.join('')
  })
  return `${lines.length > 1 ? legend(lines) : ''}<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">${grid.join('')}${paths.join('')}</svg>`
}

function legend(lines: readonly Line[]): string {
  const items = lines.map(
    (line, i) =>
      `<li><svg viewBox="0 0 22 10"><path class="line s${i % CHART_COLORS}${line.dashed === true ? ' dashed' : ''}" d="M0 5H22"/></svg>${escapeText(line.label)}</li>`,
  )
  return `<ul class="legend">${items.join('')}</ul>`
}

/** Horizontal bars from 0, each with its label and its value as text. */
export function barChart(bars: readonly Bar[]): string {
  if (bars.length === 0) return '<p class="soft">nothing to draw</p>'
  const max = Math.max(...bars.map(({ value }) => value))
  const height = bars.length * BAR_HEIGHT + 8
  const rows = bars.map(({ label, value, text }, i) => {
    const top = 4 + i * BAR_HEIGHT
    const width = max > 0 ? (value / max) * (WIDTH - BAR_LABEL - BAR_TEXT) : 0
    const middle = top + BAR_HEIGHT / 2 + 4
    return `<text x="${BAR_LABEL - 8}" y="${middle}" text-anchor="end">${escapeText(label)}</text><rect class="bar" x="${BAR_LABEL}" y="${top + 3}" width="${n(width)}" height="${BAR_HEIGHT - 6}"/><text x="${n(BAR_LABEL + width + 6)}" y="${middle}">${escapeText(text)}</text>`
  })
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img">${rows.join('')}</svg>`
}

/** At most `count` points: means of consecutive groups. */
export function thinned(values: readonly number[], count: number): number[] {
  if (values.length <= count) return [...values]
  return Array.from({ length: count }, (_, i) => {
    const group = values.slice(Math.floor((i * values.length) / count), Math.floor(((i + 1) * values.length) / count))
    return group.reduce((sum, value) => sum + value, 0) / group.length
  })
}
