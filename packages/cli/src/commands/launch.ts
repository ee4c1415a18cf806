import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { CliError } from '../errors.ts'
import { auditJson, auditLaunch, type LaunchAudit } from '../launch/audit.ts'
import { auditHtml } from '../launch/html.ts'
import { readChain } from '../launch/rpc.ts'
import { auditText } from '../launch/text.ts'
import { integerFlag, paramsFrom, parsed, withHint } from '../options.ts'

const USAGE = `Is a launch fair?

  npm run nacre -- launch audit [options]

  --preset NAME       audit a parameter preset (default nacre)
  --set PATH=VALUE    override a parameter of the preset, repeatable
  --rpc URL           audit a running chain instead: the HTTP RPC of one of its nodes
  --blocks N          blocks of the chain to read, from the first on (default 10000)
  --html FILE         write a report with charts
  --json              print the audit as JSON
  --strict            exit with 1 if a finding is FAIL

Exit codes: 0 audited, 1 no answer or (--strict) a FAIL, 2 wrong usage.
`

const DEFAULT_BLOCKS = 10_000
const MAX_BLOCKS = 1_000_000

/** `nacre launch`. */
export async function launchCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parsed(
    () =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          preset: { type: 'string' },
          set: { type: 'string', multiple: true, default: [] },
          rpc: { type: 'string' },
          blocks: { type: 'string' },
          html: { type: 'string' },
          json: { type: 'boolean', default: false },
          strict: { type: 'boolean', default: false },
          help: { type: 'boolean', default: false },
        },
      }),
    USAGE,
  )
  const [verb, ...rest] = positionals
  if (values.help || verb === undefined) {
    process.stdout.write(USAGE)
    return
  }
  if (verb !== 'audit' || rest.length > 0)
    throw new CliError(`there is no "launch ${positionals.join(' ')}"\n\n${USAGE}`, 2)
  const { audit, html } = await auditOf(values)
  if (values.html !== undefined) await writeReport(values.html, html())
  process.stdout.write(values.json ? `${auditJson(audit)}\n` : auditText(audit))
  if (values.strict && audit.findings.some(({ verdict }) => verdict === 'FAIL')) process.exitCode = 1
}

interface Subject {
  readonly preset?: string | undefined
  readonly set: readonly string[]
  readonly rpc?: string | undefined
  readonly blocks?: string | undefined
}

async function auditOf({ preset, set, rpc, blocks }: Subject): Promise<{ audit: LaunchAudit; html: () => string }> {
  if (rpc === undefined) {
    if (blocks !== undefined) throw new CliError('--blocks goes with --rpc', 2)
    const name = preset ?? 'nacre'
    const params = paramsFrom(name, set)
    const audit = auditLaunch(params, { subject: `preset ${name}`, overrides: set })
    return { audit, html: () => auditHtml(audit, params) }
  }
  if (preset !== undefined || set.length > 0)
    throw new CliError('--rpc goes without --preset and --set: a chain states its own parameters', 2)
  const count = blocks === undefined ? DEFAULT_BLOCKS : integerFlag('blocks', blocks, 1, MAX_BLOCKS)
  const data = await readChain(rpc, count).catch(withHint)
  const audit = auditLaunch(data.params, { subject: `the chain of ${data.rpc}`, overrides: [] }, data)
  return { audit, html: () => auditHtml(audit, data.params) }
}

async function writeReport(file: string, html: string): Promise<void> {
  try {
    await writeFile(file, html)
  } catch (error) {
    throw new CliError(`cannot write ${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
