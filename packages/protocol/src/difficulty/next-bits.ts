/** BLK-6: the required `bits` of a block, and the median time that its own time must exceed. */
import { check, ProtocolError } from '../errors.ts'
import type { DifficultyAlgorithm, Params } from '../params/types.ts'
import { asertTarget } from './asert.ts'
import { bitsFromTarget, targetFromBits } from './bits.ts'
import { unclampedWtemaTarget, wtemaTarget } from './wtema.ts'

/** What the difficulty rules read of a header. */
export interface DifficultyHeader {
  readonly height: number
  readonly timeMs: number
  readonly bits: number
}

/** Height of the block whose time and bits anchor `asert`: genesis has no solve time, the launch may be late. */
export const ANCHOR_HEIGHT = 1
/** Heights 1 and 2 use `genesisBits`; the first block with a known solve time is block 2. */
export const FIRST_ADJUSTED_HEIGHT = 3
/** Parents whose median time a block must exceed. */
export const MEDIAN_TIME_SPAN = 11

/** Heights of the ancestors that {@link nextBits} reads for a block at `height` >= 1, oldest first, the parent last. */
export const DIFFICULTY_ANCESTORS: Readonly<Record<DifficultyAlgorithm, (height: number) => readonly number[]>> = {
  wtema: (height) => (height < FIRST_ADJUSTED_HEIGHT ? [height - 1] : [height - 2, height - 1]),
  'wtema-unclamped': (height) => (height < FIRST_ADJUSTED_HEIGHT ? [height - 1] : [height - 2, height - 1]),
  asert: (height) => (height < FIRST_ADJUSTED_HEIGHT ? [height - 1] : [ANCHOR_HEIGHT, height - 1]),
}

/**
 * The `bits` that the child of the last header must carry. `headers` are its ancestors, oldest first, the parent last;
 * at least those of {@link DIFFICULTY_ANCESTORS}, more do no harm. Throws BLOCK_PARENT_UNKNOWN where one is missing and
 * BLOCK_BITS where an ancestor's bits are no target.
 */
export function nextBits(params: Params, headers: readonly DifficultyHeader[]): number {
  const parent = headers.at(-1)
  check(parent !== undefined, 'BLOCK_PARENT_UNKNOWN', 'the next bits need the parent')
  if (parent.height + 1 < FIRST_ADJUSTED_HEIGHT) return params.difficulty.genesisBits
  let target: bigint
  switch (params.difficulty.algorithm) {
    case 'wtema': {
      const grandparent = ancestorAt(headers, parent.height - 1)
      target = wtemaTarget(params, targetFromBits(parent.bits), parent.timeMs - grandparent.timeMs)
      break
    }
    case 'wtema-unclamped': {
      const grandparent = ancestorAt(headers, parent.height - 1)
      const deviationMs = parent.timeMs - grandparent.timeMs - params.block.timeMs
      target = unclampedWtemaTarget(params, targetFromBits(parent.bits), deviationMs)
      break
    }
    case 'asert': {
      const anchor = ancestorAt(headers, ANCHOR_HEIGHT)
      target = asertTarget(
        params,
        targetFromBits(anchor.bits),
        parent.timeMs - anchor.timeMs,
        parent.height - anchor.height,
      )
      break
    }
  }
  const maxTarget = targetFromBits(params.difficulty.maxTargetBits)
  return bitsFromTarget(target < 1n ? 1n : target > maxTarget ? maxTarget : target)
}

function ancestorAt(headers: readonly DifficultyHeader[], height: number): DifficultyHeader {
  const header = headers.find((candidate) => candidate.height === height)
  if (header === undefined)
    throw new ProtocolError('BLOCK_PARENT_UNKNOWN', `the next bits need the ancestor at height ${height}`)
  return header
}

/**
 * The median of the parents' times, of which the last {@link MEDIAN_TIME_SPAN} count; the upper one of an even number.
 * A block's time must be greater. Throws BLOCK_PARENT_UNKNOWN for an empty list.
 */
export function medianTimePast(times: readonly number[]): number {
  check(times.length > 0, 'BLOCK_PARENT_UNKNOWN', 'the median time needs at least the parent')
  const sorted = times.slice(-MEDIAN_TIME_SPAN).sort((a, b) => a - b)
  return sorted[sorted.length >>> 1]!
}
