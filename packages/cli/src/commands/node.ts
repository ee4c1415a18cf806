import { parseArgs } from 'node:util'
import { hasPlants, hexToBytes, type Params } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { type RunNodeOptions, runNode } from '../node/run-node.ts'
import { amountFlag, fractionFlag, integerFlag, paramsFrom, parsed, workFlag } from '../options.ts'
import { onInterrupt } from '../signals.ts'

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
  --rpc-fallback      any port if that one is taken
  --duty F            part of the time a miner works (default 1)
  --threads N         worker threads (default 1); a miner keeps as many units in flight
  --revectorize       let V8 join WebAssembly vectors to 256 bits: an experiment of V8's, used if the self-test passes and
                      given up if the process that computes ends twice
  --work KIND         what a miner multiplies under provenance open: random matrices, structured ones, inference of
                      prompts, or of that the first-layer (default inference)
  --steps N           steps a verifier samples per unit (default 8)
  --register          register this miner or verifier, as soon as its matured balance covers the bond and a few fees;
                      GET /status says what it waits for. The bond stays when the node stops
  --faucet            take the bond from the faucet of a network of test coins
  --unregister        end the registration and ask the bond back. Go on running: what was delivered can be audited until
                      it returns; GET /status says at which height
  --ask PRICE         a miner's price for paid jobs of every model: grains per 10^9 output MACs. It asks once it is
                      registered (--register), and again when its ask is lost
  --capacity MACS     MACs of paid jobs that it takes per block (default: half of what the network's reference machine
                      computes in a block, times --duty and --threads)
  --plant             plant faults among this miner's paid units, as many as the network's secret draw allows: wrong traces
                      with right answers, revealed in time, to show whether verifiers look. Those units earn nothing
  --trace-quota-mib N disk for the traces of units that this miner delivered, which it opens to audits until they mature,
                      also after a restart (default 256; 0: they are executed again)
  --single-host       all peers run on this host: no limit per address
  --identity-seed HEX 32 bytes that fix the peer id (default: a key of its own in --data). For devnets whose bootstrap
                      address is written down beforehand: whoever knows the seed can pose as that peer
  --log-level LEVEL   debug, info, warn or error (default info); logs go to standard error
  --lifeline          stop when standard input closes
  --env               read options from the environment, as containers do: NACRE_ROLE for --role, NACRE_RPC_PORT for
                      --rpc-port and so on; repeatable ones (NACRE_SET, NACRE_LISTEN, NACRE_BOOTSTRAP) hold values
                      separated by white space, and switches such as NACRE_REGISTER and NACRE_FAUCET are 1 or 0. Options on the
                      command line win; repeatable ones add up
`

const ROLES = ['boot', 'miner', 'verifier'] as const

const OPTIONS = {
  role: { type: 'string', default: 'boot' },
  name: { type: 'string' },
  data: { type: 'string' },
  preset: { type: 'string', default: 'devnet' },
  set: { type: 'string', multiple: true, default: [] as string[] },
  listen: { type: 'string', multiple: true, default: ['/ip4/127.0.0.1/tcp/0'] as string[] },
  bootstrap: { type: 'string', multiple: true, default: [] as string[] },
  'rpc-host': { type: 'string', default: '127.0.0.1' },
  'rpc-port': { type: 'string', default: '0' },
  duty: { type: 'string', default: '1' },
  threads: { type: 'string', default: '1' },
  work: { type: 'string' },
  steps: { type: 'string', default: '8' },
  ask: { type: 'string' },
  capacity: { type: 'string' },
  register: { type: 'boolean', default: false },
  faucet: { type: 'boolean', default: false },
  unregister: { type: 'boolean', default: false },
  plant: { type: 'boolean', default: false },
  'trace-quota-mib': { type: 'string', default: '256' },
  'identity-seed': { type: 'string' },
  'log-level': { type: 'string', default: 'info' },
  'single-host': { type: 'boolean', default: false },
  revectorize: { type: 'boolean', default: false },
  'rpc-fallback': { type: 'boolean', default: false },
  lifeline: { type: 'boolean', default: false },
  env: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

/** What the environment can switch on. */
const SWITCHES: ReadonlySet<string> = new Set(['register', 'unregister', 'faucet', 'plant'])

/**
 * The variables NACRE_* as command line options. Opt-in by `--env`: a variable exported for one network must not reach the
 * nodes of another. An empty variable counts as none, because Compose cannot leave one out.
 */
function optionsFromEnvironment(environment: NodeJS.ProcessEnv): string[] {
  return Object.entries(environment).flatMap(([variable, text = '']) => {
    // NACRE_WALLET_* are the wallet's.
    if (!/^NACRE_(?!WALLET_)/.test(variable) || text.trim() === '') return []
    const name = variable.slice('NACRE_'.length).toLowerCase().replaceAll('_', '-')
    if (SWITCHES.has(name)) return switchFrom(variable, text.trim()) ? [`--${name}`] : []
    const option = Object.hasOwn(OPTIONS, name) ? OPTIONS[name as keyof typeof OPTIONS] : undefined
    if (option?.type !== 'string') throw new CliError(`the environment variable ${variable} is no option of a node`, 2)
    const values = 'multiple' in option ? text.trim().split(/\s+/) : [text.trim()]
    return values.map((value) => `--${name}=${value}`)
  })
}

function switchFrom(variable: string, text: string): boolean {
  if (text !== '0' && text !== '1') throw new CliError(`${variable} is 1 or 0, not "${text}"`, 2)
  return text === '1'
}

/** What a miner asks; undefined without `--ask`. */
function askFrom(
  values: { readonly ask?: string; readonly capacity?: string },
  role: string,
  params: Params,
  share: number,
): RunNodeOptions['ask'] {
  if (values.ask === undefined) {
    if (values.capacity !== undefined) throw new CliError('--capacity goes with --ask, the price', 2)
    return undefined
  }
  if (role !== 'miner') throw new CliError(`--ask is for miners, not for --role ${role}`, 2)
  const { units, block } = params
  const perBlock = (units.referenceMacsPerSecond * block.timeMs * share) / 2000
  const most = (1n << 64n) - 1n
  return {
    priceGrains: amountFlag('ask', values.ask, most),
    capacityMacs:
      values.capacity === undefined ? BigInt(Math.ceil(perBlock)) : amountFlag('capacity', values.capacity, most),
  }
}

/** `nacre node`. `parts` replaces parts of the node, which no option does. */
export async function nodeCommand(
  args: readonly string[],
  parts: Pick<RunNodeOptions, 'createAgent'> = {},
): Promise<void> {
  const parse = (all: readonly string[]) => parsed(() => parseArgs({ args: [...all], options: OPTIONS }), USAGE).values
  const given = parse(args)
  const values = given.env ? parse([...optionsFromEnvironment(process.env), ...args]) : given
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const role = ROLES.find((name) => name === values.role)
  if (role === undefined) throw new CliError(`--role is one of ${ROLES.join(', ')}, not "${values.role}"`, 2)
  if (values.data === undefined) throw new CliError(`--data is needed\n\n${USAGE}`, 2)
  if (!['debug', 'info', 'warn', 'error'].includes(values['log-level']))
    throw new CliError('--log-level is debug, info, warn or error', 2)
  const identitySeed = values['identity-seed']
  if (identitySeed !== undefined && !/^[0-9a-f]{64}$/.test(identitySeed))
    throw new CliError('--identity-seed is 64 lower-case hex digits', 2)

  const params = paramsFrom(values.preset, values.set)
  const dutyCycle = fractionFlag('duty', values.duty)
  const threads = integerFlag('threads', values.threads, 1, 64)
  const ask = askFrom(values, role, params, dutyCycle * threads)
  const work = values.work === undefined ? 'inference' : workFlag('work', values.work)
  if (values.work !== undefined && !(role === 'miner' && params.bindings.provenance === 'open'))
    throw new CliError('--work is for miners of a network with provenance open, as the preset pearl-devnet has it', 2)
  if (values.unregister && (values.register || role === 'boot'))
    throw new CliError('--unregister is for a miner or verifier, without --register', 2)
  if (values.faucet && !(values.register && params.emission.faucetGrains > 0n))
    throw new CliError(
      `--faucet goes with --register, on a network that has a faucet; ${params.network.name} ${params.emission.faucetGrains > 0n ? 'has one' : 'has none'}`,
      2,
    )
  if (values.register && role === 'boot') throw new CliError('--register is for miners and verifiers', 2)

  if (values.plant && role !== 'miner') throw new CliError(`--plant is for miners, not for --role ${role}`, 2)
  if (values.plant && !hasPlants(params))
    throw new CliError('--plant is for networks with planted faults (audits.mode, audits.plantPpm)', 2)

  const abort = new AbortController()
  onInterrupt(() => abort.abort())
  if (values.lifeline) {
    process.stdin.on('close', () => abort.abort())
    process.stdin.on('error', () => abort.abort())
    process.stdin.resume()
  }
  await runNode({
    ...parts,
    role,
    name: values.name ?? role,
    dataDir: values.data,
    preset: values.preset,
    params,
    listen: values.listen,
    bootstrap: values.bootstrap,
    rpcHost: values['rpc-host'],
    rpcPort: integerFlag('rpc-port', values['rpc-port'], 0, 65_535),
    rpcFallback: values['rpc-fallback'],
    dutyCycle,
    threads,
    register: values.register,
    faucet: values.faucet,
    unregister: values.unregister,
    plant: values.plant,
    traceQuotaBytes: integerFlag('trace-quota-mib', values['trace-quota-mib'], 0, 1_048_576) * 1_048_576,
    work,
    ask,
    revectorize: values.revectorize,
    stepsPerUnit: integerFlag('steps', values.steps, 1, 16),
    singleHost: values['single-host'],
    ...(identitySeed === undefined ? {} : { identitySeed: hexToBytes(identitySeed) }),
    logLevel: values['log-level'],
    signal: abort.signal,
    onReady: (line) => process.stdout.write(`${JSON.stringify({ ready: true, ...line })}\n`),
  })
  process.stdin.destroy()
}
