/** AUD-1: epochs, and when what belongs to one may be in a block. */
import type { Params } from '../params/types.ts'

/** The epoch of a height; its blocks are epoch * epochBlocks to (epoch + 1) * epochBlocks - 1. */
export function epochOf({ audits }: Params, height: number): number {
  return Math.floor(height / audits.epochBlocks)
}

/** Heights of one epoch's events; each event ends before the next one begins. */
export interface EpochWindows {
  /** First height of the blocks that may contain its commitments. */
  readonly commitFrom: number
  /** First height of the epoch itself. */
  readonly from: number
  /** First height of its reveals; its verdicts come before. */
  readonly revealFrom: number
  /** First height after its reveals: secrets that are missing cost. */
  readonly revealEnd: number
  /** First height at which none of its units can be audited any more. */
  readonly end: number
}

export function epochWindows({ audits, block }: Params, epoch: number): EpochWindows {
  const { epochBlocks, verdictBlocks, revealBlocks } = audits
  const from = epoch * epochBlocks
  const revealFrom = from + epochBlocks + verdictBlocks
  return {
    commitFrom: from - epochBlocks,
    from,
    revealFrom,
    revealEnd: revealFrom + revealBlocks,
    end: from + epochBlocks + block.maturityBlocks,
  }
}

/** The epoch whose window `which` is at this height, if one is. */
export function epochWith(params: Params, which: 'revealEnd' | 'end', height: number): number | undefined {
  const epoch = (height - epochWindows(params, 0)[which]) / params.audits.epochBlocks
  return Number.isInteger(epoch) && epoch >= 0 ? epoch : undefined
}
