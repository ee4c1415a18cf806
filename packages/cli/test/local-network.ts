/** A network of full nodes in one process: in-memory hub, virtual clock, in-memory stores, the reference inference. */
import { Miner, serveOpenings, TraceShelf, type UnitRunner } from '@nacre/miner'
import {
  type BlockWorkers,
  createSqliteStore,
  FullNode,
  MemoryHub,
  type Random,
  seededRandom,
  silentLogger,
  sleep,
  VirtualClock,
} from '@nacre/node'
import {
  checkTicketProof,
  commitTrace,
  type ConsensusContext,
  createContext,
  drawUnit,
  executeUnit,
  keyPairFromSeed,
  type Params,
  presets,
  replayUnit,
  ticketThreshold,
  bigintFromLe,
  unitCorpus,
  unitModel,
  bestTicket,
} from '@nacre/protocol'
import { Verifier } from '@nacre/verifier'

/** Validation by the protocol's own reference, on the spot. */
export function referenceWorkers(context: ConsensusContext): BlockWorkers {
  return {
    checkTicketProof: async (block, parentBeacon) => checkTicketProof(context, block, parentBeacon),
    replayRoot: async (task, tokens) => commitTrace(replayUnit(context.bootstrap.model, task, tokens)).traceRoot,
  }
}

/** Virtual milliseconds that one unit takes on every miner here. */
const UNIT_MS = 900

/** Units by the reference implementation; time passes on the virtual clock only. */
export function referenceRunner(context: ConsensusContext, clock: VirtualClock): UnitRunner {
  const { model, params: modelParams } = context.bootstrap
  return {
    runUnit: async (job, signal) => {
      await sleep(clock, UNIT_MS, signal)
      const trace = executeUnit(model, job.task)
      const tickets = drawUnit({ ...job, modelParams, model, trace, traceRoot: commitTrace(trace).traceRoot })
      const best = bestTicket(tickets)
      const won = best !== undefined && bigintFromLe(best.hash) < job.threshold ? { trace, ticket: best } : undefined
      return { tokens: [...trace.tokens], tickets: tickets.length, won }
    },
    replayTrace: async (task, tokens) => replayUnit(model, task, tokens),
  }
}

export interface LocalMember {
  readonly name: string
  readonly node: FullNode
  readonly miner: Miner | undefined
  readonly verifier: Verifier | undefined
}

export interface LocalNetworkOptions {
  readonly seed: string
  readonly params?: Params
  readonly miners: number
  readonly verifiers?: number
  readonly latencyMs?: { readonly min: number; readonly max: number }
}

/** Builds and starts miners `miner-0`, ... and verifiers `verifier-0`, ..., all connected to each other. */
export class LocalNetwork {
  readonly clock: VirtualClock
  readonly hub: MemoryHub
  readonly context: ConsensusContext
  readonly members: LocalMember[] = []
  readonly #random: Random

  constructor(options: LocalNetworkOptions) {
    const params = options.params ?? presets.unit
    this.context = createContext(params, unitModel(), unitCorpus())
    this.clock = new VirtualClock(params.network.genesisTimeMs + 1000)
    this.#random = seededRandom(options.seed)
    this.hub = new MemoryHub({ clock: this.clock, random: seededRandom(`${options.seed}/hub`), latencyMs: options.latencyMs ?? { min: 5, max: 40 } })
    for (let i = 0; i < options.miners; i++) this.add(`miner-${i}`, 'miner')
    for (let i = 0; i < (options.verifiers ?? 0); i++) this.add(`verifier-${i}`, 'verifier')
  }

  add(name: string, role: 'miner' | 'verifier' | 'plain', store = createSqliteStore(':memory:')): LocalMember {
    const { context, clock } = this
    const random = seededRandom(`${name}/${this.#random.below(2 ** 31)}`)
    const keys = keyPairFromSeed(random.bytes(32))
    const minerKey = role === 'miner' ? { minerKey: keys.publicKey } : {}
    const network = this.hub.join(name)
    const node = new FullNode({ context, network, store, workers: referenceWorkers(context), clock, random, log: silentLogger, ...minerKey })
    const runner = referenceRunner(context, clock)
    const shelf = new TraceShelf()
    if (role === 'miner') serveOpenings(node, runner, shelf)
    const miner = role === 'miner' ? new Miner({ node, runner, keys, shelf, dutyCycle: 1 }) : undefined
    const verifier = role === 'verifier' ? new Verifier({ node, stepsPerUnit: 4 }) : undefined
    const member: LocalMember = { name, node, miner, verifier }
    for (const other of this.members) this.hub.connect(name, other.name)
    this.members.push(member)
    return member
  }

  async start(): Promise<void> {
    for (const member of this.members) await this.startMember(member)
  }

  async startMember(member: LocalMember): Promise<void> {
    await member.node.start()
    member.verifier?.start()
    member.miner?.start()
  }

  /** Runs until every member has reached `height` on the best chain. */
  async untilHeight(height: number): Promise<void> {
    await this.clock.runUntil(() => this.members.every(({ node }) => node.chain.tip.header.height >= height))
  }

  async stopMember(member: LocalMember): Promise<void> {
    const stopping = Promise.all([member.miner?.stop(), member.verifier?.stop()]).then(() => member.node.stop())
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
