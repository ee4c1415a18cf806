/**
 * What a miner earns that posts fake jobs to itself, under each provenance and burn rate, honest and with tricks (ECO-3, ECO-5). Writes
 * docs/results/self-dealing.json and the tables of docs/results/self-dealing.md; what they mean stands below them and is kept.
 *   npm run self-dealing [-- --quick | --live | --tables] [--only TEXT] [--seed TEXT]
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CliError, runMain } from '../../src/errors.ts'
import { parsed } from '../../src/options.ts'
import { interruptible } from '../../src/signals.ts'
import { accountsOf } from './accounts.ts'
import { CASES, QUICK, type SelfDealingCase } from './cases.ts'
import { startLiveStage } from './live-stage.ts'
import { playCase } from './play.ts'
import { markdown, type PlayedCase, type Results } from './report.ts'
import { rowOf } from './rows.ts'
import { startVirtualStage } from './virtual-stage.ts'

const USAGE = `What a miner earns that posts fake jobs to itself.

  npm run self-dealing -- [options]

  --quick      one small case, printed and not written
  --live       processes of nacre node over libp2p and the wall clock, a minute or more for each case
  --only TEXT  cases whose names contain the text; results of the others stay as they are
  --tables     only the tables again, from the JSON
  --seed TEXT  of networks and keys (default self-dealing)
`
const pathOf = (name: string): string => fileURLToPath(new URL(`../../../../docs/results/${name}`, import.meta.url))
/** Everything below this line of the document is written by hand. */
const BY_HAND = '<!-- written by hand from here on -->'

await runMain(() => interruptible(main))

async function main(signal: AbortSignal): Promise<void> {
  const { values } = parsed(
    () =>
      parseArgs({
        options: {
          quick: { type: 'boolean', default: false },
          live: { type: 'boolean', default: false },
          tables: { type: 'boolean', default: false },
          only: { type: 'string', default: '' },
          seed: { type: 'string', default: 'self-dealing' },
          help: { type: 'boolean', default: false },
        },
      }),
    USAGE,
  )
  if (values.help) return void process.stdout.write(USAGE)
  if (values.tables) return writeTables(results())
  const all = values.quick ? QUICK : CASES
  const chosen = all.filter(({ name }) => name.includes(values.only))
  if (chosen.length === 0) throw new CliError(`no case has "${values.only}" in its name`, 2)
  for (const play of chosen) {
    const result = await played(play, values.live, values.quick, `${values.seed}/${play.name}`, signal)
    process.stderr.write(
      `${play.name}: ${result.rows.map(({ net }) => net?.toFixed(3) ?? '-').join(', ')} of the fee\n`,
    )
    if (values.quick) process.stdout.write(`${JSON.stringify(result, undefined, 1)}\n`)
    // After each, so that an interrupted run loses nothing.
    else write(values.live ? 'live' : 'virtual', result)
  }
}

async function played(
  play: SelfDealingCase,
  live: boolean,
  isQuick: boolean,
  seed: string,
  signal: AbortSignal,
): Promise<PlayedCase> {
  const startMs = performance.now()
  const start = live ? startLiveStage : startVirtualStage
  const chain = await playCase({ play, start, seed, isQuick, signal })
  const accounts = accountsOf(chain)
  const { status, difference } = chain.data
  return {
    ...{ name: play.name, seed, date: new Date().toISOString().slice(0, 10) },
    seconds: Math.round((performance.now() - startMs) / 1000),
    machine: `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores, Node ${process.versions.node}`,
    parameters: difference.lines.map(({ path, chain: value }) => `${path}=${value}`),
    ...{ chainId: status.chainId, height: status.height, tip: status.tip },
    minerKeys: chain.minerKeys,
    rows: play.owned.map((owned) => rowOf(play, chain, accounts, owned)),
  }
}

function write(stage: keyof Results, result: PlayedCase): void {
  const before = results()
  const others = before[stage].filter(({ name }) => name !== result.name)
  const order = new Map(CASES.map(({ name }, i) => [name, i]))
  const sorted = [...others, result].sort((a, b) => (order.get(a.name) ?? -1) - (order.get(b.name) ?? -1))
  const after: Results = { ...before, [stage]: sorted }
  writeFileSync(pathOf('self-dealing.json'), `${JSON.stringify(after, undefined, 1)}\n`)
  writeTables(after)
}

/** As written so far. */
function results(): Results {
  const json = pathOf('self-dealing.json')
  return existsSync(json) ? (JSON.parse(readFileSync(json, 'utf8')) as Results) : { virtual: [], live: [] }
}

function writeTables(all: Results): void {
  if (all.virtual.length + all.live.length === 0) throw new CliError('there are no results yet: run some cases first')
  const path = pathOf('self-dealing.md')
  const byHand = existsSync(path) ? (readFileSync(path, 'utf8').split(BY_HAND)[1] ?? '\n') : '\n'
  writeFileSync(path, `${markdown(all)}\n${BY_HAND}${byHand}`)
}
