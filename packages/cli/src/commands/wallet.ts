import { rpcOf } from '../options.ts'
import { type OptionValues, runVerb, type Verb, type VerbCall } from '../verbs.ts'
import { parseNcr } from '../wallet/amount.ts'
import { defaultWalletPath } from '../wallet/key-file.ts'
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
  --replace               send only: take the place of something else that this wallet signed with the same nonce
  --again                 send only: pay the same once more, though an earlier payment that a node refused may be paid
  --force                 send only: pay a fee that looks like a mistake
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
  replace: { type: 'boolean' },
  again: { type: 'boolean' },
  force: { type: 'boolean' },
  wait: { type: 'boolean' },
  depth: { type: 'string' },
  timeout: { type: 'string' },
  limit: { type: 'string' },
  from: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const
type Options = typeof OPTIONS
export type WalletOptions = OptionValues<Options>

/** What a verb works with. */
export interface WalletCall extends VerbCall<Options> {
  /** The key file. */
  readonly path: string
  readonly rpc: string
}

const NEW = ['rpc', 'passphrase-file', 'preset', 'set'] as const
const PAY = ['rpc', 'fee', 'wait', 'depth', 'timeout'] as const
const VERBS: Readonly<Record<string, Verb<WalletCall, Options>>> = {
  create: { run: createCommand, options: NEW, positionals: [] },
  import: { run: importCommand, options: [...NEW, 'seed-file'], positionals: [] },
  address: { run: addressCommand, options: [], positionals: [] },
  balance: { run: balanceCommand, options: ['rpc'], positionals: [] },
  send: {
    run: sendCommand,
    options: [...PAY, 'nonce', 'replace', 'again', 'force', 'passphrase-file'],
    positionals: ['TO', 'AMOUNT'],
  },
  history: { run: historyCommand, options: ['rpc', 'limit', 'from'], positionals: [] },
  export: { run: exportCommand, options: ['passphrase-file'], positionals: [] },
  faucet: { run: faucetCommand, options: PAY, positionals: ['[AMOUNT]'] },
}

/** `nacre wallet`. */
export const walletCommand = (args: readonly string[]): Promise<void> =>
  runVerb(
    {
      ...{ name: 'wallet', usage: USAGE, options: OPTIONS, common: ['wallet', 'json', 'help'], verbs: VERBS },
      callOf: (call) => ({ ...call, path: call.options.wallet ?? defaultWalletPath(), rpc: rpcOf(call.options.rpc) }),
      // A negative amount would pass for an option.
      inspect: (verb, rest) => {
        if (verb.positionals.some((each) => each.includes('AMOUNT')))
          for (const arg of rest) if (/^-\.?\d/.test(arg)) parseNcr('the amount', arg)
      },
    },
    args,
  )
