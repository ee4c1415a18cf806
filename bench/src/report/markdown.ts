import { differences, GOAL_MACHINE } from '../goals.ts'
import type { GoalResult, Result, SectionResult } from '../result.ts'
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
    text: 'One ticket operation with W’ packed beforehand and tiles of 64 × 64: noise from its seed, A’ = A + E, A’W’ folded after each r of k, and A W taken out of it exactly (WRK-2, WRK-3, WRK-5), against the plain product of the same shape on the same kernels.',
  },
  {
    topic: 'units',
    title: 'Units of the devnet',
    chart: 'units',
    text: 'The devnet’s model, prompt and answer lengths and lottery. A unit has the lottery, its trace and the commitment to it; the price of the lottery is the time of a unit over that of the same tokens with the same trace and commitment and no lottery.',
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
    `Written by \`npm run bench\`${result.quick ? ' -- --quick' : ''} on ${result.date.slice(0, 10)} in ${Math.round(result.seconds)} s; the samples are in [\`performance.json\`](performance.json). Every subject runs in a process of its own. The rows of a table were measured in turns, round by round; a time is the median of the rounds with its quartiles, a ratio the median of the ratios within each round. Nothing depends on these figures.`,
    goals(result),
    machine(result),
    ...TOPICS.flatMap((topic) => section(topic, result, charts)),
  ].join('\n\n')}\n`
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
  return [
    `## ${title}`,
    text,
    ...(chart !== undefined && charts.has(file) ? [`![${title}](${file})`] : []),
    ...sections.flatMap((each) => [`### ${each.title}`, rowTable(each), ...ratioTable(each)]),
  ]
}

function rowTable({ rows }: SectionResult): string {
  const measured = rows.filter((row) => row.ms !== undefined)
  const unit = measured.find((row) => row.rate !== undefined)?.rate?.unit
  const header = ['', 'ms', ...(unit === undefined ? [] : [unit]), '']
  const cells = rows.map(({ label, ms, rate, missing, note }) => [
    label,
    ms === undefined ? '' : withQuartiles(ms),
    ...(unit === undefined ? [] : [rate === undefined ? '' : figure(rate.value)]),
    missing === undefined ? (note ?? '') : `skipped: ${missing}`,
  ])
  return table(header, cells, [1, ...(unit === undefined ? [] : [2])])
}

function ratioTable({ ratios }: SectionResult): string[] {
  const rows = ratios.flatMap(({ label, ratio }) => (ratio === undefined ? [] : [[label, withQuartiles(ratio)]]))
  return rows.length === 0 ? [] : [table(['', 'ratio'], rows, [1])]
}
