/** `docs/results/usefulness.svg`: for each network who had the reward, and what processor time went into. */
import type { Figures } from './figures.ts'
import type { Purpose } from './machine.ts'
import { type Pooled, pooled } from './pooled.ts'

const WIDTH = 900
const LEFT = 250
const BAR = 18
const GAP = 12
const SPAN: number = WIDTH - LEFT - 20

interface Part {
  readonly label: string
  readonly share: number
  readonly colour: string
}

/** Colours that stay apart for the colour-blind (Okabe and Ito). */
const MINERS = [
  ['honest', 'honest inference', '#009e73'],
  ['self-dealing', 'self-dealing', '#56b4e9'],
  ['first-layer', 'first layer only', '#e69f00'],
  ['random', 'random matrices', '#d55e00'],
] as const
const TIMES: readonly (readonly [Purpose, string, string])[] = [
  ['clients', 'clients’ jobs', '#009e73'],
  ['chain prompts', 'the chain’s prompts', '#8fd3bd'],
  ['own prompts', 'prompts of its own', '#f0e442'],
  ['own jobs', 'fake jobs', '#56b4e9'],
  ['draws without inference', 'draws without inference', '#d55e00'],
]

export function plot(runs: readonly Figures[]): string {
  const pools = pooled(runs)
  const rewards = pools.map((pool) =>
    bar(
      pool,
      MINERS.map(([name, label, colour]) => ({ label, colour, share: share(pool, name) })),
    ),
  )
  const times = pools.map((pool) => bar(pool, timeParts(runs.filter(({ name }) => name === pool.name))))
  const height = (bars: readonly unknown[]): number => 70 + bars.length * (BAR + GAP)
  const top = height(rewards)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${top + height(times)}" font-family="sans-serif" font-size="13">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...panel(
      'Share of reward',
      0,
      MINERS.map(([, label, colour]) => ({ label, colour })),
      rewards,
    ),
    ...panel(
      'What processor time went into',
      top,
      TIMES.map(([, label, colour]) => ({ label, colour })),
      times,
    ),
    '</svg>',
    '',
  ].join('\n')
}

const share = ({ miners }: Pooled, name: string): number => miners.find((miner) => miner.name === name)!.rewardShare

function timeParts(runs: readonly Figures[]): Part[] {
  const spent = (purpose: Purpose): number =>
    runs.reduce((sum, { miners }) => sum + miners.reduce((part, { spentMs }) => part + spentMs[purpose], 0), 0)
  const all = TIMES.reduce((sum, [purpose]) => sum + spent(purpose), 0)
  return TIMES.map(([purpose, label, colour]) => ({ label, colour, share: spent(purpose) / all }))
}

interface Bar {
  readonly name: string
  readonly parts: readonly Part[]
}

const bar = ({ name }: Pooled, parts: readonly Part[]): Bar => ({ name, parts })
const escaped = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)

function panel(
  title: string,
  top: number,
  legend: readonly Pick<Part, 'label' | 'colour'>[],
  bars: readonly Bar[],
): string[] {
  const out = [`<text x="10" y="${top + 22}" font-size="15" font-weight="bold">${title}</text>`]
  let x = 10
  for (const { label, colour } of legend) {
    out.push(`<rect x="${x}" y="${top + 34}" width="12" height="12" fill="${colour}"/>`)
    out.push(`<text x="${x + 16}" y="${top + 45}" font-size="12">${escaped(label)}</text>`)
    x += 30 + 6.6 * label.length
  }
  for (const [i, { name, parts }] of bars.entries()) {
    const y = top + 58 + i * (BAR + GAP)
    out.push(`<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${escaped(name)}</text>`)
    let from = LEFT
    for (const { label, share: part, colour } of parts) {
      if (part === 0) continue
      const width = part * SPAN
      const percent = `${(100 * part).toFixed(part < 0.0995 ? 1 : 0)} %`
      out.push(
        `<rect x="${from.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${colour}"><title>${escaped(`${name}: ${label} ${percent}`)}</title></rect>`,
      )
      if (width > 40)
        out.push(
          `<text x="${(from + width / 2).toFixed(1)}" y="${y + 13}" text-anchor="middle" font-size="11">${percent}</text>`,
        )
      from += width
    }
  }
  return out
}
