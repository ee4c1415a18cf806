import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CliError } from '../errors.ts'
import { parsed, rpcFlag } from '../options.ts'
import { parseNcr } from '../wallet/amount.ts'
import { balanceCommand, faucetCommand, historyCommand, sendCommand } from './wallet-chain.ts'
import { addressCommand, createCommand, exportCommand, importCommand } from './wallet-keys.ts'

const USAGE = `A wallet: one key in an encrypted file, and payments with it.

  npm run nacre -- wallet create              make a key and write it to a new file
  npm run nacre -- wallet import              write a seed that exists to a new file: from --seed-file, from standard
                                              input, or typed at a hidden prompt
  npm run nacre -- wallet address             where others pay to
  npm run nacre -- wallet balance             what can be spent, what matures when, what is bonded
  npm run nacre -- wallet send TO AMOUNT      pay AMOUNT NCR, such as 12.5, to an address
  npm run nacre -- wallet history             what came in and went out, newest first
  npm run nacre -- wallet export              print the seed, after the passphrase
  npm run nacre -- wallet faucet [AMOUNT]     take coins from the faucet of a devnet (default 100 NCR)

  --wallet FILE           the key file (default ~/.nacre/wallet.json); never overwritten
  --rpc URL               a node of the wallet's network (default http://127.0.0.1:8645)
  --passphrase-file FILE  a file whose one line is the passphrase. Without it: the variable NACRE_WALLET_PASSPHRASE
                          (not for export), then a hidden prompt
  --json                  print one JSON object on standard output, for a failure too
  --help                  this text

create, import: the network is that of the node at --rpc, or without a node
  --preset NAME           that of a preset
  --set PATH=VALUE        with an override, repeatable
  --seed-file FILE        import only: a file with the seed, 64 hex digits

send, faucet:
  --fee NCR               for the miner of the block (default: the least there is)
  --nonce N               send only: take the place of a payment that waits, with a fee more than a tenth higher
  --wait                  follow the payment until it is deep enough in the chain; fail if it is dropped or replaced
  --depth N               blocks that must vouch for it, its own included (default 3)
  --timeout SECONDS       give up waiting, not paying (default 600)

history:
  --limit N               entries, completed to whole blocks (default 20)
  --from HEIGHT           begin at this block and go down

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted.
`

const OPTIONS = {
  wallet: { type: 'string' },
  rpc: { type: 'string' },
  'passphrase-file': { type: 'string' },
  'seed-file': { type: 'string' },
  preset: { type: 'string' },
  set: { type: 'string', multiple: true },
  fee: { type: 'string' },
  nonce: { type: 'string' },
  wait: { type: 'boolean' },
  depth: { type: 'string' },
  timeout: { type: 'string' },
  limit: { type: 'string' },
  from: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const
type OptionName = keyof typeof OPTIONS

/** The options as they were given. */
export type WalletOptions = {
  readonly [K in OptionName]?: (typeof OPTIONS)[K] extends { multiple: true }
    ? string[]
    : (typeof OPTIONS)[K] extends { type: 'boolean' }
      ? boolean
      : string
}

/** What a verb works with. */
export interface WalletCall {
  /** The key file. */
  readonly path: string
  readonly rpc: string
  readonly options: WalletOptions
  readonly positionals: readonly string[]
  /** The command's result: an object for `--json`, lines for people. */
  readonly print: (json: unknown, lines: readonly string[]) => void
  /** What is no result, for people, beside it. */
  readonly say: (line: string) => void
}

interface Verb {
  readonly run: (call: WalletCall) => Promise<void>
  readonly options: readonly OptionName[]
  /** Names of the arguments; one in brackets can be left out. */
  readonly positionals: readonly string[]
}

const NEW = ['rpc', 'passphrase-file', 'preset', 'set'] as const
const PAY = ['rpc', 'fee', 'wait', 'depth', 'timeout'] as const
const VERBS: Readonly<Record<string, Verb>> = {
  create: { run: createCommand, options: NEW, positionals: [] },
  import: { run: importCommand, options: [...NEW, 'seed-file'], positionals: [] },
  address: { run: addressCommand, options: [], positionals: [] },
  balance: { run: balanceCommand, options: ['rpc'], positionals: [] },
  send: { run: sendCommand, options: [...PAY, 'nonce', 'passphrase-file'], positionals: ['TO', 'AMOUNT'] },
  history: { run: historyCommand, options: ['rpc', 'limit', 'from'], positionals: [] },
  export: { run: exportCommand, options: ['passphrase-file'], positionals: [] },
  faucet: { run: faucetCommand, options: PAY, positionals: ['[AMOUNT]'] },
}
const COMMON: readonly OptionName[] = ['wallet', 'json', 'help']
const DEFAULT_RPC = 'http://127.0.0.1:8645'

/** `nacre wallet`. */
export async function walletCommand(args: readonly string[]): Promise<void> {
  process.stdout.off('error', outputFailed).on('error', outputFailed)
  const [name, ...rest] = args
  if (name === undefined || args.includes('--help')) {
    process.stdout.write(USAGE)
    return
  }
  try {
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
    if (verb === undefined) throw new CliError(`there is no "wallet ${name}"\n\n${USAGE}`, 2)
    await verb.run(callOf(name, verb, rest))
  } catch (error) {
    if (args.includes('--json')) process.stdout.write(`${JSON.stringify({ error: failure(error) })}\n`)
    throw error
  }
}

/** A reader that has enough, such as `head`, is none of our business; a full disk is. */
function outputFailed(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return
  process.stderr.write(`nacre: cannot write the result: ${error.message}\n`)
  process.exitCode = 1
}

function failure(error: unknown): { code: string; message: string } {
  const message = (error instanceof Error ? error.message : String(error)).split('\n')[0]!
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return { code: typeof code === 'string' ? code : 'INTERNAL', message }
}

function callOf(name: string, verb: Verb, args: readonly string[]): WalletCall {
  // A negative amount would pass for an option.
  if (verb.positionals.some((each) => each.includes('AMOUNT')))
    for (const arg of args) if (/^-\.?\d/.test(arg)) parseNcr('the amount', arg)
  const allowed = new Set([...COMMON, ...verb.options])
  const options = Object.fromEntries(Object.entries(OPTIONS).filter(([option]) => allowed.has(option as OptionName)))
  const { values, positionals } = parsed(
    () => parseArgs({ args: [...args], allowPositionals: true, options }),
    `npm run nacre -- wallet --help`,
  )
  const needed = verb.positionals.filter((each) => !each.startsWith('['))
  if (positionals.length < needed.length || positionals.length > verb.positionals.length) {
    const wanted = verb.positionals.length === 0 ? 'no arguments' : verb.positionals.join(' ')
    throw new CliError(`"wallet ${name}" takes ${wanted}, not ${positionals.length} arguments`, 2)
  }
  const given = values as WalletOptions
  return {
    path: given.wallet ?? join(homedir(), '.nacre', 'wallet.json'),
    rpc: rpcFlag(given.rpc ?? DEFAULT_RPC),
    options: given,
    positionals,
    print: (json, lines) =>
      void process.stdout.write(given.json ? `${JSON.stringify(json)}\n` : lines.map((line) => `${line}\n`).join('')),
    say: (line) => void process.stderr.write(`${line}\n`),
  }
}
