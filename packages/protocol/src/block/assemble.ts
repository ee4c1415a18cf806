import type { KeyPair } from '../keys.ts'
import type { StateReader } from '../ledger/state.ts'
import { ticketProofHash } from '../lottery/proof.ts'
import type { Ticket, TicketProof } from '../lottery/types.ts'
import type { LtHash } from '../lthash.ts'
import type { UnitDescriptor, UnitTask } from '../unit/types.ts'
import { nextBeacon } from './beacon.ts'
import { type Block, type BlockBody, bodyRoot } from './body.ts'
import type { ConsensusContext } from './context.ts'
import { BLOCK_VERSION, blockId, signHeader, type UnsignedHeader } from './header.ts'
import { bodyHasTask } from './validate-body.ts'
import { type Ancestry, requiredBits } from './validate-header.ts'
import { applyBlockBody } from './validate-transition.ts'

/** What a miner has in hand when a unit wins. */
export interface WonUnit {
  readonly unit: UnitDescriptor
  readonly tokens: readonly number[]
  /** What the unit executed; a paid unit's block must also contain its receipt (UNT-2). May be left out where it is assigned. */
  readonly task?: UnitTask | undefined
  readonly traceRoot: Uint8Array
  readonly ticket: Ticket
  readonly proof: TicketProof
}

/**
 * Builds and signs the block of a winning unit on the ancestry's last header.
 * Transactions that no longer apply must have been left out: applying them throws TX_*.
 */
export function assembleBlock(input: {
  readonly context: ConsensusContext
  readonly ancestry: Ancestry
  readonly timeMs: number
  readonly won: WonUnit
  readonly transactions: readonly Uint8Array[]
  readonly reader: StateReader
  readonly ltHash: LtHash
  readonly keys: KeyPair
}): Block {
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
    promptTokens: won.task?.promptTokens.length ?? context.params.units.bootstrapPromptTokens,
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
    ticketProofHash: ticketProofHash(won.proof),
  }
  return { header: signHeader(unsigned, keys), body, proof: won.proof }
}
