import { rpcOf } from '../options.ts'
import { type OptionValues, runVerb, type Verb, type VerbCall } from '../verbs.ts'
import { defaultWalletPath } from '../wallet/key-file.ts'
import { showCommand } from './job-show.ts'
import { submitCommand } from './job-submit.ts'
import { verifyCommand } from './job-verify.ts'

const USAGE = `Inference that the network executes for a fee.

  npm run nacre -- job submit "PROMPT"        post a job, follow it, print the answer, verify it
  npm run nacre -- job show ID                where a job stands, what it cost (needs no wallet)
  npm run nacre -- job verify ID              execute the answer of any job again and compare (needs no wallet)
  npm run nacre -- job verify ID --sample N   check N steps of it, drawn here, which their miner has to open
  npm run nacre -- job verify ID --sample N --accuse --wallet FILE    and accuse the miner if one of them is wrong

  --rpc URL               a node (default http://127.0.0.1:8645)
  --json                  print one JSON object on standard output, for a failure too
  --help                  this text

submit:
  --model NAME            one of the network's models (default: the first; "nacre market" lists them)
  --max-tokens N          tokens to generate at most (default 64, or what there is room for)
  --temperature T         0 to 65.535 (default 0: the likeliest token each time)
  --seed HEX              1 to 64 hex digits: the same choice of tokens each time (default: another one each time)
  --max-price GRAINS      most grains for 10^9 output MACs (default: the larger of best ask and reference price, and 25 %)
  --miner KEY             who shall deliver, 64 hex digits, on a network with provenance client-signed (default: one that
                          asks at most the price, drawn by its room)
  --verify MODE           full: execute the answer again here (default); sampled: one answer in ten; off: believe it
  --timeout SECONDS       give up waiting, not the job (default: ten times its lifetime)
  --replace               take the place of something else that the wallet signed with the same nonce
  --wallet FILE           the key file that pays (default ~/.nacre/wallet.json)
  --passphrase-file FILE  a file whose one line is the passphrase. Without it: the variable NACRE_WALLET_PASSPHRASE,
                          then a hidden prompt

The text goes to standard output, everything else to standard error. A job that is posted goes on when the command is
interrupted: "job show" finds it again.

verify:
  --sample N              open the steps that bind prompt and answer, and N more. A forged step is found only
                          if it is drawn: the command says how likely that is. Without it everything is checked
  --accuse                take a wrong step to the chain: a commitment with its deposit, which returns, then the proof, for
                          a part of the miner's bonds. Waits until it is done. Started again, it goes on where it was
  --proof FILE            where the proof is kept, written before anything is sent (default: beside the wallet). Of one
                          that is there --sample is not needed
  --wallet FILE           the key file that accuses: it pays deposit and fees, and gets the bounty
  --passphrase-file FILE, --replace           as for submit

Exit codes: 0 done, 1 refused, failed or false, 2 wrong usage, 130 interrupted. Of verify also: 3 nobody opens the steps,
4 no answer yet, 5 no such job. A false answer is 1 whether or not its miner could be accused.
`

const OPTIONS = {
  rpc: { type: 'string' },
  model: { type: 'string' },
  'max-tokens': { type: 'string' },
  temperature: { type: 'string' },
  seed: { type: 'string' },
  'max-price': { type: 'string' },
  miner: { type: 'string' },
  verify: { type: 'string' },
  timeout: { type: 'string' },
  replace: { type: 'boolean' },
  sample: { type: 'string' },
  accuse: { type: 'boolean' },
  proof: { type: 'string' },
  wallet: { type: 'string' },
  'passphrase-file': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const
type Options = typeof OPTIONS
export type JobOptions = OptionValues<Options>

/** What a verb works with. */
export interface JobCall extends VerbCall<Options> {
  readonly rpc: string
  /** The key file. */
  readonly path: string
}

const SUBMIT = [
  'model',
  'max-tokens',
  'temperature',
  'seed',
  'max-price',
  'miner',
  'verify',
  'timeout',
  'replace',
] as const
const VERIFY = ['sample', 'accuse', 'proof', 'replace'] as const
const VERBS: Readonly<Record<string, Verb<JobCall, Options>>> = {
  submit: { run: submitCommand, options: [...SUBMIT, 'wallet', 'passphrase-file'], positionals: ['PROMPT'] },
  show: { run: showCommand, options: [], positionals: ['ID'] },
  verify: { run: verifyCommand, options: [...VERIFY, 'wallet', 'passphrase-file'], positionals: ['ID'] },
}

/** `nacre job`. */
export const jobCommand = (args: readonly string[]): Promise<void> =>
  runVerb(
    {
      ...{ name: 'job', usage: USAGE, options: OPTIONS, common: ['rpc', 'json', 'help'], verbs: VERBS },
      callOf: (call) => ({ ...call, rpc: rpcOf(call.options.rpc), path: call.options.wallet ?? defaultWalletPath() }),
    },
    args,
  )
