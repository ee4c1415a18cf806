import { equalBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import { type AppliedBlock, applyBlock } from '../ledger/apply-block.ts'
import type { StateReader } from '../ledger/state.ts'
import type { LtHash } from '../lthash.ts'
import { LANE_PAID } from '../unit/types.ts'
import type { Block } from './body.ts'
import { type ConsensusContext, registeredModel } from './context.ts'
import { checkEquivocationEvidence } from './equivocation.ts'
import type { BlockHeader } from './header.ts'
import { checkPaidTask } from './validate-body.ts'

/** What the state transition reads of a header. */
export type EffectHeader = Pick<
  BlockHeader,
  'height' | 'parentId' | 'bits' | 'beacon' | 'unit' | 'promptTokens' | 'minerKey'
>

/** The effect of a block's transactions and coinbase on the state after its parent. */
export function applyBlockBody(
  context: ConsensusContext,
  header: EffectHeader,
  transactions: readonly Uint8Array[],
  reader: StateReader,
  ltHash: LtHash,
): AppliedBlock {
  const { height, parentId, bits, beacon, unit, promptTokens, minerKey } = header
  return applyBlock({
    ...context.market,
    chainId: context.genesis.chainId,
    reader,
    ltHash,
    height,
    parentId,
    bits,
    beacon,
    unit,
    promptTokens,
    minerKey,
    transactions,
    checkEquivocation: (a, b) => checkEquivocationEvidence(context, a, b),
    stepModel: (modelId) => registeredModel(context, modelId).model,
  })
}

/**
 * What needs the state after the parent: a paid unit executed its job (B1), and the state transition leads to the state root in
 * the header (BLK-7).
 */
export function checkTransition(
  context: ConsensusContext,
  block: Block,
  reader: StateReader,
  ltHash: LtHash,
): AppliedBlock {
  if (block.header.unit.lane === LANE_PAID) checkPaidTask(context, block, reader)
  const applied = applyBlockBody(context, block.header, block.body.transactions, reader, ltHash)
  check(
    equalBytes(applied.stateRoot, block.header.stateRoot),
    'BLOCK_STATE_ROOT',
    'the state after the block has another root',
  )
  return applied
}
