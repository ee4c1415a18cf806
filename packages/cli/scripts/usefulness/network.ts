/**
 * One network of the demonstration: full nodes, a verifier and four miners in one process, on a virtual clock. Blocks that a miner's own
 * node refuses it sends through peers that exist for that one message, so that a ban costs it nothing.
 */
import { type FullNode, type Logger, type RpcServer, silentLogger, startRpc } from '@nacre/node'
import { readMarket } from '@nacre/node/rpc-client'
import { type Block, blockCodec, bytesToHex, createContext, overrideParams, ProtocolError } from '@nacre/protocol'
import { bitsForWork } from '../../src/devnet/calibrate.ts'
import { bondGrant, fund, type Grant } from '../../src/devnet/funding.ts'
import { addressOfKey } from '../../src/devnet/paid-network.ts'
import { CliError } from '../../src/errors.ts'
import { type LocalMember, LocalNetwork } from '../../test/local-network.ts'
import { paramsOf, type UsefulnessCase } from './cases.ts'
import type { Costs } from './costs.ts'
import { type Lab, openLab } from './lab.ts'
import { Machine, type Purpose } from './machine.ts'
import { type Account, MINERS, type MinerName, nacreRunner, pearlMiner, type Trade } from './miners.ts'
import { ASK, budgetMs, drawnMacsPerMs, paceOf } from './size.ts'

/** Who asks for jobs: the others execute nothing that they could deliver, unless they sell garbage. */
const asking = ({ isGarbageSold }: UsefulnessCase): readonly MinerName[] =>
  isGarbageSold === true ? MINERS : ['honest', 'self-dealing']
/** Blocks until registrations and asks stand. */
const MAX_START_BLOCKS = 60
/** How long a peer lives that exists for one message. */
const NOBODY_MS = 4000

export interface PlayedMiner {
  readonly name: MinerName
  /** Public key, hex. */
  readonly keyHex: string
  readonly member: LocalMember
  readonly machine: Machine
  readonly account: Account
  /** Blocks of it that its own node refused and that it sent all the same. */
  sent: number
  /** With what the honest miner's node refused them. */
  readonly refusals: Map<string, number>
}

export interface PlayedNetwork {
  readonly lab: Lab
  readonly rpc: string
  /** The node of the verifier, which does not mine. */
  readonly boot: FullNode
  readonly miners: readonly PlayedMiner[]
  advance(blocks: number): Promise<void>
  snapshot(): Snapshot
  stop(): Promise<void>
}

/** What the miners have done up to a height, in their order. */
export interface Snapshot {
  readonly height: number
  readonly miners: readonly {
    readonly spentMs: Readonly<Record<Purpose, number>>
    readonly drawnMacs: number
    readonly tokens: number
    readonly sent: number
    readonly refusals: Readonly<Record<string, number>>
  }[]
}

export interface NetworkOptions {
  readonly play: UsefulnessCase
  readonly costs: Costs
  readonly seed: string
  readonly isOwnJob: Trade['isOwnJob']
  readonly grants: (address: (publicKey: Uint8Array) => string) => readonly Grant[]
  readonly signal: AbortSignal
}

/** Resolves once the asks of those who deliver stand and a verifier is active. */
export async function startNetwork(options: NetworkOptions): Promise<PlayedNetwork> {
  const { play, costs, seed, signal } = options
  const lab = await calibratedLab(play, costs)
  const { params } = lab.context
  const network = new LocalNetwork({ seed, context: lab.context, engine: lab.local, miners: 0 })
  const boot = network.add('verifier', 'verifier', { register: true })
  const log = refusalCounter(() => miners)
  const miners: readonly PlayedMiner[] = MINERS.map((name) => addMiner(network, lab, name, options, log))
  for (const miner of miners) sendWhatIsRefused(network, miner)
  await network.start()
  // Where winners may be made up their steps do not open, and a verifier that samples blocks bans everybody who serves them.
  if (params.bindings.checked === 'off') await boot.verifier!.stop()
  let rpc: RpcServer | undefined
  const stop = async (): Promise<void> => {
    await rpc?.stop()
    await network.stop()
  }
  const height = (): number => boot.node.chain.tip.header.height
  const advance = (blocks: number): Promise<void> => network.advance(boot, blocks, signal)
  try {
    rpc = await startRpc({ node: boot.node, host: '127.0.0.1', port: 0, role: 'boot' })
    const { url } = rpc
    await advance(1)
    const address = (publicKey: Uint8Array): string => addressOfKey(params, publicKey)
    const registered = miners.filter(({ name }) => asking(play).includes(name)).map(({ member }) => member)
    const bonds = [boot, ...registered].map(({ keys }, i) =>
      bondGrant(params, i === 0 ? 'verifier' : 'miner', address(keys.publicKey)),
    )
    await fund(url, params, [...bonds, ...options.grants(address)])
    for (let blocks = 0; !(await isAsked(url, asking(play).length)); blocks++) {
      if (blocks === MAX_START_BLOCKS) throw new CliError(`after ${blocks} blocks not every miner asks`)
      await advance(1)
    }
    const snapshot = (): Snapshot => ({ height: height(), miners: miners.map(doneBy) })
    return { lab, rpc: url, boot: boot.node, miners, advance, snapshot, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function isAsked(rpc: string, miners: number): Promise<boolean> {
  const { models } = await readMarket(rpc)
  return models.every(({ asks }) => asks === miners)
}

/** The first target is that of everybody whose blocks the rules let through. */
async function calibratedLab(play: UsefulnessCase, costs: Costs): Promise<Lab> {
  const lab = await openLab(paramsOf(play))
  const { params, bootstrap } = lab.context
  const rate = play.earning.reduce((sum, name) => sum + drawnMacsPerMs(name, lab.context, costs), 0)
  const bits = bitsForWork(params, rate * budgetMs(costs))
  const calibrated = overrideParams(params, [`difficulty.genesisBits=${bits}`])
  return { ...lab, context: createContext(calibrated, bootstrap.model, bootstrap.corpus) }
}

function addMiner(network: LocalNetwork, lab: Lab, name: MinerName, options: NetworkOptions, log: Logger): PlayedMiner {
  const { costs, seed, isOwnJob, play } = options
  const { params } = lab.context
  const machine = new Machine(network.clock, paceOf(costs, params.block.timeMs))
  const account: Account = { drawnMacs: 0, tokens: 0, usefulParts: new Map() }
  const made = name === 'random' ? 'random rows' : 'embeddings'
  const garbage = play.isGarbageSold === true ? made : undefined
  const trade: Trade = { lab, costs, machine, account, isOwnJob, garbage, seed: `${seed}/${name}` }
  const asks = asking(play).includes(name) ? { register: true, ask: ASK } : {}
  const how = params.bindings.provenance === 'open' ? pearlMiner(name, trade) : { runner: nacreRunner(name, trade) }
  const member = network.add(name, 'miner', { ...asks, ...how, ...(name === 'honest' ? { log } : {}) })
  const keyHex = bytesToHex(member.keys.publicKey)
  return { name, keyHex, member, machine, account, sent: 0, refusals: new Map() }
}

function doneBy({ machine, account, sent, refusals }: PlayedMiner): Snapshot['miners'][number] {
  const { drawnMacs, tokens } = account
  return { spentMs: { ...machine.spentMs }, drawnMacs, tokens, sent, refusals: Object.fromEntries(refusals) }
}

/** Reads off a node's log which blocks it refused, and counts each for the miner that sent it. */
function refusalCounter(miners: () => readonly PlayedMiner[]): Logger {
  return {
    ...silentLogger,
    debug: ({ event, from, code }) => {
      if (event !== 'gossip_refused') return
      const sender = miners().find(({ name }) => String(from).startsWith(`${name}/`))
      sender?.refusals.set(String(code), (sender.refusals.get(String(code)) ?? 0) + 1)
    },
  }
}

/** What the own node refuses goes to everybody all the same, from somebody whom nobody knows. */
function sendWhatIsRefused(network: LocalNetwork, miner: PlayedMiner): void {
  const { node } = miner.member
  const publish = node.publishBlock.bind(node)
  node.publishBlock = async (block) => {
    try {
      return await publish(block)
    } catch (error) {
      if (error instanceof ProtocolError) await sendFromNobody(network, miner, block)
      throw error
    }
  }
}

async function sendFromNobody({ hub, members, clock }: LocalNetwork, miner: PlayedMiner, block: Block): Promise<void> {
  const name = `${miner.name}/${miner.sent++}`
  const nobody = hub.join(name)
  for (const member of members) if (member !== miner.member) hub.connect(name, member.name)
  await nobody.publish('block', blockCodec.encode(block))
  clock.after(NOBODY_MS, () => void nobody.stop())
}
