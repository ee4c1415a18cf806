/** A network of the preset `unit` under given parameters, and its judgement of one block on genesis. */
import {
  type Ancestry,
  accountOf,
  type Block,
  type BlockHeader,
  bodyRoot,
  bootstrapTask,
  type ConsensusContext,
  checkBody,
  checkHeaderForm,
  checkHeaderInContext,
  checkTicketProof,
  checkTransition,
  checkWinner,
  createContext,
  headerTicketHash,
  type KeyPair,
  LANE_BOOTSTRAP,
  nextBeacon,
  overrideParams,
  signHeader,
  type UnitDescriptor,
  type UnitTask,
  unitCorpus,
  unitId,
  unitModel,
} from '../../src/index.ts'
import {
  easyParams,
  type Manner,
  MemoryState,
  type MineInput,
  mineUnit,
  TestChain,
  testKeys,
} from '../chain-fixture.ts'
import { FAUCET, transfer } from '../ledger-fixture.ts'
import { askBody, jobBody, PRICE } from '../market-fixture.ts'

export const miner = testKeys(1)

export interface Network {
  readonly context: ConsensusContext
  /** What a block on genesis is mined on. */
  readonly base: MineInput
}

/** The network of `--set` lines. Every unit wins, unless the lines say otherwise. */
export function networkOf(...lines: string[]): Network {
  const context = createContext(overrideParams(easyParams, lines), unitModel(), unitCorpus())
  const { header, id } = context.genesis
  const ancestry: Ancestry = { recent: [header], first: undefined }
  const timeMs = header.timeMs + 1000
  return { context, base: { context, ancestry, parentId: id, state: new MemoryState(context), timeMs, keys: miner } }
}

/** The bootstrap unit that the miner runs on genesis. */
export function unitOf({ context }: Network, change: Partial<UnitDescriptor> = {}): UnitDescriptor {
  const { bootstrap, genesis } = context
  const jobId = new Uint8Array(32)
  return { lane: LANE_BOOTSTRAP, modelId: bootstrap.model.modelId, parentId: genesis.id, jobId, counter: 0, ...change }
}

/** The task that the network assigns to a unit. */
export function assignedTo({ context }: Network, unit: UnitDescriptor): UnitTask {
  const { params, bootstrap } = context
  return bootstrapTask(params, unitId(unit, miner.publicKey, params.bindings.singleUse), bootstrap.corpus)
}

/** The miner's block of a unit on genesis. */
export function blockOf(
  network: Network,
  unit: UnitDescriptor,
  task: UnitTask = assignedTo(network, unit),
  manner: Partial<Manner> = {},
): Block {
  return mineUnit(network.base, unit, task, () => [], manner).block
}

/** Everything that a node checks, in its order. */
export function validate({ context, base }: Network, block: Block): void {
  checkHeaderForm(context, block.header)
  checkHeaderInContext(context, block.header, base.ancestry, base.timeMs)
  checkBody(context, block)
  checkTicketProof(context, block, context.genesis.header.beacon)
  checkTransition(context, block, base.state, base.state.ltHash)
  checkWinner(context, block)
}

/** The block with changes, to which its header commits and which its miner signs. */
export function changed(
  { context }: Network,
  block: Block,
  header: Partial<BlockHeader>,
  body: Partial<Block['body']> = {},
): Block {
  const newBody = { ...block.body, ...body }
  const unsigned = { ...block.header, bodyRoot: bodyRoot(newBody), ...header }
  const { beacon } = context.genesis.header
  const ticket = headerTicketHash(unsigned, context.params.bindings)
  return { ...block, header: signHeader({ ...unsigned, beacon: nextBeacon(beacon, ticket) }, miner), body: newBody }
}

/**
 * A chain under `--set` lines in which two miners ask, and whose last block assigned the first one's own job. Where clients name the
 * miner, it named itself.
 *
 *   1 fund - 2 register - 3 ask - 4 job, cleared - 5 assigned
 */
export function assignedJob(
  client: KeyPair,
  other: KeyPair,
  lines: readonly string[] = [],
): { readonly chain: TestChain; readonly jobId: Uint8Array } {
  const { context } = networkOf(...lines)
  const chain = new TestChain(context)
  const both = [client, other]
  chain.mine(other, ...both.map((to, i) => chain.tx(FAUCET, transfer(accountOf(to.publicKey), 10n ** 10n), BigInt(i))))
  chain.mine(other, ...both.map((keys) => chain.tx(keys, { kind: 'minerRegister' })))
  chain.mine(other, ...both.map((keys) => chain.tx(keys, askBody())))
  const isNamed = context.params.bindings.provenance === 'client-signed'
  const minerKey = isNamed ? client.publicKey : undefined
  const job = jobBody({ expiryHeight: 20, maxPrice: 100n * PRICE, minerKey })
  const { summary } = chain.mine(other, chain.tx(client, job))
  chain.mine(other)
  return { chain, jobId: summary.clearings[0]!.jobIds[0]! }
}
