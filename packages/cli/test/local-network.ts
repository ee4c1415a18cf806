/** A network of full nodes in one process: in-memory hub, virtual clock, in-memory stores, the real engine inline. */
import { createFastHash, createKernels, createUnitEngine, inlineWorkers, type OpenWork } from '@nacre/engine'
import {
  AskKeeper,
  ChallengeResponder,
  engineOpenRunner,
  engineUnitRunner,
  Miner,
  OpenLane,
  type OpenRunner,
  OwedTraces,
  Plants,
  serveOpenings,
  TraceFiles,
  TraceShelf,
  type UnitRunner,
} from '@nacre/miner'
import {
  AccountAgent,
  type BlockWorkers,
  type ChainStore,
  createSqliteStore,
  engineBlockWorkers,
  FullNode,
  type Logger,
  MemoryHub,
  type Random,
  RegistrationKeeper,
  seededRandom,
  silentLogger,
  sleep,
  VirtualClock,
} from '@nacre/node'
import {
  bytesToHex,
  type ConsensusContext,
  createContext,
  type KeyPair,
  keyPairFromSeed,
  type Model,
  overrideParams,
  type Params,
  presets,
  ROLE_MINER,
  ROLE_VERIFIER,
  unitCorpus,
  unitModel,
} from '@nacre/protocol'
import { OpeningsSource, UnitAuditor, Verifier } from '@nacre/verifier'
import { CliError } from '../src/errors.ts'

/** Virtual milliseconds that one unit takes on every miner here. */
export const UNIT_MS = 900

const hash = await createFastHash()
const kernels = await createKernels()

/** What a member's node and miner run their work on. */
export interface LocalEngine {
  readonly workers: BlockWorkers
  readonly runner: UnitRunner
  readonly openRunner: OpenRunner
}

/** The real engine, on the spot; a unit takes its time on the virtual clock. */
export function inlineEngine(context: ConsensusContext, clock: VirtualClock, openMacsPerMs?: number): LocalEngine {
  const engines = [...context.models.values()].map(({ model }) => createUnitEngine({ model, kernels, hash }))
  const port = inlineWorkers(engines, hash)
  const runner = engineUnitRunner(context, port)
  const draw = engineOpenRunner(context, port)
  return {
    workers: engineBlockWorkers(context, port),
    openRunner: async (input, signal) => {
      if (openMacsPerMs === undefined) await sleep(clock, UNIT_MS, signal)
      const outcome = await draw(input, signal)
      if (openMacsPerMs !== undefined) await sleep(clock, Math.ceil(outcome.macs / openMacsPerMs), signal)
      return outcome
    },
    runner: {
      ...runner,
      runUnit: async (job, signal) => {
        await sleep(clock, UNIT_MS, signal)
        return runner.runUnit(job, signal)
      },
      executeUnit: async (modelId, task, signal) => {
        await sleep(clock, UNIT_MS, signal)
        return runner.executeUnit(modelId, task, signal)
      },
    },
  }
}

export interface LocalMember {
  readonly name: string
  readonly node: FullNode
  readonly keys: KeyPair
  readonly store: ChainStore
  readonly miner: Miner | undefined
  readonly verifier: Verifier | undefined
  readonly auditor: UnitAuditor | undefined
  readonly responder: ChallengeResponder | undefined
  readonly agent: AccountAgent
  readonly registration: RegistrationKeeper
  readonly asks: AskKeeper | undefined
  readonly plants: Plants | undefined
}

export interface MemberOptions {
  readonly store?: ChainStore
  readonly keys?: KeyPair
  readonly random?: Random
  readonly dutyCycle?: number
  readonly unitsInFlight?: number
  readonly log?: Logger
  /** Registers as soon as it can pay for it. */
  readonly register?: boolean
  /** Of a miner: asks at this price for as many MACs per block as anybody wants. */
  readonly ask?: bigint
  /** Of a miner: keeps traces of delivered units in this folder, at most so many bytes. */
  readonly traces?: { readonly dir: string; readonly quotaBytes: number }
  /** Of a miner: plants faults (AUD-8). */
  readonly plants?: boolean
  /** What it declares beside its ask. */
  readonly capacityMacs?: bigint
  /** Sends its transactions in place of the usual agent. */
  readonly agent?: (node: FullNode, keys: KeyPair) => AccountAgent
  /** Of a miner under provenance `open`: what it multiplies. Default inference. */
  readonly work?: OpenWork
  /** Puts something between the miner and its engine. */
  readonly runner?: (runner: UnitRunner) => UnitRunner
  /** The same under provenance `open`. */
  readonly openRunner?: (runner: OpenRunner) => OpenRunner
}

export interface LocalNetworkOptions {
  readonly seed: string
  readonly params?: Params
  /** Models that the parameters list after the first. */
  readonly further?: readonly Model[]
  /** In place of `params` and `further`: any network. */
  readonly context?: ConsensusContext
  /** One engine for all members, which takes no virtual time. Default: one for each, which does. */
  readonly engine?: LocalEngine
  readonly miners: number
  readonly verifiers?: number
  /** Products of an open draw in a virtual millisecond, whatever is multiplied. Default: any draw takes as long as a unit. */
  readonly openMacsPerMs?: number
  readonly latencyMs?: { readonly min: number; readonly max: number }
}

/** Builds and starts miners `miner-0`, ... and verifiers `verifier-0`, ..., all connected to each other. */
export class LocalNetwork {
  readonly clock: VirtualClock
  readonly hub: MemoryHub
  readonly context: ConsensusContext
  readonly members: LocalMember[] = []
  readonly #random: Random
  readonly #openMacsPerMs: number | undefined
  readonly #engine: LocalEngine | undefined

  constructor(options: LocalNetworkOptions) {
    this.#openMacsPerMs = options.openMacsPerMs
    this.#engine = options.engine
    this.context =
      options.context ?? createContext(options.params ?? presets.unit, unitModel(), unitCorpus(), options.further)
    this.clock = new VirtualClock(this.context.params.network.genesisTimeMs + 1000)
    this.#random = seededRandom(options.seed)
    this.hub = new MemoryHub({
      clock: this.clock,
      random: seededRandom(`${options.seed}/hub`),
      latencyMs: options.latencyMs ?? { min: 5, max: 40 },
    })
    for (let i = 0; i < options.miners; i++) this.add(`miner-${i}`, 'miner')
    for (let i = 0; i < (options.verifiers ?? 0); i++) this.add(`verifier-${i}`, 'verifier')
  }

  /** Joins a member, connected to all others but not started. */
  add(name: string, role: 'miner' | 'verifier' | 'plain', options: MemberOptions = {}): LocalMember {
    const { context, clock } = this
    const store = options.store ?? createSqliteStore(':memory:')
    const random = options.random ?? seededRandom(`${name}/${this.#random.below(2 ** 31)}`)
    const keys = options.keys ?? keyPairFromSeed(random.bytes(32))
    const minerKeys = role === 'miner' ? { minerKeys: keys } : {}
    const network = this.hub.join(name)
    const engine = this.#engine ?? inlineEngine(context, clock, this.#openMacsPerMs)
    const { workers } = engine
    const runner = options.runner?.(engine.runner) ?? engine.runner
    const openRunner = options.openRunner?.(engine.openRunner) ?? engine.openRunner
    const node = new FullNode({
      context,
      network,
      store,
      workers,
      clock,
      random,
      log: options.log ?? silentLogger,
      ...minerKeys,
    })
    const shelf = new TraceShelf()
    const { dutyCycle = 1, unitsInFlight = 1 } = options
    const agent = options.agent?.(node, keys) ?? new AccountAgent(node, keys)
    const plants = role === 'miner' ? new Plants(node, agent, options.plants ?? false) : undefined
    const dimsOf = (modelId: Uint8Array) => context.models.get(bytesToHex(modelId))?.model.config
    const files = options.traces && new TraceFiles({ ...options.traces, dimsOf, log: node.log })
    const traces = new OwedTraces({ node, runner, shelf, files, plants })
    if (role === 'miner') serveOpenings(node, runner, traces)
    const { register = false, ask, capacityMacs = 10n ** 12n } = options
    const registeredAs = role === 'verifier' ? ROLE_VERIFIER : ROLE_MINER
    const registration = new RegistrationKeeper({
      ...{ node, agent, role: registeredAs, isWanted: register, reserveTransactions: 4 },
    })
    const asks = ask === undefined ? undefined : new AskKeeper({ node, agent, priceGrains: ask, capacityMacs })
    const { work = 'inference' } = options
    const isOpen = context.params.bindings.provenance === 'open'
    const open = isOpen ? { open: new OpenLane({ node, runner: openRunner, keys, work }) } : {}
    const miner =
      role === 'miner'
        ? new Miner({ node, runner, keys, agent, shelf, dutyCycle, unitsInFlight, files, plants, ...open })
        : undefined
    const openings = new OpeningsSource(node)
    const verifier = role === 'verifier' ? new Verifier({ node, stepsPerUnit: 4, openings }) : undefined
    const auditor = role === 'verifier' ? new UnitAuditor({ node, agent, openings }) : undefined
    const responder = role === 'miner' ? new ChallengeResponder({ node, agent, runner, traces }) : undefined
    const parts = { miner, verifier, auditor, responder, agent, registration, asks, plants }
    const member: LocalMember = { name, node, keys, store, ...parts }
    for (const other of this.members) this.hub.connect(name, other.name)
    this.members.push(member)
    return member
  }

  async start(): Promise<void> {
    for (const member of this.members) await this.startMember(member)
  }

  async startMember(member: LocalMember): Promise<void> {
    await member.node.start()
    member.agent.start()
    member.registration.start()
    member.asks?.start()
    member.plants?.start()
    member.verifier?.start()
    member.auditor?.start()
    member.responder?.start()
    member.miner?.start()
  }

  /** Hard enough that no unit wins: the parent stays the same. */
  static readonly NEVER_WINS: Params = overrideParams(presets.unit, [`difficulty.genesisBits=${0x1a010000}`])

  /** Runs until every member has reached `height` on the best chain. */
  async untilHeight(height: number): Promise<void> {
    await this.clock.runUntil(() => this.members.every(({ node }) => node.chain.tip.header.height >= height))
  }

  /** Until the best chain of a member is so many blocks higher. Rejects with CliError if the signal fires, or no block comes within a virtual hour. */
  async advance({ node }: LocalMember, blocks: number, signal: AbortSignal): Promise<void> {
    const height = (): number => node.chain.tip.header.height
    const goal = height() + blocks
    while (height() < goal) {
      if (signal.aborted) throw new CliError('interrupted', 130, 'INTERRUPTED')
      const next = height() + 1
      if (!(await this.clock.runUntil(() => height() >= next))) throw new CliError('no block within a virtual hour')
    }
  }

  async stopMember(member: LocalMember): Promise<void> {
    member.registration.stop()
    member.asks?.stop()
    member.plants?.stop()
    const { miner, verifier, auditor, responder, agent } = member
    const parts = [miner, verifier, auditor, responder, agent]
    const stopping = Promise.all(parts.map((part) => part?.stop())).then(() => member.node.stop())
    let stopped = false
    void stopping.then(() => {
      stopped = true
    })
    await this.clock.runUntil(() => stopped)
    await stopping
    this.members.splice(this.members.indexOf(member), 1)
  }

  async stop(): Promise<void> {
    for (const member of [...this.members]) await this.stopMember(member)
  }
}
