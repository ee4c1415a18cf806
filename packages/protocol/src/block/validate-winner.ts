import { equalBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import { replayUnit } from '../inference/replay.ts'
import type { Params } from '../params/types.ts'
import { commitTrace } from '../trace/commit.ts'
import type { Block } from './body.ts'
import { type ConsensusContext, modelOfUnit } from './context.ts'
import { claimedTask } from './validate-body.ts'

/** A winner's re-executed trace root against the one it committed to (B6). */
export function checkReplayedRoot(block: Pick<Block, 'header'>, replayedRoot: Uint8Array): void {
  check(
    equalBytes(replayedRoot, block.header.traceRoot),
    'BLOCK_REPLAY_TRACE',
    'the unit re-executes to another trace root (BLK-4)',
  )
}

/**
 * Whether winners are executed again (B6): without, a ticket proof is the whole price of a block. Under provenance `open` nothing can
 * be: a plain proof is all there is (chapter 12).
 */
export function isWinnerExecuted(params: Params): boolean {
  return params.block.winnerCheck === 'execute' && params.bindings.provenance !== 'open'
}

/**
 * BLK-4, the winner check, by the reference implementation: the unit re-executed without noise in one pass over prompt and
 * committed tokens reproduces the tokens and the trace root. Nodes run the engine's twin of this.
 */
export function checkWinner(context: ConsensusContext, block: Block): void {
  if (!isWinnerExecuted(context.params)) return
  const { model } = modelOfUnit(context, block.header.unit.modelId)
  const trace = replayUnit(model, claimedTask(context, block), block.body.tokens)
  checkReplayedRoot(block, commitTrace(trace).traceRoot)
}
