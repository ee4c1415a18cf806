/**
 * The benchmark: `npm run bench -- [--quick] [--json] [--only TOPIC] [--out FOLDER] [--no-write]`. Progress goes to standard error; standard
 * output has the goals, or with --json one JSON document.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { judge } from './goals.ts'
import { hostOf } from './hosts.ts'
import { describeMachine, load, othersBusy, processorTime } from './machine.ts'
import { plan } from './plan.ts'
import { charts } from './report/charts.ts'
import { markdown } from './report/markdown.ts'
import { summary } from './report/summary.ts'
import type { Result, SectionResult } from './result.ts'
import { Hosts, runSection } from './rounds.ts'
import { SUBJECTS, type SubjectId } from './section.ts'

const HELP = `npm run bench -- [options]

  --quick        few rounds and shapes: under a minute instead of several
  --json         one JSON document on standard output instead of the summary
  --only TOPIC   only gemm, lottery, units, redraw, pearl, tokens or hash (can be repeated); implies --no-write unless --out is given
  --out FOLDER   where performance.md, performance.json and the charts go; default docs/results
  --no-write     write no files
`

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    out: { type: 'string' },
    'no-write': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const { quick, only } = options
const folder = options.out ?? fileURLToPath(new URL('../../docs/results', import.meta.url))
const writes = !options['no-write'] && (only === undefined || options.out !== undefined)

const sections = plan(quick).filter(({ topic }) => only === undefined || only.includes(topic))
if (sections.length === 0) {
  process.stderr.write(`bench: there is no topic ${only!.join(', ')}\n`)
  process.exit(2)
}

const started = performance.now()
const date = new Date().toISOString()
const before = load()
const timeBefore = processorTime()
const hosts = new Hosts(hostOf)
const results: SectionResult[] = []
const disagreements: string[] = []
const note = (text: string): void => {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : `${text}\n`)
}
try {
  for (const [i, section] of sections.entries()) {
    const name = `bench: ${section.topic} ${section.title}`
    if (!process.stderr.isTTY) note(name)
    const { result, disagreements: found } = await runSection(section, hosts, (done, of) => {
      if (process.stderr.isTTY) note(`${name}, round ${done} of ${of}`)
    })
    results.push(result)
    disagreements.push(...found)
    // Subjects keep what they have prepared; a topic's products are of no use to the next one.
    if (sections[i + 1]?.topic !== section.topic) await hosts.stop()
  }
} finally {
  await hosts.stop()
}
if (process.stderr.isTTY) note('')

const seconds = (performance.now() - started) / 1000
const others = othersBusy(timeBefore, processorTime(), seconds)
const label = (id: SubjectId): string => SUBJECTS[id]
const result: Result = {
  format: 'nacre-bench/1',
  date,
  quick,
  seconds,
  machine: describeMachine(),
  load: { before, after: load(), ...(others === undefined ? {} : { others }) },
  subjects: [...hosts.versions].map(([id, version]) => ({ id, label: label(id), version })),
  absent: [...hosts.absent].map(([id, reason]) => ({ id, label: label(id), reason })),
  disagreements,
  sections: results,
  goals: judge(results),
}
if (writes) {
  mkdirSync(folder, { recursive: true })
  const drawn = charts(result)
  for (const [file, svg] of drawn) writeFileSync(join(folder, file), svg)
  writeFileSync(join(folder, 'performance.json'), `${JSON.stringify(result)}\n`)
  writeFileSync(join(folder, 'performance.md'), markdown(result, new Set(drawn.keys())))
}
process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : summary(result, writes ? folder : undefined))
// A wrong product, or a subject of our own that fails, is an error; slowness never is.
if (disagreements.length > 0 || results.some(({ rows }) => rows.some(({ missing }) => missing?.startsWith('failed: '))))
  process.exitCode = 1
