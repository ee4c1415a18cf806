/** Who wins: shares of keys in recent blocks. */
import { Z_95 } from './rate.ts'
import type { BlockSample, KeyShare } from './types.ts'

export interface Concentration {
  readonly blocks: number
  /** Different keys. */
  readonly keys: number
  /** How many equal keys would win as unevenly: 1 over the probability that two blocks have one key; absent if no two have. */
  readonly effectiveKeys?: number
  /** Keys with the most blocks. */
  readonly largest: readonly KeyShare[]
}

/** Shares of the keys in these blocks; the `most` largest are listed. */
export function concentrationOf(samples: readonly BlockSample[], most: number): Concentration {
  const tallies = new Map<string, { blocks: number; declaredMacsPerBlock: number }>()
  for (const { minerKey, minerDeclaredMacs } of samples) {
    const blocks = (tallies.get(minerKey)?.blocks ?? 0) + 1
    tallies.set(minerKey, { blocks, declaredMacsPerBlock: minerDeclaredMacs })
  }
  const count = samples.length
  const pairs = [...tallies.values()].reduce((sum, { blocks }) => sum + blocks * (blocks - 1), 0)
  const largest = [...tallies]
    .map(([minerKey, tally]) => ({ minerKey, ...tally, ...shareInterval(tally.blocks, count) }))
    .sort((a, b) => b.blocks - a.blocks || (a.minerKey < b.minerKey ? -1 : 1))
    .slice(0, most)
  return {
    blocks: count,
    keys: tallies.size,
    ...(pairs === 0 ? {} : { effectiveKeys: (count * (count - 1)) / pairs }),
    largest,
  }
}

/** `part` of `whole` with Wilson's interval at 95 %. */
export function shareInterval(part: number, whole: number): { share: number; lowShare: number; highShare: number } {
  const share = part / whole
  const z2 = Z_95 * Z_95
  const centre = (share + z2 / (2 * whole)) / (1 + z2 / whole)
  const half = (Z_95 * Math.sqrt((share * (1 - share)) / whole + z2 / (4 * whole * whole))) / (1 + z2 / whole)
  return { share, lowShare: Math.max(0, centre - half), highShare: Math.min(1, centre + half) }
}
