import type { Params } from '@nacre/protocol'
import { UsageError } from '../errors.ts'

export const HOUR_MS: number = 3_600_000
export const DAY_MS: number = 86_400_000

/** Blocks that one run may span: half a minute of computing and 1.1 GB of memory. */
const MAX_BLOCKS = 2_000_000

/** Throws UsageError where `durationMs` of blocks on schedule are more than a run can hold. */
export function checkDuration(params: Params, durationMs: number, what: string): void {
  const blocks = Math.round(durationMs / params.block.timeMs)
  if (blocks > MAX_BLOCKS)
    throw new UsageError(
      `${what} with block.timeMs=${params.block.timeMs} is ${blocks} blocks, more than the ${MAX_BLOCKS} of one run`,
    )
}
