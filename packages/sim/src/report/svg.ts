/** Small inline charts: text in, SVG text out. Colours are CSS classes `s0`.. of the page, so they follow its theme. */

export const CHART_COLORS = 8
const WIDTH = 560
const PAD = { top: 10, right: 24, bottom: 38 }

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** A figure with four significant digits, whole numbers in full. */
export function figure(value: number): string {
  const size = Math.abs(value)
  if (size === 0 || (size >= 1000 && size < 1e9)) return value.toFixed(0)
  return size >= 1e9 || size < 0.0001 ? value.toExponential(2) : String(Number(value.toPrecision(4)))
}

/** A mean and the half-width of its interval, to two digits of the latter; the mean alone where there is no spread. */
export function withSpread(mean: number, half: number | undefined): string {
  // Equal values leave no spread but that of rounding.
  if (half === undefined || half <= 1e-9 * Math.abs(mean)) return figure(mean)
  const digits = Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(half))))
  return `${mean.toFixed(digits)} ± ${half.toFixed(digits)}`
}

/** Labels of evenly spaced ticks, all with as many decimals as the step needs. */
function tickLabels(ticks: readonly number[]): string[] {
  const step = Math.abs(ticks[1]! - ticks[0]!)
  if (Math.max(...ticks.map(Math.abs)) >= 1e7 || step < 1e-6)
    return ticks.map((tick) => (tick === 0 ? '0' : tick.toExponential(1).replace('.0e', 'e').replace('e+', 'e')))
  return ticks.map((tick) => tick.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9))))
}

/** Round values that cover `low`..`high` in 1, 2 or 5 times a power of ten; at least two. */
export function ticksBetween(low: number, high: number, wanted: number): number[] {
  const span = high - low || Math.abs(high) || 1
  const power = 10 ** Math.floor(Math.log10(span / wanted))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => span / each <= wanted)!
  const first = Math.floor(low / step + 1e-9)
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9))
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** The low end of an axis: 0 where the values reach down far enough to compare lengths, else just below them. */
function axisStart(low: number, high: number): number {
  return low > 0 && low < high / 2 ? 0 : low
}

const at = (value: number): string => value.toFixed(1)

/** One curve of a {@link lineChart}: points with optional half-widths of their intervals. */
export interface Line {
  readonly color: number
  readonly dashed?: boolean
  readonly marked?: boolean
  readonly x: readonly number[]
  readonly y: readonly number[]
  readonly half?: readonly (number | undefined)[]
}

/** Curves over a common x axis, each with its band. */
export function lineChart(lines: readonly Line[], xTitle: string, yTitle: string): string {
  const height = 260
  const left = 58
  const xs = lines.flatMap((line) => line.x)
  const lows = lines.flatMap((line) => line.y.map((y, i) => y - (line.half?.[i] ?? 0)))
  const highs = lines.flatMap((line) => line.y.map((y, i) => y + (line.half?.[i] ?? 0)))
  const lowest = Math.min(...lines.flatMap((line) => line.y))
  // A band that reaches below 0 around values that cannot be negative is cut there.
  const low = lowest >= 0 ? Math.max(0, Math.min(...lows)) : Math.min(...lows)
  const high = Math.max(...highs)
  const yTicks = ticksBetween(axisStart(low, high), high, 6)
  const xHigh = Math.max(...xs)
  const xLow = axisStart(Math.min(...xs), xHigh)
  const xTicks = ticksBetween(xLow, xHigh, 8).filter((tick) => tick >= xLow && tick <= xHigh)
  const [yLow, yHigh] = [yTicks[0]!, yTicks.at(-1)!]
  const px = (x: number): number => left + ((x - xLow) / (xHigh - xLow || 1)) * (WIDTH - left - PAD.right)
  const py = (y: number): number => {
    const inside = Math.min(yHigh, Math.max(yLow, y))
    return height - PAD.bottom - ((inside - yLow) / (yHigh - yLow)) * (height - PAD.top - PAD.bottom)
  }
  const parts: string[] = []
  const yLabels = tickLabels(yTicks)
  for (const [i, tick] of yTicks.entries()) {
    parts.push(`<path class="grid" d="M${left} ${at(py(tick))}H${WIDTH - PAD.right}"/>`)
    parts.push(`<text x="${left - 6}" y="${at(py(tick) + 4)}" text-anchor="end">${yLabels[i]}</text>`)
  }
  const xLabels = tickLabels(xTicks)
  for (const [i, tick] of xTicks.entries())
    parts.push(`<text x="${at(px(tick))}" y="${height - PAD.bottom + 16}" text-anchor="middle">${xLabels[i]}</text>`)
  parts.push(`<text x="${WIDTH - PAD.right}" y="${height - 4}" text-anchor="end">${escapeText(xTitle)}</text>`)
  for (const line of lines) {
    const points = line.x.map((x, i) => ({ x: px(x), y: line.y[i]!, half: line.half?.[i] ?? 0 }))
    if (points.some(({ half }) => half > 0)) {
      const upper = points.map(({ x, y, half }) => `${at(x)} ${at(py(y + half))}`)
      const lower = points.map(({ x, y, half }) => `${at(x)} ${at(py(y - half))}`).reverse()
      parts.push(`<path class="band s${line.color}" d="M${[...upper, ...lower].join('L')}Z"/>`)
    }
    const path = points.map(({ x, y }) => `${at(x)} ${at(py(y))}`).join('L')
    parts.push(`<path class="line s${line.color}${line.dashed === true ? ' dashed' : ''}" d="M${path}"/>`)
    if (line.marked === true)
      for (const { x, y } of points)
        parts.push(`<circle class="dot s${line.color}" cx="${at(x)}" cy="${at(py(y))}" r="3.5"/>`)
  }
  return svg(height, `${yTitle} over ${xTitle}`, parts)
}

/** One row of a {@link dotPlot}: a mean with its interval. */
export interface Dot {
  readonly label: string
  readonly color: number
  readonly mean: number
  readonly half: number | undefined
}

/** Means as dots with whiskers, one row each, with the figures at the right. */
export function dotPlot(rows: readonly Dot[], unit: string): string {
  const rowHeight = 24
  const height = PAD.top + rows.length * rowHeight + PAD.bottom
  const longest = Math.max(...rows.map((row) => row.label.length))
  const left = Math.min(250, 16 + longest * 7.2)
  const right = 150
  const lows = rows.map((row) => row.mean - (row.half ?? 0))
  const highs = rows.map((row) => row.mean + (row.half ?? 0))
  const ticks = ticksBetween(axisStart(Math.min(...lows), Math.max(...highs)), Math.max(...highs), 5)
  const [low, high] = [ticks[0]!, ticks.at(-1)!]
  const px = (x: number): number => left + ((x - low) / (high - low)) * (WIDTH - left - right)
  const bottom = height - PAD.bottom
  const parts: string[] = []
  const labels = tickLabels(ticks)
  for (const [i, tick] of ticks.entries()) {
    parts.push(`<path class="grid" d="M${at(px(tick))} ${PAD.top}V${bottom}"/>`)
    parts.push(`<text x="${at(px(tick))}" y="${bottom + 16}" text-anchor="middle">${labels[i]}</text>`)
  }
  parts.push(`<text x="${WIDTH - PAD.right}" y="${height - 4}" text-anchor="end">${escapeText(unit)}</text>`)
  rows.forEach((row, i) => {
    const y = PAD.top + (i + 0.5) * rowHeight
    const label = row.label.length > 34 ? `${row.label.slice(0, 33)}…` : row.label
    parts.push(`<text x="${left - 10}" y="${at(y + 4)}" text-anchor="end">${escapeText(label)}</text>`)
    if (row.half !== undefined) {
      const [from, to] = [px(row.mean - row.half), px(row.mean + row.half)]
      parts.push(
        `<path class="line s${row.color}" d="M${at(from)} ${y}H${at(to)}M${at(from)} ${y - 5}v10M${at(to)} ${y - 5}v10"/>`,
      )
    }
    parts.push(`<circle class="dot s${row.color}" cx="${at(px(row.mean))}" cy="${y}" r="4"/>`)
    parts.push(`<text x="${WIDTH - 4}" y="${at(y + 4)}" text-anchor="end">${withSpread(row.mean, row.half)}</text>`)
  })
  return svg(height, unit, parts)
}

function svg(height: number, title: string, parts: readonly string[]): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeText(title)}">${parts.join('')}</svg>`
}
