import { createFastHash } from '@nacre/engine'
import { engineUnitRunner, Miner, serveOpenings, TraceShelf } from '@nacre/miner'
import {
  createLibp2pNetwork,
  createLogger,
  createSqliteStore,
  engineBlockWorkers,
  FullNode,
  type RpcOptions,
  type RpcServer,
  startRpc,
  systemClock,
  systemRandom,
} from '@nacre/node'
import { bytesToHex, diffParams, keyPairFromSeed, type Params, presetByName } from '@nacre/protocol'
import { Verifier } from '@nacre/verifier'
import { CliError } from '../errors.ts'
import { createWorkers, loadContext } from '../network-model.ts'
import { openDataDir } from './data-dir.ts'

export interface RunNodeOptions {
  readonly role: 'boot' | 'miner' | 'verifier'
  readonly name: string
  readonly dataDir: string
  readonly preset: string
  readonly params: Params
  readonly listen: readonly string[]
  readonly bootstrap: readonly string[]
  readonly rpcHost: string
  readonly rpcPort: number
  /** Take any free port where that one is taken. */
  readonly rpcFallback: boolean
  readonly dutyCycle: number
  /** Worker threads; a miner keeps as many units in flight. */
  readonly threads: number
  /** Run units with V8's revectorizer, see `WorkerOptions`. */
  readonly revectorize: boolean
  readonly stepsPerUnit: number
  readonly singleHost: boolean
  /** 32 bytes that fix the peer id; default: the key in the data directory. */
  readonly identitySeed?: Uint8Array
  readonly logLevel: string
  readonly signal: AbortSignal
  readonly onReady: (line: {
    readonly rpc: string
    readonly addresses: readonly string[]
    readonly minerKey?: string
  }) => void
}

const TARGET_PEERS = 8
/** After this long a stop that hangs becomes an exit. */
const STOP_LIMIT_MS = 4_000

/** Runs a node until `signal` aborts. */
export async function runNode(options: RunNodeOptions): Promise<void> {
  const { role, params, signal } = options
  const log = createLogger({ name: options.name, level: options.logLevel, destination: 2 })
  log.info({
    event: 'start',
    role,
    preset: options.preset,
    overrides: diffParams(presetByName(options.preset), params),
  })
  const data = openDataDir(options.dataDir)
  const hash = await createFastHash()
  const context = await loadContext(params, hash)
  const { threads, revectorize } = options
  const onReady = (kernels: string): void => log.info({ event: 'workers_ready', kernels, threads })
  const workers = await createWorkers(context, { threads, revectorize, onReady }, hash)
  const runner = engineUnitRunner(context, workers)
  const store = createSqliteStore(data.chainPath)
  const keys = role === 'miner' ? keyPairFromSeed(data.secret('miner')) : undefined
  const network = await createLibp2pNetwork({
    chainTag: bytesToHex(context.genesis.chainId).slice(0, 16),
    listen: options.listen,
    bootstrap: options.bootstrap,
    identitySeed: options.identitySeed ?? data.secret('identity'),
    singleHost: options.singleHost,
    targetPeers: TARGET_PEERS,
    log,
  }).catch((error: unknown) => {
    throw new CliError(`the network did not start: ${error instanceof Error ? error.message : String(error)}`)
  })
  const node = new FullNode({
    context,
    network,
    store,
    workers: engineBlockWorkers(context, workers),
    clock: systemClock,
    random: systemRandom,
    log,
    ...(keys === undefined ? {} : { minerKey: keys.publicKey }),
  })
  await node.start()

  const shelf = new TraceShelf()
  const { dutyCycle } = options
  const miner =
    keys === undefined ? undefined : new Miner({ node, runner, keys, shelf, dutyCycle, unitsInFlight: threads })
  if (miner !== undefined) serveOpenings(node, runner, shelf)
  const verifier = role === 'verifier' ? new Verifier({ node, stepsPerUnit: options.stepsPerUnit }) : undefined
  verifier?.start()
  miner?.start()
  const rpc = await listenRpc(options, {
    node,
    host: options.rpcHost,
    role,
    ...(miner === undefined ? {} : { extra: () => ({ miner: miner.stats }) }),
  }).catch(async (error: unknown) => {
    // What runs would keep the process alive.
    await Promise.all([miner?.stop(), verifier?.stop()])
    await node.stop()
    await workers.stop()
    throw error
  })
  log.info({ event: 'ready', rpc: rpc.url, addresses: network.addresses() })
  options.onReady({
    rpc: rpc.url,
    addresses: network.addresses(),
    ...(keys === undefined ? {} : { minerKey: bytesToHex(keys.publicKey) }),
  })

  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  log.info({ event: 'stopping' })
  const limit = setTimeout(() => {
    log.error({ event: 'stop_timed_out' })
    process.exit(1)
  }, STOP_LIMIT_MS)
  await Promise.all([miner?.stop(), verifier?.stop(), rpc.stop()])
  await node.stop()
  await workers.stop()
  clearTimeout(limit)
  log.info({ event: 'stopped' })
}

async function listenRpc(
  { rpcPort, rpcFallback }: RunNodeOptions,
  options: Omit<RpcOptions, 'port'>,
): Promise<RpcServer> {
  try {
    return await startRpc({ ...options, port: rpcPort })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (rpcFallback && code === 'EADDRINUSE') return startRpc({ ...options, port: 0 })
    throw new CliError(`the RPC did not start: ${error instanceof Error ? error.message : String(error)}`)
  }
}
