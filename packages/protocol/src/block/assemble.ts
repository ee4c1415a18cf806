import type { KeyPair } from '../keys.ts'
import type { StateReader } from '../ledger/state.ts'
import type { Ticket } from '../lottery/types.ts'
import type { LtHash } from '../lthash.ts'
import { LANE_OPEN, type UnitDescriptor, type UnitTask } from '../unit/types.ts'
import { nextBeacon } from './beacon.ts'
import { type Block, type BlockBody, bodyRoot } from './body.ts'
import type { ConsensusContext } from './context.ts'
import { BLOCK_VERSION, blockId, signHeader, type UnsignedHeader } from './header.ts'
import { type BlockProof, blockProofHash } from './proof.ts'
import { bodyHasTask } from './validate-body.ts'
import { type Ancestry, requiredBits } from './validate-header.ts'
import { applyBlockBody } from './validate-transition.ts'

/** What a miner has in hand when a unit wins. */
export interface WonUnit<P extends BlockProof = BlockProof> {
  readonly unit: UnitDescriptor
  readonly tokens: readonly number[]
  /** What the unit executed; a paid unit's block must also contain its receipt (UNT-2). May be left out where it is assigned. */
  readonly task?: UnitTask | undefined
  /** In the open lane the seed of A's noise. */
  readonly traceRoot: Uint8Array
  readonly ticket: Ticket
  readonly proof: P
}

/**
 * Builds and signs the block of a winning unit on the ancestry's last header.
 * Transactions that no longer apply must have been left out: applying them throws TX_*.
 */
export function assembleBlock<P extends BlockProof>(input: {
  readonly context: ConsensusContext
  readonly ancestry: Ancestry
  readonly timeMs: number
  readonly won: WonUnit<P>
  readonly transactions: readonly Uint8Array[]
  readonly reader: StateReader
  readonly ltHash: LtHash
  readonly keys: KeyPair
}): Block<P> {
  const { context, ancestry, won, transactions, keys } = input
  const parent = ancestry.recent.at(-1)!
  const isSaid = bodyHasTask(context.params, won.unit.lane)
  const task = isSaid && won.task ? { maxNewTokens: won.task.maxNewTokens, decoding: won.task.decoding } : undefined
  const body: BlockBody = { tokens: [...won.tokens], task, transactions: [...transactions] }
  const base = {
    height: parent.height + 1,
    parentId: blockId(parent),
    bits: requiredBits(context, ancestry),
    beacon: nextBeacon(parent.beacon, won.ticket.hash),
    unit: won.unit,
    promptTokens: promptTokensOf(context, won),
    minerKey: keys.publicKey,
  }
  const applied = applyBlockBody(context, base, transactions, input.reader, input.ltHash)
  const unsigned: UnsignedHeader = {
    ...base,
    version: BLOCK_VERSION,
    chainId: context.genesis.chainId,
    timeMs: input.timeMs,
    bodyRoot: bodyRoot(body),
    stateRoot: applied.stateRoot,
    traceRoot: won.traceRoot,
    ticket: won.ticket.position,
    foldState: won.ticket.foldState,
    ticketProofHash: blockProofHash(won.proof),
  }
  return { header: signHeader(unsigned, keys), body, proof: won.proof }
}

function promptTokensOf(context: ConsensusContext, { unit, task }: WonUnit): number {
  if (unit.lane === LANE_OPEN) return 0
  return task?.promptTokens.length ?? context.params.units.bootstrapPromptTokens
}
