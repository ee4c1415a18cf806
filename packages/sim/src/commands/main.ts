import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { UsageError } from '../errors.ts'
import { runRecord } from '../report/rows.ts'
import { scenarioByName } from '../scenarios/registry.ts'
import { type Job, runJob } from '../sweep/job.ts'
import { parseAxis } from '../sweep/plan.ts'
import { currentSources } from '../sweep/sources.ts'
import { printList, printRun } from './show.ts'
import { sweep } from './sweep.ts'

const USAGE = `Seeded experiments with the protocol's parameters.

  npm run sim -- list [--json]
  npm run sim -- run NAME [--seed N] [--json] [settings]
  npm run sim -- sweep NAME --out DIR [--seeds N] [--vary KEY=V1,V2,...] [--threads N] [settings]

settings
  --preset NAME         parameter preset (default: the scenario's)
  --set PATH=VALUE      override a protocol parameter, repeatable, for example --set emission.ramp=none
  --param NAME=VALUE    a parameter of the scenario, repeatable, for example --param kernelFactor=3

run
  --seed N              default 1; the same seed gives the same bytes
  --json                print everything as one JSON object

sweep
  --out DIR             folder of the results; a sweep that was stopped goes on there
  --seeds N             runs of each combination, seeds 1 to N (default 20)
  --vary KEY=V1,V2,...  a protocol parameter (with a dot) or one of the scenario, repeatable: all combinations
  --threads N           default: one for each core
`

function integerOf(name: string, text: string, max: number, min = 0): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new UsageError(`--${name} is a whole number from ${min} to ${max}, not "${text}"`)
  return value
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        preset: { type: 'string' },
        set: { type: 'string', multiple: true, default: [] },
        param: { type: 'string', multiple: true, default: [] },
        seed: { type: 'string' },
        json: { type: 'boolean', default: false },
        out: { type: 'string' },
        seeds: { type: 'string' },
        vary: { type: 'string', multiple: true },
        threads: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  }
}

/** Options that only some commands know; anything else given with another command is an error, not ignored. */
const OPTIONS_OF: Readonly<Record<string, readonly string[]>> = {
  list: ['json'],
  run: ['preset', 'set', 'param', 'seed', 'json'],
  sweep: ['preset', 'set', 'param', 'out', 'seeds', 'vary', 'threads'],
}

/** Runs the command line `args`; returns the exit code. Throws UsageError for wrong usage. */
export async function main(args: string[]): Promise<number> {
  const { values, positionals } = parse(args)
  const [command, name, ...rest] = positionals
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const known = command === undefined ? undefined : OPTIONS_OF[command]
  if (command === undefined || known === undefined)
    throw new UsageError(`${command === undefined ? 'no command' : `there is no command ${command}`}\n\n${USAGE}`)
  for (const [option, value] of Object.entries(values)) {
    const isGiven = value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0)
    if (isGiven && !known.includes(option)) throw new UsageError(`--${option} does not go with ${command}`)
  }
  const extra = command === 'list' ? name : rest[0]
  if (extra !== undefined) throw new UsageError(`"${extra}" is one word too many`)
  if (command === 'list') {
    printList(values.json)
    return 0
  }
  if (name === undefined) throw new UsageError(`which scenario? npm run sim -- ${command} NAME`)
  const scenario = scenarioByName(name)
  const base = { scenario: name, preset: values.preset ?? scenario.preset, set: values.set, param: values.param }
  if (command === 'run') {
    const job: Job = { ...base, seed: integerOf('seed', values.seed ?? '1', Number.MAX_SAFE_INTEGER) }
    printRun(runRecord(job, runJob(job), currentSources()), values.json)
    return 0
  }
  if (values.out === undefined || values.out === '') throw new UsageError('sweep needs --out DIR')
  return sweep({
    plan: {
      ...base,
      axes: (values.vary ?? []).map(parseAxis),
      seeds: integerOf('seeds', values.seeds ?? '20', 10_000, 1),
      ...currentSources(),
    },
    dir: resolve(values.out),
    threads: integerOf('threads', values.threads ?? String(availableParallelism()), 1024, 1),
  })
}
