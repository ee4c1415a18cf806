import { DATING_RADIUS } from './options.ts'
import type { BlockSample, DatedBlock } from './types.ts'

/**
 * The block at `index` with the time that passed before it; undefined if that is not known yet, or the block is the first.
 * A block's time is the median of the eleven times around it, its own on a chain with honest times, so that whoever
 * writes fewer than six of eleven neighbouring times moves none of them beyond an honest one.
 * @param samples consecutive blocks.
 */
export function dateBlock(samples: readonly BlockSample[], index: number): DatedBlock | undefined {
  const timeMs = datedTime(samples, index)
  const parentTimeMs = datedTime(samples, index - 1)
  if (timeMs === undefined || parentTimeMs === undefined) return undefined
  const sample = samples[index]!
  return { sample, exposure: Math.max(0, timeMs - parentTimeMs) / sample.workMacs }
}

function datedTime(samples: readonly BlockSample[], index: number): number | undefined {
  const height = samples[index]?.height
  if (height === undefined) return undefined
  // The blocks before the first have no times that mean anything.
  const radius = Math.min(DATING_RADIUS, height - 1)
  if (index < radius || index + radius >= samples.length) return undefined
  const times = samples.slice(index - radius, index + radius + 1).map((sample) => sample.timeMs)
  return times.sort((a, b) => a - b)[radius]
}
