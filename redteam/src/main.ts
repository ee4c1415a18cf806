/** `npm run test:redteam`: all attacks, one, or the proof by mutation. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { FAMILIES, isStopped, type StoppedAttack } from './attack.ts'
import { CATALOGUE } from './catalogue.ts'
import { type MutationResult, runWithoutCheck, vitest } from './mutations.ts'

const RESULT = fileURLToPath(new URL('../../docs/results/redteam-mutations.md', import.meta.url))
const USAGE = `npm run test:redteam [-- options]
  --only ID        one attack, as docs/security/attacks.md names it, or a family
  --mutations      takes each attack's check out of the code in turn and sees its test fail;
                   all of them are written to docs/results/redteam-mutations.md
  --help
`

async function main(): Promise<number> {
  let values: { only?: string; mutations?: boolean; help?: boolean }
  try {
    const options = { only: { type: 'string' }, mutations: { type: 'boolean' }, help: { type: 'boolean' } } as const
    values = parseArgs({ options }).values
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}`)
    return 2
  }
  if (values.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  const { only } = values
  const attacks = FAMILIES.flatMap((family) => CATALOGUE[family]).filter(
    ({ id }) => only === undefined || id === only || id.startsWith(`${only}/`),
  )
  if (attacks.length === 0) {
    process.stderr.write(`no attack is called ${only}; see docs/security/attacks.md\n`)
    return 2
  }
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())
  try {
    if (values.mutations === true) return await mutate(attacks.filter(isStopped), only === undefined, stop.signal)
    const family = only?.split('/')[0]
    const files = family === undefined ? 'redteam/test/' : `redteam/test/${family}.test.ts`
    const name = only?.includes('/') === true ? ['-t', `${only}: `] : []
    return await vitest([files, ...name], {}, 'inherit', stop.signal)
  } catch (error) {
    if (stop.signal.aborted) return 130
    throw error
  }
}

async function mutate(attacks: readonly StoppedAttack[], write: boolean, signal: AbortSignal): Promise<number> {
  const queue = [...attacks]
  const results: MutationResult[] = []
  const work = async (): Promise<void> => {
    for (let attack = queue.shift(); attack !== undefined; attack = queue.shift()) {
      const result = await runWithoutCheck(attack, signal)
      results.push(result)
      process.stdout.write(
        `${result.test === 'failed' ? 'ok   ' : 'WRONG'} ${result.id}: ${result.test} ${result.message}\n`,
      )
    }
  }
  await Promise.all([work(), work()])
  const failed = results.filter(({ test }) => test === 'failed').length
  const closing = `Without its check ${failed} of ${results.length} attacks' tests fail.`
  process.stdout.write(`${closing}\n`)
  if (write) writeFileSync(RESULT, mutationsText(attacks, results, closing))
  return failed === results.length ? 0 : 1
}

function mutationsText(attacks: readonly StoppedAttack[], results: readonly MutationResult[], closing: string): string {
  const rows = attacks.map(({ id, rule, code, check: { file, from } }) => {
    const result = results.find((one) => one.id === id)
    const text = (from.split('\n')[0] ?? '').trim().replaceAll('|', '\\|')
    const met = `${result?.test}: ${result?.message}`.replaceAll('|', '\\|')
    return `| \`${id}\` | ${rule} \`${code}\` | \`${file}\`: \`${text}\` | ${met} |`
  })
  return `# Each check taken out\n\nWritten by \`npm run test:redteam -- --mutations\`: for each stopped attack of [the catalogue](../security/attacks.md) the one check that stops it is taken out of the code, and the attack's test runs on the rest. ${closing}\n\n| attack | stopped by | check taken out (its first line) | the test then |\n|---|---|---|---|\n${rows.join('\n')}\n`
}

process.exitCode = await main()
