/** Curves and measured points as a standalone SVG file that reads well on light and dark pages. */
import { escapeText, logRange, logTicks } from './bars.ts'
import { figure } from './format.ts'

export interface CurvePoint {
  readonly x: number
  readonly y: number
}

export interface MeasuredPoint extends CurvePoint {
  /** Ends of its interval. */
  readonly low: number
  readonly high: number
}

/** One colour: what theory says as a line, what was measured as dots with whiskers. */
export interface Series {
  readonly label: string
  readonly line?: readonly CurvePoint[]
  readonly points?: readonly MeasuredPoint[]
}

export interface CurvesOptions {
  readonly xTitle: string
  readonly yTitle: string
  /** Both axes start at 0 unless x is logarithmic; y ends here. */
  readonly yMax: number
  readonly logX?: boolean
}

const [WIDTH, HEIGHT] = [720, 380]
const PAD = { left: 52, right: 20, top: 14, bottom: 44 }
const COLOURS = 5

const STYLE = `text{font:12px system-ui,sans-serif;fill:#333}.g{stroke:#ccc;stroke-width:1}.l{fill:none;stroke-width:1.8}.w{stroke-width:1.2}
${['#2a7fb8', '#c9570c', '#17824f', '#a2318f', '#7a6100'].map((colour, i) => `.l${i},.w${i}{stroke:${colour}}.d${i}{fill:${colour}}`).join('')}
@media(prefers-color-scheme:dark){text{fill:#ddd}.g{stroke:#444}
${['#6aa9f5', '#f0954f', '#5cc98f', '#e285d3', '#d6b93f'].map((colour, i) => `.l${i},.w${i}{stroke:${colour}}.d${i}{fill:${colour}}`).join('')}}`

export function curves(title: string, series: readonly Series[], options: CurvesOptions): string {
  const { xTitle, yTitle, yMax, logX = false } = options
  const xs = series.flatMap(({ line = [], points = [] }) => [...line, ...points].map(({ x }) => x))
  const [low, high] = logX ? logRange(xs) : [0, Math.max(...xs)]
  const place = (x: number): number => (logX ? Math.log(x / low) / Math.log(high / low) : x / high)
  const px = (x: number): string => (PAD.left + place(x) * (WIDTH - PAD.left - PAD.right)).toFixed(1)
  const bottom = HEIGHT - PAD.bottom
  const py = (y: number): string => (bottom - (y / yMax) * (bottom - PAD.top)).toFixed(1)
  const parts: string[] = []
  for (let i = 0; i <= 5; i++) {
    const y = (yMax * i) / 5
    parts.push(`<path class="g" d="M${PAD.left} ${py(y)}H${WIDTH - PAD.right}"/>`)
    parts.push(`<text x="${PAD.left - 6}" y="${Number(py(y)) + 4}" text-anchor="end">${figure(y)}</text>`)
  }
  const ticks = logX ? logTicks(low, high) : [0, 0.2, 0.4, 0.6, 0.8, 1].map((part) => part * high)
  for (const tick of ticks) {
    parts.push(`<path class="g" d="M${px(tick)} ${PAD.top}V${bottom}"/>`)
    parts.push(`<text x="${px(tick)}" y="${bottom + 16}" text-anchor="middle">${figure(tick)}</text>`)
  }
  parts.push(`<text x="${WIDTH - 4}" y="${HEIGHT - 8}" text-anchor="end">${escapeText(xTitle)}</text>`)
  parts.push(`<text x="4" y="${HEIGHT - 8}">${escapeText(yTitle)}</text>`)
  series.forEach(({ label, line = [], points = [] }, i) => {
    const colour = i % COLOURS
    if (line.length > 0)
      parts.push(`<path class="l l${colour}" d="M${line.map(({ x, y }) => `${px(x)} ${py(y)}`).join('L')}"/>`)
    for (const { x, y, low: from, high: to } of points) {
      parts.push(`<path class="w w${colour}" d="M${px(x)} ${py(from)}V${py(to)}"/>`)
      parts.push(`<circle class="d${colour}" cx="${px(x)}" cy="${py(y)}" r="3"/>`)
    }
    const y = PAD.top + 14 + 17 * i
    parts.push(`<circle class="d${colour}" cx="${PAD.left + 14}" cy="${y - 4}" r="4"/>`)
    parts.push(`<text x="${PAD.left + 24}" y="${y}">${escapeText(label)}</text>`)
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escapeText(title)}"><style>${STYLE}</style>\n${parts.join('\n')}\n</svg>\n`
}
