import { describe, expect, test } from 'vitest'
import { differences, judge } from '../src/goals.ts'
import { describeMachine, othersBusy } from '../src/machine.ts'
import { plan } from '../src/plan.ts'
import { bars } from '../src/report/bars.ts'
import { charts } from '../src/report/charts.ts'
import { figure, withQuartiles } from '../src/report/format.ts'
import { markdown } from '../src/report/markdown.ts'
import { summary } from '../src/report/summary.ts'
import type { Result, SectionResult } from '../src/result.ts'
import { SUBJECTS } from '../src/section.ts'
import { ratios, spreadOf } from '../src/stats.ts'

/** A run of the whole plan with made-up times: row i of a section takes i + 1 ms, one row in seven is skipped. */
function synthetic(): Result {
  const sections = plan(false).map((section): SectionResult => {
    const rows = section.rows.map(({ id, label, subject, rate }, i) => {
      const missing = i % 7 === 6 ? 'not | installed' : undefined
      const samples = missing === undefined ? [i + 1, i + 1.25, i + 1.5] : []
      const ms = spreadOf(samples)
      return {
        ...{ id, label, subject, samples, ms },
        ...(missing === undefined ? {} : { missing }),
        ...(rate === undefined || ms === undefined
          ? {}
          : { rate: { value: rate.amount / ms.median, unit: rate.unit } }),
      }
    })
    const samples = (id: string): readonly number[] => rows.find((row) => row.id === id)?.samples ?? []
    return {
      ...{ id: section.id, topic: section.topic, group: section.group, title: section.title, rows },
      ratios: section.ratios.map(({ id, label, of, minus, over }) => ({
        ...{
          id,
          label,
          ratio: spreadOf(ratios(samples(of), samples(over), minus === undefined ? undefined : samples(minus))),
        },
      })),
    }
  })
  return {
    format: 'nacre-bench/1',
    date: '2026-11-28T12:00:00.000Z',
    quick: false,
    seconds: 321.4,
    machine: {
      cpu: 'Test CPU',
      arch: 'x64',
      cores: 2,
      isa: ['avx512_vnni'],
      memoryGiB: 8,
      os: 'Test OS',
      node: 'v24',
      v8: '13',
    },
    load: { before: 0.1, after: 2, others: 0.02 },
    subjects: [{ id: 'nacre', label: SUBJECTS.nacre, version: 'test kernels' }],
    absent: [{ id: 'onednn', label: SUBJECTS.onednn, reason: 'no compiler' }],
    disagreements: [],
    sections,
    goals: judge(sections),
  }
}

describe('the plan', () => {
  const sections = plan(false)

  test('names every row and ratio once, and ratios of rows that are there', () => {
    const rows = sections.flatMap(({ rows }) => rows.map(({ id }) => id))
    const all = sections.flatMap(({ ratios }) => ratios)
    expect(new Set(rows).size).toBe(rows.length)
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
    for (const { rows, ratios } of sections) {
      const ids = new Set(rows.map(({ id }) => id))
      for (const { of, minus = of, over } of ratios)
        for (const id of [of, minus, over]) expect([ids.has(id), id]).toEqual([true, id])
    }
  })

  test('measures what every goal asks for', () => {
    const result = synthetic()
    const whole = judge(
      result.sections.map((section) => ({
        ...section,
        rows: section.rows.map((row) => ({ ...row, ms: spreadOf([1]) })),
        ratios: section.ratios.map((ratio) => ({ ...ratio, ratio: spreadOf([1]) })),
      })),
    )
    expect(whole.filter(({ met }) => met === undefined)).toEqual([])
  })
})

describe('the machine', () => {
  test('is not quiet when others work', () => {
    expect(othersBusy({ all: 100, own: 10 }, { all: 115, own: 20 }, 10)).toBe(0.5)
    expect(othersBusy({ all: 100, own: 10 }, { all: 109, own: 20 }, 10)).toBe(0)
    expect(othersBusy(undefined, { all: 1, own: 1 }, 1)).toBeUndefined()
  })

  test('is described', () => {
    const { cores, arch, node, cpu } = describeMachine()
    expect(cores).toBeGreaterThan(0)
    expect([arch, node]).toEqual([process.arch, process.version])
    expect(cpu).not.toBe('')
  })
})

describe('goals', () => {
  const section = (value: number): SectionResult => ({
    ...{ id: 'unit', topic: 'units', group: '', title: '', rows: [] },
    ratios: [{ id: 'unit/price', label: '', ratio: spreadOf([value]) }],
  })
  const price = (value: number) =>
    judge([section(value)]).find(({ text }) => text.includes('devnet’s model at its own'))

  test('are met, missed, or not measured', () => {
    expect(price(1.5)).toMatchObject({ comparison: 'at most', target: 1.5, met: true })
    expect(price(1.51)).toMatchObject({ met: false })
    expect(judge([]).every(({ met }) => met === undefined)).toBe(true)
  })

  test('say where a run differs from their machine', () => {
    const { machine, load } = synthetic()
    expect(differences({ machine, load, quick: false })).toEqual([])
    const other = { ...machine, arch: 'arm64', cores: 8, isa: [] }
    expect(differences({ machine: other, load: { before: 0, after: 3, others: 0.8 }, quick: true })).toHaveLength(5)
  })
})

describe('the report', () => {
  const result = synthetic()
  const drawn = charts(result)
  const text = markdown(result, new Set(drawn.keys()))

  test('has every section, the goals with verdicts, the machine, and what was skipped', () => {
    for (const { group } of result.sections) expect(text).toContain(`### ${group}`.trim())
    for (const { title, topic } of result.sections)
      if (topic === 'gemm') expect(text).toMatch(new RegExp(`\\| ${title} \\|`))
    expect(text).toContain('Test CPU, 2 cores')
    expect(text).toContain('skipped: no compiler')
    expect(text).toContain('Skipped, not | installed: ')
    expect(text).toMatch(/\| (met|\*\*not met\*\*) \|/)
    for (const file of drawn.keys()) expect(text).toContain(`](${file})`)
  })

  test('has no holes', () => {
    for (const page of [text, summary(result, undefined), ...drawn.values()]) {
      expect(page).not.toMatch(/undefined|NaN|null|Infinity/)
    }
  })

  test('has tables with equally many cells in each row', () => {
    for (const block of text
      .trim()
      .split('\n\n')
      .filter((each) => each.startsWith('|'))) {
      const cells = block.split('\n').map((line) => line.replaceAll('\\|', '').split('|').length)
      expect(new Set(cells).size).toBe(1)
    }
  })

  test('survives JSON, charts included', () => {
    const again = JSON.parse(JSON.stringify(result)) as Result
    expect(charts(again)).toEqual(drawn)
    expect(markdown(again, new Set(drawn.keys()))).toBe(text)
  })

  test('shows three digits', () => {
    expect([0, 0.00012345, 0.12345, 12.345, 123.45, 12_345.6].map(figure)).toEqual([
      '0',
      '1.2e-4',
      '0.123',
      '12.3',
      '123',
      '12,346',
    ])
    expect(withQuartiles(spreadOf([1, 2, 3])!)).toBe('2 (1.5 to 2.5)')
  })
})

describe('charts', () => {
  const chart = (log: boolean): string =>
    bars(
      'T & t',
      [
        {
          title: 'g',
          bars: [
            { label: '<a>', value: 5, colour: 0 },
            { label: 'b', value: 50, colour: 1 },
          ],
        },
      ],
      {
        unit: 'u',
        log,
      },
    )
  const widths = (svg: string): number[] =>
    [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map((match) => Number(match[1]))

  test('are escaped', () => {
    expect(chart(false)).toContain('&lt;a&gt;')
    expect(chart(false)).toContain('aria-label="T &amp; t"')
  })

  test('have lengths in proportion, or in proportion of logarithms', () => {
    const [a, b] = widths(chart(false)) as [number, number]
    expect(b / a).toBeCloseTo(10, 0)
    const [c, d] = widths(chart(true)) as [number, number]
    // The axis is 1..100: log 5 and log 50 of log 100.
    expect(d / c).toBeCloseTo(Math.log(50) / Math.log(5), 2)
  })
})
