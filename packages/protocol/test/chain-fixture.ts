/** Real blocks of the `unit` preset, mined with the reference implementation. Kept in one place so that each costs one unit. */
import {
  type Ancestry,
  type AppliedBlock,
  accountOf,
  applyBlockBody,
  assembleBlock,
  type Block,
  bestTicket,
  blockId,
  bootstrapTask,
  buildTicketProof,
  bytesToHex,
  type ConsensusContext,
  commitTrace,
  createContext,
  type DrawBindings,
  drawUnit,
  encodeTransaction,
  executeUnit,
  type KeyPair,
  keyPairFromSeed,
  LANE_BOOTSTRAP,
  type LtHash,
  type Model,
  modelOfUnit,
  overrideParams,
  type Params,
  paidTask,
  paidUnit,
  presets,
  readAccount,
  readJob,
  type StateReader,
  signTransaction,
  type Ticket,
  type TicketProof,
  type Trace,
  type TransactionBody,
  type UnitDescriptor,
  type UnitTask,
  unitCorpus,
  unitId,
  unitModel,
} from '../src/index.ts'

/** The easiest target that parameters allow, so that every unit wins. */
export const easyParams: Params = overrideParams(presets.unit, [
  `difficulty.genesisBits=${presets.unit.difficulty.maxTargetBits}`,
])

export const easyContext: ConsensusContext = createContext(easyParams, unitModel(), unitCorpus())

export function testKeys(byte: number): KeyPair {
  return keyPairFromSeed(new Uint8Array(32).fill(byte))
}

/** A state in memory. */
export class MemoryState implements StateReader {
  readonly entries: Map<string, Uint8Array> = new Map()
  ltHash: LtHash

  constructor(context: ConsensusContext) {
    this.ltHash = context.genesis.state.ltHash
    for (const change of context.genesis.state.changes)
      if (change.after !== undefined) this.entries.set(change.key, change.after)
  }

  get(key: string): Uint8Array | undefined {
    return this.entries.get(key)
  }

  apply({ changes, ltHash }: AppliedBlock): void {
    for (const { key, after } of changes) {
      if (after === undefined) this.entries.delete(key)
      else this.entries.set(key, after)
    }
    this.ltHash = ltHash
  }
}

export interface Mined {
  readonly block: Block<TicketProof>
  readonly trace: Trace
}

export interface MineInput {
  readonly context: ConsensusContext
  readonly ancestry: Ancestry
  readonly parentId: Uint8Array
  /** The state after the parent. */
  readonly state: MemoryState
  readonly timeMs: number
  readonly keys: KeyPair
  readonly transactions?: readonly Uint8Array[]
}

/** Mines one bootstrap block on the last header of `ancestry`. */
export function mineBlock(input: MineInput & { readonly counter?: number }): Mined {
  const { context, keys } = input
  const { model, corpus } = context.bootstrap
  const unit: UnitDescriptor = {
    lane: LANE_BOOTSTRAP,
    modelId: model.modelId,
    parentId: input.parentId,
    jobId: new Uint8Array(32),
    counter: input.counter ?? 0,
  }
  const id = unitId(unit, keys.publicKey, context.params.bindings.singleUse)
  const task = bootstrapTask(context.params, id, corpus)
  return mineUnit(input, unit, task, () => input.transactions ?? [])
}

/** The paid block of an assigned job, with its receipt before the other transactions. */
export function minePaidBlock(input: MineInput & { readonly jobId: Uint8Array; readonly isBare?: boolean }): Mined {
  const { state, jobId, keys, context } = input
  const job = readJob(state, jobId)!
  // The state knows the parent's id only when the next block applies.
  const unit = paidUnit({ get: (key) => (key.startsWith('block/') ? input.parentId : state.get(key)) }, jobId, job)!
  return mineUnit(input, unit, paidTask(state, jobId, job), (trace, traceRoot) => {
    const tokens = [...trace.tokens.subarray(trace.shape.promptTokens)]
    const body: TransactionBody = { kind: 'receipt', jobId, unitParentId: input.parentId, traceRoot, tokens }
    const receipt = transactionOn(context, state, keys, body)
    return [...(input.isBare === true ? [] : [receipt]), ...(input.transactions ?? [])]
  })
}

/** A signed transaction with the sender's next nonce. */
export function transactionOn(
  context: ConsensusContext,
  state: StateReader,
  keys: KeyPair,
  body: TransactionBody,
  ahead = 0n,
): Uint8Array {
  const nonce = readAccount(state, accountOf(keys.publicKey)).nonce + ahead
  const { chainId } = context.genesis
  return encodeTransaction(signTransaction({ chainId, nonce, fee: 1000n, body }, keys))
}

/** How a miner goes about it; by default as the network's parameters say. */
export interface Manner {
  /** What its tickets and its noise commit to. */
  readonly bindings: DrawBindings
  /** What it runs, whatever the unit's model id says. */
  readonly model: Model
  /** What it claims to have computed. */
  readonly trace: Trace
  /** Which of the unit's tickets it publishes. */
  readonly ticket: (tickets: readonly Ticket[]) => Ticket
}

/** The block of a unit that wins, or is said to. */
export function mineUnit(
  input: MineInput,
  unit: UnitDescriptor,
  task: UnitTask,
  transactionsOf: (trace: Trace, traceRoot: Uint8Array) => readonly Uint8Array[],
  manner: Partial<Manner> = {},
): Mined {
  const { context, ancestry, keys, state } = input
  const { bindings = context.params.bindings, model = modelOfUnit(context, unit.modelId).model } = manner
  const modelParams = context.models.get(bytesToHex(unit.modelId))?.params ?? context.bootstrap.params
  const identity = { unitId: unitId(unit, keys.publicKey, bindings.singleUse), counter: unit.counter, bindings }
  const trace = manner.trace ?? executeUnit(model, task)
  const { traceRoot, subroots, top } = commitTrace(trace)
  const parentBeacon = ancestry.recent.at(-1)!.beacon
  const { ticket: choose = (tickets) => bestTicket(tickets)! } = manner
  const ticket = choose(
    drawUnit({ ...identity, modelParams, model, parentBeacon, minerKey: keys.publicKey, trace, traceRoot }),
  )
  const proof = buildTicketProof(trace, subroots, top, ticket.position, modelParams.tileRows)
  const won = {
    unit,
    tokens: [...trace.tokens],
    task,
    traceRoot,
    ticket,
    proof,
  }
  const block = assembleBlock({
    context,
    ancestry,
    timeMs: input.timeMs,
    won,
    transactions: transactionsOf(trace, traceRoot),
    reader: state,
    ltHash: state.ltHash,
    keys,
  })
  return { block, trace }
}

/** A chain of real blocks, each mined on the last. */
export class TestChain {
  readonly context: ConsensusContext
  readonly state: MemoryState
  readonly blocks: Block[] = []

  constructor(context: ConsensusContext = easyContext) {
    this.context = context
    this.state = new MemoryState(context)
  }

  get ancestry(): Ancestry {
    const headers = [this.context.genesis.header, ...this.blocks.map(({ header }) => header)]
    return { recent: headers.slice(-11), first: headers[1] }
  }

  /** What the next block is mined on. */
  get base(): Omit<MineInput, 'keys'> {
    const parent = this.ancestry.recent.at(-1)!
    return {
      context: this.context,
      ancestry: this.ancestry,
      parentId: blockId(parent),
      state: this.state,
      timeMs: parent.timeMs + 1000,
    }
  }

  /** Adds a block as it is. */
  add(block: Block): AppliedBlock {
    const { transactions } = block.body
    const applied = applyBlockBody(this.context, block.header, transactions, this.state, this.state.ltHash)
    this.state.apply(applied)
    this.blocks.push(block)
    return applied
  }

  /** Mines and adds a bootstrap block. */
  mine(keys: KeyPair, ...transactions: readonly Uint8Array[]): AppliedBlock {
    return this.add(mineBlock({ ...this.base, keys, transactions }).block)
  }

  tx(keys: KeyPair, body: TransactionBody, ahead = 0n): Uint8Array {
    return transactionOn(this.context, this.state, keys, body, ahead)
  }
}
