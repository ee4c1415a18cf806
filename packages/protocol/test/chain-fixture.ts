/** Real blocks of the `unit` preset, mined with the reference implementation. Kept in one place so that each costs one unit. */
import {
  type Ancestry,
  assembleBlock,
  type Block,
  bestTicket,
  bootstrapTask,
  buildTicketProof,
  type ConsensusContext,
  commitTrace,
  createContext,
  drawUnit,
  executeUnit,
  type KeyPair,
  keyPairFromSeed,
  LANE_BOOTSTRAP,
  type LtHash,
  overrideParams,
  type Params,
  presets,
  type StateReader,
  type Trace,
  type UnitDescriptor,
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
}

export interface Mined {
  readonly block: Block
  readonly trace: Trace
}

/** Mines one block on the last header of `ancestry`. */
export function mineBlock(input: {
  readonly context: ConsensusContext
  readonly ancestry: Ancestry
  readonly parentId: Uint8Array
  readonly state: MemoryState
  readonly timeMs: number
  readonly keys: KeyPair
  readonly counter?: number
  readonly transactions?: readonly Uint8Array[]
}): Mined {
  const { context, ancestry, keys } = input
  const { model, params: modelParams, corpus } = context.bootstrap
  const unit: UnitDescriptor = {
    lane: LANE_BOOTSTRAP,
    modelId: model.modelId,
    parentId: input.parentId,
    jobId: new Uint8Array(32),
    counter: input.counter ?? 0,
  }
  const id = unitId(unit, keys.publicKey)
  const trace = executeUnit(model, bootstrapTask(context.params, id, corpus))
  const commitment = commitTrace(trace)
  const parentBeacon = ancestry.recent.at(-1)!.beacon
  const tickets = drawUnit({
    modelParams,
    model,
    parentBeacon,
    unitId: id,
    minerKey: keys.publicKey,
    trace,
    traceRoot: commitment.traceRoot,
  })
  const ticket = bestTicket(tickets)!
  const proof = buildTicketProof(trace, commitment.subroots, commitment.top, ticket.position, modelParams.tileRows)
  const block = assembleBlock({
    context,
    ancestry,
    timeMs: input.timeMs,
    won: { unit, tokens: [...trace.tokens], traceRoot: commitment.traceRoot, ticket, proof },
    transactions: input.transactions ?? [],
    reader: input.state,
    ltHash: input.state.ltHash,
    keys,
  })
  return { block, trace }
}
