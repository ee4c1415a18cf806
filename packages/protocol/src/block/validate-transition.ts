import { equalBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import { type AppliedBlock, applyBlock } from '../ledger/apply-block.ts'
import type { StateReader } from '../ledger/state.ts'
import type { LtHash } from '../lthash.ts'
import type { Block } from './body.ts'
import type { ConsensusContext } from './context.ts'
import { checkEquivocationEvidence } from './equivocation.ts'
import type { BlockHeader } from './header.ts'

/** The effect of a block's transactions and coinbase on the state after its parent. */
export function applyBlockBody(
  context: ConsensusContext,
  header: Pick<BlockHeader, 'height' | 'unit' | 'minerKey'>,
  transactions: readonly Uint8Array[],
  reader: StateReader,
  ltHash: LtHash,
): AppliedBlock {
  return applyBlock({
    params: context.params,
    chainId: context.genesis.chainId,
    reader,
    ltHash,
    height: header.height,
    lane: header.unit.lane,
    minerKey: header.minerKey,
    transactions,
    checkEquivocation: (a, b) => checkEquivocationEvidence(context, a, b),
  })
}

/** BLK-7: the state transition leads to the state root in the header. */
export function checkTransition(
  context: ConsensusContext,
  block: Block,
  reader: StateReader,
  ltHash: LtHash,
): AppliedBlock {
  const applied = applyBlockBody(context, block.header, block.body.transactions, reader, ltHash)
  check(
    equalBytes(applied.stateRoot, block.header.stateRoot),
    'BLOCK_STATE_ROOT',
    'the state after the block has another root',
  )
  return applied
}
