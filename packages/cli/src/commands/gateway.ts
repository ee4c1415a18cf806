import { parseArgs } from 'node:util'
import { createFastHash } from '@nacre/engine'
import { type GatewayOptions, startGateway } from '@nacre/gateway'
import { createLogger } from '@nacre/node/log'
import { isLoopback, readParams } from '@nacre/node/rpc-client'
import { CliError } from '../errors.ts'
import { verifyFlag } from '../jobs/request.ts'
import { createWorkers, loadContext, loadTextModel } from '../network-model.ts'
import { fractionFlag, integerFlag, parsed, rpcOf } from '../options.ts'
import { interruptible } from '../signals.ts'
import { parseGrains, parseNcr } from '../wallet/amount.ts'
import { decryptKeys, defaultWalletPath, readKeyFile } from '../wallet/key-file.ts'
import { readOwnNetwork } from '../wallet/network.ts'
import { passphraseOf } from '../wallet/secrets.ts'
import { fillTestWallet, type TestWallet, testWalletIn } from '../wallet/test-wallet.ts'
import { gatewayKeyCommand } from './gateway-key.ts'

const USAGE = `An OpenAI-compatible HTTP API in front of the network: /v1/models, /v1/completions, /v1/chat/completions.

  npm run nacre -- gateway [options]
  npm run nacre -- gateway key --help         API keys with limits

  --rpc URL               a node of the wallet's network (default http://127.0.0.1:8645)
  --wallet FILE           the key file that pays for all jobs (default ~/.nacre/wallet.json). While the gateway runs
                          nothing else may spend from it: give it a wallet of its own
  --passphrase-file FILE  a file whose one line is the passphrase. Without it: the variable NACRE_WALLET_PASSPHRASE,
                          then a hidden prompt
  --test-wallet DIR       in place of both, on a network of test coins: a wallet in this folder, made and filled from the faucet
  --host HOST             where it listens (default 127.0.0.1)
  --port PORT             its port, 0 for any (default 8646)
  --port-fallback         any port if that one is taken
  --keys FILE             API keys; without them no key is needed, and only this machine is served
  --no-keys               serve whoever reaches HOST without a key: everybody there can spend the wallet
  --ledger FILE           what the keys have spent (default: beside the keys, with .sqlite added)
  --policy FILE           aliases, price limits, fallbacks (default: "small" and "large" of what is registered)
  --max-price GRAINS      most grains for 10^9 output MACs, without a policy file (default 100000000)
  --max-request NCR       most that one request may cost, without a policy file (default 1)
  --verify MODE           off, sampled or full: which answers are executed again here (default sampled)
  --sample-share F        part of the answers that "sampled" verifies (default 0.1)
  --deadline SECONDS      how long a request waits if it does not say (default: six block times, at least 60)
  --threads N             worker threads that verify and score (default 1)
  --log-level LEVEL       debug, info, warn or error (default info); logs go to standard error
  --lifeline              stop when standard input closes
  --help                  this text

When it is ready it prints one JSON object on standard output. SIGINT or SIGTERM let requests finish for ten seconds.
`

const OPTIONS = {
  rpc: { type: 'string' },
  wallet: { type: 'string' },
  'passphrase-file': { type: 'string' },
  'test-wallet': { type: 'string' },
  'no-keys': { type: 'boolean', default: false },
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '8646' },
  'port-fallback': { type: 'boolean', default: false },
  keys: { type: 'string' },
  ledger: { type: 'string' },
  policy: { type: 'string' },
  'max-price': { type: 'string' },
  'max-request': { type: 'string' },
  verify: { type: 'string', default: 'sampled' },
  'sample-share': { type: 'string' },
  deadline: { type: 'string' },
  threads: { type: 'string', default: '1' },
  'log-level': { type: 'string', default: 'info' },
  lifeline: { type: 'boolean', default: false },
} as const

const MAX_DEADLINE_SECONDS = 1800

/** `nacre gateway`. */
export async function gatewayCommand(args: readonly string[]): Promise<void> {
  if (args[0] === 'key') return gatewayKeyCommand(args.slice(1))
  if (args.includes('--help')) {
    process.stdout.write(USAGE)
    return
  }
  const { values } = parsed(() => parseArgs({ args: [...args], options: OPTIONS }), USAGE)
  const { host, keys: keysPath, policy } = values
  const isOpen = values['no-keys']
  const testFolder = values['test-wallet']
  if (isOpen && keysPath !== undefined) throw new CliError('--no-keys and --keys are two ways: give one', 2)
  if (testFolder !== undefined && (values.wallet ?? values['passphrase-file']) !== undefined)
    throw new CliError('--test-wallet goes without --wallet and --passphrase-file', 2)
  if (keysPath === undefined && !isOpen && !isLoopback(host))
    throw new CliError(
      `--host ${host} can be reached by others: --keys FILE is needed ("gateway key add" makes one), or --no-keys`,
      2,
    )
  if (keysPath === undefined && values.ledger !== undefined) throw new CliError('--ledger goes with --keys', 2)
  if (policy !== undefined && (values['max-price'] ?? values['max-request']) !== undefined)
    throw new CliError('--max-price and --max-request are for a gateway without --policy: the file has its own', 2)
  if (!['debug', 'info', 'warn', 'error'].includes(values['log-level']))
    throw new CliError('--log-level is debug, info, warn or error', 2)
  const settings = settingsOf(values)
  const rpc = rpcOf(values.rpc)

  await interruptible(async (signal) => {
    const say = (line: string): void => void process.stderr.write(`${line}\n`)
    const made = testFolder === undefined ? undefined : await readyTestWallet(rpc, testFolder, signal)
    const path = made?.path ?? values.wallet ?? defaultWalletPath()
    const file = await readKeyFile(path, say)
    const params = await readOwnNetwork(rpc, file.network)
    const hash = await createFastHash()
    const context = await loadContext(params, hash)
    const models = await Promise.all(params.models.map(({ name }) => loadTextModel(params, name, hash)))
    const passphrase = await passphraseOf({
      file: made?.passphrasePath ?? values['passphrase-file'],
      environment: true,
      path,
    })
    const keys = await decryptKeys(file, passphrase, path)
    const workers = await createWorkers(context, { threads: integerFlag('threads', values.threads, 1, 64) }, hash)
    try {
      const options: GatewayOptions = {
        ...{ rpcUrl: rpc, keys, market: context.market, workers, models, host, keysPath, policyPath: policy, isOpen },
        ...settings,
        ledgerPath: keysPath === undefined ? undefined : (values.ledger ?? `${keysPath}.sqlite`),
        log: createLogger({ name: 'gateway', level: values['log-level'], destination: 2 }),
      }
      const gateway = await startGateway(options).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE' && values['port-fallback']) return startGateway({ ...options, port: 0 })
        throw listenError(error, host, settings.port)
      })
      const { url, address, names, needsKey } = gateway
      if (!needsKey) say('no API keys: whoever is on this machine can spend the wallet. --keys FILE changes that')
      process.stdout.write(
        `${JSON.stringify({ ready: true, url, baseUrl: `${url}/v1`, address, models: names, needsKey })}\n`,
      )
      await untilEnd(signal, values.lifeline)
      await gateway.stop()
    } finally {
      await workers.stop()
    }
  })
}

/** A wallet that needs no person, with coins in it. Throws CliError. */
async function readyTestWallet(rpc: string, folder: string, signal: AbortSignal): Promise<TestWallet> {
  const { params } = await readParams(rpc)
  const wallet = await testWalletIn(folder, params)
  await fillTestWallet(rpc, params, wallet, signal)
  return wallet
}

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

/** What is checked before anything is read. */
function settingsOf(values: Values) {
  const share = values['sample-share']
  const { deadline } = values
  const price = values['max-price']
  const request = values['max-request']
  return {
    port: integerFlag('port', values.port, 0, 65_535),
    verify: verifyFlag(values.verify),
    ...(share === undefined ? {} : { sampleShare: fractionFlag('sample-share', share) }),
    ...(deadline === undefined
      ? {}
      : { deadlineMs: 1000 * integerFlag('deadline', deadline, 1, MAX_DEADLINE_SECONDS) }),
    limits: {
      ...(price === undefined ? {} : { maxPriceGrains: parseGrains('--max-price', price) }),
      ...(request === undefined ? {} : { maxRequestGrains: parseNcr('--max-request', request) }),
    },
  }
}

/** A failure to listen as a message for people; any other error as it is. */
function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE')
    return new CliError(
      `port ${port} of ${host} is taken (the devnet's gateway has 8646): --port N names another, --port-fallback takes any`,
      1,
      'PORT_TAKEN',
    )
  if (error.syscall !== 'listen' && error.syscall !== 'getaddrinfo') return error
  return new CliError(`cannot listen at ${host}, port ${port}: ${error.message}`, 1, 'LISTEN')
}

/** Until the signal, or with a lifeline until standard input closes. */
async function untilEnd(signal: AbortSignal, hasLifeline: boolean): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (!hasLifeline) return
    for (const event of ['close', 'error'] as const) process.stdin.on(event, () => resolve())
    process.stdin.resume()
  })
  if (hasLifeline) process.stdin.destroy()
}
