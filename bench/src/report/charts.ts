import { DEVNET_DECODE, DEVNET_GATE_UP } from '../product-sections.ts'
import type { Result, RowResult, SectionResult } from '../result.ts'
import type { SubjectId } from '../section.ts'
import { type Bar, type BarGroup, bars } from './bars.ts'

/** Charts of a run by file name; one without data is left out. */
export function charts(result: Result): Map<string, string> {
  const made = new Map<string, string>()
  const add = (name: string, groups: readonly BarGroup[], draw: (groups: readonly BarGroup[]) => string): void => {
    const drawn = groups.filter((group) => group.bars.length > 0)
    if (drawn.length > 0) made.set(`performance-${name}.svg`, draw(drawn))
  }
  const of = (topic: SectionResult['topic']): SectionResult[] =>
    result.sections.filter((section) => section.topic === topic)
  const rates = (sections: readonly SectionResult[]): BarGroup[] =>
    sections.map(({ title, rows }) => ({ title, bars: rows.flatMap(rateBar) }))

  add('gemm', rates(of('gemm').filter(({ id }) => DRAWN_SHAPES.includes(id))), (groups) =>
    bars('Speed of int8 products', groups, { unit: 'GOP/s, logarithmic', log: true }),
  )
  add('lottery', of('lottery').concat(of('units')).map(prices), (groups) =>
    bars('Price of the lottery', groups, { unit: 'time with over without', line: { at: 1, label: 'free' } }),
  )
  add('units', of('units').map(times), (groups) =>
    bars('Work on one unit of the devnet', groups, { unit: 'milliseconds, logarithmic', log: true }),
  )
  add('tokens', rates(of('tokens')), (groups) => bars('Tokens per second', groups, { unit: 'tokens/s' }))
  return made
}

/** One shape for each regime; the tables have all. */
const DRAWN_SHAPES: readonly string[] = [
  '2048x2048x2048',
  '1024x1024x1024',
  '128x4096x4096',
  DEVNET_GATE_UP,
  DEVNET_DECODE,
]

const SLOW: ReadonlySet<SubjectId> = new Set<SubjectId>(['scalar', 'reference'])
const OWN: ReadonlySet<SubjectId> = new Set<SubjectId>(['nacre', 'revectorize', 'simd'])

const colour = (subject: SubjectId): Bar['colour'] => (OWN.has(subject) ? 0 : SLOW.has(subject) ? 2 : 1)

function rateBar({ label, subject, rate, ms }: RowResult): Bar[] {
  if (rate === undefined || ms === undefined) return []
  const scale = rate.value * ms.median
  return [{ label, value: rate.value, from: scale / ms.q3, to: scale / ms.q1, colour: colour(subject) }]
}

function times({ title, rows }: SectionResult): BarGroup {
  return {
    title,
    bars: rows.flatMap(({ label, subject, ms }): Bar[] =>
      ms === undefined ? [] : [{ label, value: ms.median, from: ms.q1, to: ms.q3, colour: colour(subject) }],
    ),
  }
}

function prices({ title, ratios }: SectionResult): BarGroup {
  return {
    title,
    bars: ratios.flatMap(({ label, ratio }): Bar[] =>
      ratio === undefined || !label.startsWith('price of')
        ? []
        : [{ label, value: ratio.median, from: ratio.q1, to: ratio.q3, colour: 0 }],
    ),
  }
}
