import { differences, GOAL_MACHINE } from '../goals.ts'
import type { GoalResult, Result, SectionResult } from '../result.ts'
import { spreadOf } from '../stats.ts'
import { figure, table, withQuartiles } from './format.ts'

interface Topic {
  readonly topic: SectionResult['topic']
  readonly title: string
  readonly chart?: string
  readonly text: string
}

const TOPICS: readonly Topic[] = [
  {
    topic: 'gemm',
    title: 'Products',
    chart: 'gemm',
    text: 'C = A W in int32 from int8 operands, m × k × n, weights packed beforehand (OpenBLAS packs within each product). One multiplication and one addition are two operations.',
  },
  {
    topic: 'lottery',
    title: 'The price of the lottery on large products',
    chart: 'lottery',
    text: 'One ticket operation with W’ packed beforehand and the tallest tiles whose rows fit a ticket proof (24 × 64 at k = 2048, 12 × 64 at k = 4096): noise from its seed, A’ = A + E, A’W’ folded after each r of k, and A W taken out of it exactly (WRK-2, WRK-3, WRK-5), against the plain product of the same shape on the same kernels.',
  },
  {
    topic: 'units',
    title: 'Units of the devnet',
    chart: 'units',
    text: 'The devnet’s model, prompt and answer lengths and lottery. A unit has the lottery, its trace and the commitment to it; the price of the lottery is the time of a unit over that of the same tokens with the same trace and commitment and no lottery.',
  },
  {
    topic: 'redraw',
    title: 'Tickets drawn again',
    text: 'What a paid ticket costs somebody who kept the trace of its job: the noise of the operands, the noised products with their folds and the tickets’ hashes, with operands, roots and W’ in memory and nothing denoised; scaled to the number of tickets of a bootstrap unit. `jobs.paidDrawPpm` has to be below these ratios (WRK-4, and the rationale).',
  },
  {
    topic: 'pearl',
    title: 'Plain proofs of the Pearl baseline',
    text: 'Verification from the bytes, as nodes of the presets `pearl` and `pearl-devnet` do it. Pool operators report 1 to 4 ms for Pearl’s own verifier. What the weaknesses of these rules cost is in [`pearl-weaknesses.md`](pearl-weaknesses.md).',
  },
  {
    topic: 'tokens',
    title: 'Tokens per second',
    chart: 'tokens',
    text: 'Without lottery and commitment, but with the trace, which the engine always keeps.',
  },
  { topic: 'hash', title: 'Hashing', text: 'Keyed BLAKE3, 32 bytes of output.' },
]

/** docs/results/performance.md. `charts` are the names of the files beside it. */
export function markdown(result: Result, charts: ReadonlySet<string>): string {
  return `${[
    '# Performance',
    `Written by \`npm run bench\`${result.quick ? ' -- --quick' : ''} on ${result.date.slice(0, 10)} in ${Math.round(result.seconds)} s; the samples are in [\`performance.json\`](performance.json). Every subject runs in a process of its own. The rows of a table were measured in turns, round by round; a figure is the median of the rounds, a ratio the median of the ratios within each round; quartiles are in brackets. ${noise(result)} Nothing depends on these figures.`,
    goals(result),
    machine(result),
    ...TOPICS.flatMap((topic) => section(topic, result, charts)),
  ].join('\n\n')}\n`
}

/** How far the middle half of the rounds spreads, over all rows. */
function noise({ sections }: Result): string {
  const widths = sections.flatMap(({ rows }) =>
    rows.flatMap(({ ms }) => (ms === undefined ? [] : [(ms.q3 - ms.q1) / ms.median])),
  )
  const spread = spreadOf(widths)
  if (spread === undefined) return ''
  return `The middle half of a row’s rounds lies within ${figure(100 * spread.median)} % in the median row, ${figure(100 * spread.max)} % in the worst.`
}

function goals(result: Result): string {
  const off = differences(result)
  const where = `Set for ${GOAL_MACHINE}.${off.length === 0 ? '' : ` This run is not quite that: ${off.join('; ')}.`}`
  const rows = result.goals.map((goal) => [
    goal.text,
    target(goal),
    goal.value === undefined ? '' : withQuartiles(goal.value),
    verdict(goal),
  ])
  return `## Goals\n\n${where}\n\n${table(['goal', 'target', 'measured', ''], rows, [2])}`
}

function target({ comparison, target: value }: GoalResult): string {
  return `${comparison === 'at least' ? '≥' : '≤'} ${value}`
}

function verdict({ met }: GoalResult): string {
  return met === undefined ? 'not measured' : met ? 'met' : '**not met**'
}

function machine({ machine: m, load, subjects, absent, disagreements }: Result): string {
  const rows = [
    ['processor', `${m.cpu}, ${m.cores} ${m.cores === 1 ? 'core' : 'cores'}, ${m.arch}`],
    ['instruction sets', m.isa.length === 0 ? 'unknown' : m.isa.join(', ')],
    ['memory', `${m.memoryGiB} GiB`],
    ['system', m.os],
    ['Node', `${m.node}, V8 ${m.v8}`],
    ['load before and after', `${load.before.toFixed(2)}, ${load.after.toFixed(2)}`],
    ...(load.others === undefined ? [] : [['cores busy with other processes', load.others.toFixed(2)]]),
    ...subjects.map(({ label, version }) => [label, version]),
    ...absent.map(({ label, reason }) => [label, `skipped: ${reason}`]),
  ]
  const products =
    disagreements.length === 0
      ? 'Equal operands gave equal products in all subjects that computed them whole.'
      : `**Products differ:** ${disagreements.join('; ')}.`
  return `## Machine and subjects\n\n${table(['', ''], rows, [])}\n\n${products}`
}

function section({ topic, title, chart, text }: Topic, result: Result, charts: ReadonlySet<string>): string[] {
  const sections = result.sections.filter((each) => each.topic === topic)
  if (sections.length === 0) return []
  const file = `performance-${chart}.svg`
  const groups = [...new Set(sections.map(({ group }) => group))]
  return [
    `## ${title}`,
    text,
    ...(chart !== undefined && charts.has(file) ? [`![${title}](${file})`] : []),
    ...groups.flatMap((group) => {
      const members = sections.filter((each) => each.group === group)
      return [...(group === '' ? [] : [`### ${group}`]), ...comparison(members), ...unmeasured(members)]
    }),
  ]
}

/** One section in detail, or several side by side. */
function comparison(sections: readonly SectionResult[]): string[] {
  const [only] = sections
  if (sections.length === 1) return [rowTable(only!), ...ratioTable(only!)]
  const titles = sections.map(({ title }) => title)
  const units = [...new Set(sections.flatMap(({ rows }) => rows.map(({ rate }) => rate?.unit ?? 'ms')))]
  const shown = units.filter((unit) => unit !== 'ms')[0] ?? 'ms'
  const speeds = labelsOf(sections.map(({ rows }) => rows.filter(({ ms }) => ms !== undefined))).map((label) => [
    label,
    ...sections.map(({ rows }) => {
      const row = rows.find((each) => each.label === label)
      const value = shown === 'ms' ? row?.ms?.median : row?.rate?.value
      return value === undefined ? '' : figure(value)
    }),
  ])
  const ratios = labelsOf(sections.map((each) => each.ratios.filter(({ ratio }) => ratio !== undefined))).map(
    (label) => [
      label,
      ...sections.map((each) => {
        const median = each.ratios.find((ratio) => ratio.label === label)?.ratio?.median
        return median === undefined ? '' : figure(median)
      }),
    ],
  )
  const right = titles.map((_, i) => i + 1)
  return [table([shown, ...titles], speeds, right), table(['ratio', ...titles], ratios, right)]
}

/** Labels in the order in which they first appear. */
function labelsOf(lists: readonly (readonly { readonly label: string }[])[]): string[] {
  return [...new Set(lists.flat().map(({ label }) => label))]
}

function rowTable({ rows }: SectionResult): string {
  const measured = rows.filter((row) => row.ms !== undefined)
  const unit = measured.find((row) => row.rate !== undefined)?.rate?.unit
  const header = ['', 'ms', ...(unit === undefined ? [] : [unit])]
  const cells = measured.map(({ label, ms, rate }) => [
    label,
    withQuartiles(ms!),
    ...(unit === undefined ? [] : [rate === undefined ? '' : figure(rate.value)]),
  ])
  return table(header, cells, [1, ...(unit === undefined ? [] : [2])])
}

function ratioTable({ ratios }: SectionResult): string[] {
  const rows = ratios.flatMap(({ label, ratio }) => (ratio === undefined ? [] : [[label, withQuartiles(ratio)]]))
  return rows.length === 0 ? [] : [table(['ratio', ''], rows, [1])]
}

/** What a table cannot say in a figure: what was skipped and why, and what was not measured whole. */
function unmeasured(sections: readonly SectionResult[]): string[] {
  const lines = new Map<string, Set<string>>()
  const add = (text: string, label: string): void => {
    lines.set(text, (lines.get(text) ?? new Set()).add(label))
  }
  for (const { rows } of sections)
    for (const { label, missing, note } of rows) {
      if (missing !== undefined) add(`Skipped, ${missing}`, label)
      else if (note !== undefined)
        add(
          note.replace(/^./, (first) => first.toUpperCase()),
          label,
        )
    }
  const list = [...lines].map(([text, labels]) => `- ${text}: ${[...labels].join('; ')}.`)
  return list.length === 0 ? [] : [list.join('\n')]
}
