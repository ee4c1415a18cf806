import { createFastHash, type OpenWork, type WorkerPort } from '@nacre/engine'
import {
  AskKeeper,
  ChallengeResponder,
  engineOpenRunner,
  engineUnitRunner,
  Miner,
  OpenLane,
  OwedTraces,
  Plants,
  serveOpenings,
  TraceFiles,
  TraceShelf,
} from '@nacre/miner'
import {
  AccountAgent,
  createLibp2pNetwork,
  createLogger,
  createSqliteStore,
  engineBlockWorkers,
  FullNode,
  RegistrationKeeper,
  type RpcOptions,
  type RpcServer,
  startRpc,
  systemClock,
  systemRandom,
} from '@nacre/node'
import {
  bytesToHex,
  diffParams,
  encodeAddress,
  type KeyPair,
  keyPairFromSeed,
  type Params,
  presetByName,
  ROLE_MINER,
  ROLE_VERIFIER,
} from '@nacre/protocol'
import { forwardOpenings, OpeningsSource, type OwnOpenings, UnitAuditor, Verifier } from '@nacre/verifier'
import { CliError } from '../errors.ts'
import { createWorkers, loadContext } from '../network-model.ts'
import { openDataDir } from './data-dir.ts'
import { takeBond } from './faucet-bond.ts'

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
  /** What a miner multiplies under provenance `open`. */
  readonly work: OpenWork
  /** Register the node's key as soon as its matured balance covers the bond. */
  readonly register: boolean
  /** Take the bond from the faucet of a network of test coins. */
  readonly faucet: boolean
  /** Ask its bond back. */
  readonly unregister: boolean
  /** Price in grains per GMAC at which a miner asks for jobs, and the MACs that it takes per block. */
  readonly ask: { readonly priceGrains: bigint; readonly capacityMacs: bigint } | undefined
  /** A miner plants faults among its paid units (AUD-8). */
  readonly plant: boolean
  /** Bytes of a miner's traces on disk; 0 for none. */
  readonly traceQuotaBytes: number
  readonly singleHost: boolean
  /** Of the node's key, instead of an {@link AccountAgent}: for experiments with nodes that do not do what they should. */
  readonly createAgent?: (node: FullNode, keys: KeyPair) => AccountAgent
  /** 32 bytes that fix the peer id; default: the key in the data directory. */
  readonly identitySeed?: Uint8Array
  readonly logLevel: string
  readonly signal: AbortSignal
  readonly onReady: (line: {
    readonly rpc: string
    readonly addresses: readonly string[]
    readonly minerKey?: string
    /** Of the node's own key: what funds its bond, and where its rewards go. */
    readonly address?: string
  }) => void
}

const TARGET_PEERS = 8
/** Transactions that a registered key must still be able to pay for: its asks and first receipts. */
const RESERVE_TRANSACTIONS = 32
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
  const store = createSqliteStore(data.chainPath)
  const keys = role === 'boot' ? undefined : keyPairFromSeed(data.secret(role))
  const network = await createLibp2pNetwork({
    chainTag: bytesToHex(context.genesis.chainId).slice(0, 16),
    listen: options.listen,
    bootstrap: options.bootstrap,
    identitySeed: options.identitySeed ?? data.secret('identity'),
    singleHost: options.singleHost,
    targetPeers: TARGET_PEERS,
    log,
  }).catch(async (error: unknown) => {
    // What runs would keep the process alive.
    await workers.stop()
    store.close()
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
    ...(role === 'miner' && keys !== undefined ? { minerKeys: keys } : {}),
  })
  await node.start()

  const openings = new OpeningsSource(node)
  const parts = keys === undefined ? undefined : startParts(options, node, workers, keys, openings)
  const rpc = await listenRpc(options, {
    node,
    host: options.rpcHost,
    role,
    openings: forwardOpenings(node, openings, parts?.ownOpenings),
    ...(parts === undefined ? {} : { extra: () => parts.status() }),
  }).catch(async (error: unknown) => {
    await parts?.stop()
    await node.stop()
    await workers.stop()
    throw error
  })
  log.info({ event: 'ready', rpc: rpc.url, addresses: network.addresses() })
  options.onReady({
    rpc: rpc.url,
    addresses: network.addresses(),
    ...(role === 'miner' && keys !== undefined ? { minerKey: bytesToHex(keys.publicKey) } : {}),
    ...(parts === undefined ? {} : { address: parts.address }),
  })

  if (options.faucet && role !== 'boot') void takeBond({ rpc: rpc.url, params, role, log, signal })
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  log.info({ event: 'stopping' })
  const limit = setTimeout(() => {
    log.error({ event: 'stop_timed_out' })
    process.exit(1)
  }, STOP_LIMIT_MS)
  await Promise.all([parts?.stop(), rpc.stop()])
  await node.stop()
  await workers.stop()
  clearTimeout(limit)
  log.info({ event: 'stopped' })
}

/** What a miner or a verifier runs on its node. */
interface Parts {
  readonly address: string
  /** Figures for `/status`. */
  status(): Readonly<Record<string, unknown>>
  /** Of a miner. */
  readonly ownOpenings: OwnOpenings | undefined
  stop(): Promise<void>
}

function startParts(
  options: RunNodeOptions,
  node: FullNode,
  workers: WorkerPort,
  keys: KeyPair,
  openings: OpeningsSource,
): Parts {
  const { role, dutyCycle, threads, stepsPerUnit, register, unregister, ask, work } = options
  const { context } = node
  const runner = engineUnitRunner(context, workers)
  const agent = options.createAgent?.(node, keys) ?? new AccountAgent(node, keys)
  const registration = new RegistrationKeeper({
    ...{ node, agent, isWanted: register, isLeaving: unregister, reserveTransactions: RESERVE_TRANSACTIONS },
    role: role === 'miner' ? ROLE_MINER : ROLE_VERIFIER,
  })
  const shelf = new TraceShelf()
  const open =
    role === 'miner' && context.params.bindings.provenance === 'open'
      ? new OpenLane({ node, runner: engineOpenRunner(context, workers), keys, work })
      : undefined
  const plants = role === 'miner' ? new Plants(node, agent, options.plant) : undefined
  const files = role === 'miner' && options.traceQuotaBytes > 0 ? openTraces(options, node) : undefined
  const mining = {
    node,
    runner,
    keys,
    agent,
    shelf,
    dutyCycle,
    unitsInFlight: threads,
    files,
    plants,
    ...(open && { open }),
  }
  const miner = role === 'miner' ? new Miner(mining) : undefined
  const traces = new OwedTraces({ node, runner, shelf, files, plants })
  if (miner !== undefined) serveOpenings(node, runner, traces)
  const asks = miner === undefined || ask === undefined ? undefined : new AskKeeper({ node, agent, ...ask })
  const responder = miner === undefined ? undefined : new ChallengeResponder({ node, agent, runner, traces })
  const verifier = role === 'verifier' ? new Verifier({ node, stepsPerUnit, openings }) : undefined
  const auditor = role === 'verifier' ? new UnitAuditor({ node, agent, openings }) : undefined
  for (const part of [agent, registration, asks, plants, verifier, auditor, responder, miner]) part?.start()
  const address = encodeAddress(agent.account, node.context.params.network.addressPrefix)
  return {
    address,
    ownOpenings:
      miner === undefined ? undefined : async (jobId, steps) => runner.openSteps(await traces.of(jobId), steps),
    status: () => ({
      ...(miner === undefined ? {} : { miner: { ...miner.stats, ...(open && { work: open.work }) } }),
      registration: { address, ...registration.view, waiting: agent.waiting },
      ...(asks === undefined ? {} : { asks: asks.view }),
    }),
    stop: async () => {
      for (const part of [registration, asks, plants]) part?.stop()
      await Promise.all([miner, verifier, auditor, responder, agent].map((part) => part?.stop()))
    },
  }
}

function openTraces({ dataDir, traceQuotaBytes }: RunNodeOptions, { context, log }: FullNode): TraceFiles {
  const dimsOf = (modelId: Uint8Array) => context.models.get(bytesToHex(modelId))?.model.config
  return new TraceFiles({ dir: openDataDir(dataDir).tracesPath, quotaBytes: traceQuotaBytes, dimsOf, log })
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
    const hint = code === 'EADDRINUSE' ? '. --rpc-port N names another port, --rpc-fallback takes any' : ''
    throw new CliError(`the RPC did not start: ${error instanceof Error ? error.message : String(error)}${hint}`)
  }
}
