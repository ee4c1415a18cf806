/**
 * Who earns what under the rules of the baseline and under Nacre's, with honest miners and with three kinds of cheats, and with one rule less
 * at a time. Writes docs/results/usefulness.json, .svg and the tables of .md; what they mean stands below them and is kept.
 *   npm run demo:usefulness [-- --quick | --bindings | --measure | --tables] [--only TEXT] [--seed TEXT]
 */
import { parseArgs } from 'node:util'
import { CliError, runMain } from '../../src/errors.ts'
import { parsed } from '../../src/options.ts'
import { interruptible } from '../../src/signals.ts'
import { measureBindings } from './bindings.ts'
import { CASES, type UsefulnessCase } from './cases.ts'
import { playInChildren } from './children.ts'
import { readCosts, writeCosts } from './costs.ts'
import type { Figures } from './figures.ts'
import { measureCosts } from './measure.ts'
import { playCase } from './play.ts'
import { printed } from './report.ts'
import { addBindings, addRuns, writeReport } from './results.ts'
import { FULL, QUICK } from './size.ts'

const USAGE = `Who earns what under Pearl's rules and under Nacre's.

  npm run demo:usefulness -- [options]

  --quick      two small networks, printed and not written
  --only TEXT  networks whose names contain the text; results of the others stay as they are
  --seed TEXT  of networks and keys, several with commas between them (default usefulness)
  --jobs N     networks at once, each in a process of its own (default 2)
  --bindings   what each binding is worth: its cheat refused where it holds, and timed where it is off
  --measure    time the pieces of work again on this machine; without it those of costs.json count, so that a seed gives the same chains
  --tables     only the tables and the plot again, from the JSON
`

await runMain(() => interruptible(main))

async function main(signal: AbortSignal): Promise<void> {
  const { values } = parsed(
    () =>
      parseArgs({
        options: {
          quick: { type: 'boolean', default: false },
          only: { type: 'string', default: '' },
          seed: { type: 'string', default: 'usefulness' },
          jobs: { type: 'string', default: '2' },
          bindings: { type: 'boolean', default: false },
          measure: { type: 'boolean', default: false },
          tables: { type: 'boolean', default: false },
          /** One network in this process, its figures as JSON: what children are asked for. */
          child: { type: 'string' },
          help: { type: 'boolean', default: false },
        },
      }),
    USAGE,
  )
  if (values.help) return void process.stdout.write(USAGE)
  const size = values.quick ? QUICK : FULL
  if (values.child !== undefined) {
    const play = CASES.find(({ name }) => name === values.child)
    if (play === undefined) throw new CliError(`there is no network "${values.child}"`, 2)
    const figures = await playCase({ play, size, costs: readCosts(), seed: values.seed, signal })
    return void process.stdout.write(`${JSON.stringify(figures)}\n`)
  }
  if (values.tables) return writeReport()
  if (values.bindings) return addBindings(await measureBindings(signal))
  if (values.measure) writeCosts(await measureCosts(signal))
  const jobs = Number(values.jobs)
  if (!Number.isInteger(jobs) || jobs < 1) throw new CliError('--jobs is a number from 1 on', 2)
  const plays = chosen(values.only, values.quick)
  const seeds = values.seed.split(',')
  const runs = seeds.flatMap((seed) => plays.map(({ name }) => ({ name, seed })))
  const done = (figures: Figures): void => {
    process.stderr.write(`${printed(figures)}\n`)
    // After each, so that an interrupted run loses nothing.
    if (!values.quick) addRuns([figures])
  }
  await playInChildren({ runs, jobs, isQuick: values.quick, signal, done })
  if (!values.quick) writeReport()
}

function chosen(only: string, isQuick: boolean): readonly UsefulnessCase[] {
  const plays = (isQuick ? CASES.slice(0, 2) : CASES).filter(({ name }) => name.includes(only))
  if (plays.length === 0) throw new CliError(`no network has "${only}" in its name`, 2)
  return plays
}
