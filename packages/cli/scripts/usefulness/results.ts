/** The files of docs/results that the demonstration writes. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CliError } from '../../src/errors.ts'
import type { BindingResults } from './bindings.ts'
import { CASES } from './cases.ts'
import { type Costs, readCosts } from './costs.ts'
import type { Figures } from './figures.ts'
import { plot } from './plot.ts'
import { markdown } from './report.ts'

export interface Results {
  /** With which the runs were made. */
  readonly costs: Costs
  readonly runs: readonly Figures[]
  readonly bindings?: BindingResults
}

const pathOf = (ending: string): string =>
  fileURLToPath(new URL(`../../../../docs/results/usefulness.${ending}`, import.meta.url))
/** Everything below this line of the document is written by hand. */
const BY_HAND = '<!-- written by hand from here on -->'

function results(): Results {
  const json = pathOf('json')
  return existsSync(json) ? (JSON.parse(readFileSync(json, 'utf8')) as Results) : { costs: readCosts(), runs: [] }
}

const write = (all: Results): void => writeFileSync(pathOf('json'), `${JSON.stringify(all, undefined, 1)}\n`)

/** Adds runs, in place of earlier ones of the same network and seed. Runs with other costs are no longer comparable and go. */
export function addRuns(runs: readonly Figures[]): void {
  const before = results()
  const costs = readCosts()
  const isSame = JSON.stringify(before.costs) === JSON.stringify(costs)
  const names = new Set(runs.map(({ name, seed }) => `${name}/${seed}`))
  const kept = isSame ? before.runs.filter(({ name, seed }) => !names.has(`${name}/${seed}`)) : []
  const order = new Map(CASES.map(({ name }, i) => [name, i]))
  const all = [...kept, ...runs].sort(
    (a, b) => (order.get(a.name) ?? -1) - (order.get(b.name) ?? -1) || a.seed.localeCompare(b.seed),
  )
  write({ ...before, costs, runs: all })
}

export function addBindings(bindings: BindingResults): void {
  write({ ...results(), bindings })
  writeReport()
}

/** Throws CliError where nothing has been run. */
export function writeReport(): void {
  const all = results()
  if (all.runs.length === 0) throw new CliError('there are no results yet: run some networks first')
  const path = pathOf('md')
  const byHand = existsSync(path) ? (readFileSync(path, 'utf8').split(BY_HAND)[1] ?? '\n') : '\n'
  writeFileSync(path, `${markdown(all)}\n${BY_HAND}${byHand}`)
  writeFileSync(pathOf('svg'), plot(all.runs))
}
