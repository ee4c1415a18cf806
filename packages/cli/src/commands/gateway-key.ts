/** `nacre gateway key`: who may use a gateway, and how much. */
import {
  type ApiKey,
  createApiKey,
  DEFAULT_KEY_SETTINGS,
  formatKeys,
  MAX_CONCURRENT,
  MAX_REQUESTS_PER_MINUTE,
  MAX_WINDOW_HOURS,
  readKeys,
} from '@nacre/gateway'
import { CliError } from '../errors.ts'
import { exists } from '../files.ts'
import { verifyFlag } from '../jobs/request.ts'
import { integerFlag } from '../options.ts'
import { type OptionValues, runVerb, type Verb, type VerbCall } from '../verbs.ts'
import { formatNcr, parseNcr } from '../wallet/amount.ts'
import { replaceFile } from '../wallet/private-file.ts'

const USAGE = `API keys of a gateway. The file holds their hashes; a key itself is shown once.

  npm run nacre -- gateway key add            make a key and print it
  npm run nacre -- gateway key list           the keys and their limits
  npm run nacre -- gateway key revoke ID      take a key away; a gateway that runs notices within seconds

  --keys FILE       the file of keys; needed
  --json            print one JSON object on standard output, for a failure too
  --help            this text

add:
  --limit NCR       most that its jobs may cost in one window; needed
  --name NAME       for people (default "key")
  --window HOURS    length of a window; a day begins at midnight UTC (default 24)
  --rpm N           requests a minute (default 60)
  --concurrent N    requests at once (default 8)
  --verify MODE     off, sampled or full, for this key (default: as the alias or the gateway says)
`

const OPTIONS = {
  keys: { type: 'string' },
  limit: { type: 'string' },
  name: { type: 'string' },
  window: { type: 'string' },
  rpm: { type: 'string' },
  concurrent: { type: 'string' },
  verify: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const
type Options = typeof OPTIONS

interface KeyCall extends VerbCall<Options> {
  readonly path: string
}

const ADD = ['limit', 'name', 'window', 'rpm', 'concurrent', 'verify'] as const
const VERBS: Readonly<Record<string, Verb<KeyCall, Options>>> = {
  add: { run: addCommand, options: ADD, positionals: [] },
  list: { run: listCommand, options: [], positionals: [] },
  revoke: { run: revokeCommand, options: [], positionals: ['ID'] },
}

export const gatewayKeyCommand = (args: readonly string[]): Promise<void> =>
  runVerb(
    {
      ...{ name: 'gateway key', usage: USAGE, options: OPTIONS, common: ['keys', 'json', 'help'], verbs: VERBS },
      callOf: (call) => {
        if (call.options.keys === undefined) throw new CliError('--keys FILE is needed', 2)
        return { ...call, path: call.options.keys }
      },
      // A negative amount would pass for an option.
      inspect: (_, all) => {
        const limit = all[all.indexOf('--limit') + 1]
        if (all.includes('--limit') && limit !== undefined && /^-\.?\d/.test(limit)) parseNcr('--limit', limit)
      },
    },
    args,
  )

const wholeOf = (
  options: OptionValues<Options>,
  name: 'window' | 'rpm' | 'concurrent',
  fallback: number,
  max: number,
) => (options[name] === undefined ? fallback : integerFlag(name, options[name], 1, max))

async function addCommand({ path, options, print, say }: KeyCall): Promise<void> {
  if (options.limit === undefined) throw new CliError('--limit NCR is needed: what the key may spend in one window', 2)
  const { windowHours, requestsPerMinute, maxConcurrent } = DEFAULT_KEY_SETTINGS
  const settings = {
    name: options.name ?? 'key',
    limitGrains: parseNcr('--limit', options.limit),
    windowHours: wholeOf(options, 'window', windowHours, MAX_WINDOW_HOURS),
    requestsPerMinute: wholeOf(options, 'rpm', requestsPerMinute, MAX_REQUESTS_PER_MINUTE),
    maxConcurrent: wholeOf(options, 'concurrent', maxConcurrent, MAX_CONCURRENT),
    verify: options.verify === undefined ? undefined : verifyFlag(options.verify),
  }
  const { key, entry } = createApiKey(settings, Date.now())
  const keys = (await exists(path)) ? await readKeys(path) : []
  await replaceFile(path, formatKeys([...keys, entry], path))
  say(`${lineOf(entry)}\nthis is the only time that the key is shown:`)
  print({ key, ...jsonOf(entry) }, [key])
}

async function listCommand({ path, print }: KeyCall): Promise<void> {
  const keys = await readKeys(path)
  print({ keys: keys.map(jsonOf) }, keys.length === 0 ? ['no keys'] : keys.map(lineOf))
}

async function revokeCommand({ path, positionals, print }: KeyCall): Promise<void> {
  const id = positionals[0]!
  const keys = await readKeys(path)
  const found = keys.find((each) => each.id === id)
  if (found === undefined) throw new CliError(`${path} has no key ${id}: "gateway key list" shows them`, 1, 'NO_KEY')
  await replaceFile(
    path,
    formatKeys(
      keys.filter((each) => each !== found),
      path,
    ),
  )
  print({ revoked: jsonOf(found) }, [`revoked ${lineOf(found)}`])
}

const lineOf = ({ id, name, limitGrains, windowHours, requestsPerMinute, maxConcurrent, verify }: ApiKey): string =>
  `${id}  ${name}: ${formatNcr(limitGrains)} in ${windowHours} h, ${requestsPerMinute} requests a minute, ` +
  `${maxConcurrent} at once${verify === undefined ? '' : `, verify ${verify}`}`

/** Without the hash: nobody needs to see it. */
function jsonOf({ hash: _, limitGrains, ...key }: ApiKey): object {
  return { ...key, limitGrains: limitGrains.toString() }
}
