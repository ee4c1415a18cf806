import { parseArgs } from 'node:util'
import { CliError } from '../errors.ts'
import { runNode } from '../node/run-node.ts'
import { fractionFlag, integerFlag, paramsFrom, parsed } from '../options.ts'

const USAGE = `Runs one Nacre node.

  npm run nacre -- node --data DIR [options]

  --role ROLE         boot, miner or verifier (default boot: a full node and nothing else)
  --name NAME         name in the logs (default: the role)
  --data DIR          folder of keys and chain; needed
  --preset NAME       parameter preset (default devnet)
  --set PATH=VALUE    override a parameter, repeatable
  --listen ADDR       multiaddr to listen on, repeatable (default /ip4/127.0.0.1/tcp/0)
  --bootstrap ADDR    multiaddr of a peer with its /p2p/ part, repeatable
  --rpc-host HOST     where the HTTP RPC listens (default 127.0.0.1)
  --rpc-port PORT     its port, 0 for any (default 0)
  --duty F            part of the time a miner works (default 1)
  --threads N         worker threads (default 1)
  --steps N           steps a verifier samples per unit (default 8)
  --single-host       all peers run on this host: no limit per address
  --log-level LEVEL   debug, info, warn or error (default info); logs go to standard error
  --lifeline          stop when standard input closes
`

const ROLES = ['boot', 'miner', 'verifier'] as const

/** `nacre node`. */
export async function nodeCommand(args: readonly string[]): Promise<void> {
  const { values } = parsed(
    () =>
      parseArgs({
        args: [...args],
        options: {
          role: { type: 'string', default: 'boot' },
          name: { type: 'string' },
          data: { type: 'string' },
          preset: { type: 'string', default: 'devnet' },
          set: { type: 'string', multiple: true, default: [] },
          listen: { type: 'string', multiple: true, default: ['/ip4/127.0.0.1/tcp/0'] },
          bootstrap: { type: 'string', multiple: true, default: [] },
          'rpc-host': { type: 'string', default: '127.0.0.1' },
          'rpc-port': { type: 'string', default: '0' },
          duty: { type: 'string', default: '1' },
          threads: { type: 'string', default: '1' },
          steps: { type: 'string', default: '8' },
          'single-host': { type: 'boolean', default: false },
          'log-level': { type: 'string', default: 'info' },
          lifeline: { type: 'boolean', default: false },
          help: { type: 'boolean', default: false },
        },
      }),
    USAGE,
  )
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const role = ROLES.find((name) => name === values.role)
  if (role === undefined) throw new CliError(`--role is one of ${ROLES.join(', ')}, not "${values.role}"`, 2)
  if (values.data === undefined) throw new CliError(`--data is needed\n\n${USAGE}`, 2)
  if (!['debug', 'info', 'warn', 'error'].includes(values['log-level']))
    throw new CliError('--log-level is debug, info, warn or error', 2)

  const abort = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => abort.abort())
  if (values.lifeline) {
    process.stdin.on('close', () => abort.abort())
    process.stdin.on('error', () => abort.abort())
    process.stdin.resume()
  }
  await runNode({
    role,
    name: values.name ?? role,
    dataDir: values.data,
    preset: values.preset,
    params: paramsFrom(values.preset, values.set),
    listen: values.listen,
    bootstrap: values.bootstrap,
    rpcHost: values['rpc-host'],
    rpcPort: integerFlag('rpc-port', values['rpc-port'], 0, 65_535),
    dutyCycle: fractionFlag('duty', values.duty),
    threads: integerFlag('threads', values.threads, 1, 64),
    stepsPerUnit: integerFlag('steps', values.steps, 1, 16),
    singleHost: values['single-host'],
    logLevel: values['log-level'],
    signal: abort.signal,
    onReady: (line) => process.stdout.write(`${JSON.stringify({ ready: true, ...line })}\n`),
  })
  process.stdin.destroy()
}
