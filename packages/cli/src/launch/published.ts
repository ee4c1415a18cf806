/** What a chain publishes of itself (E2), and the same from its blocks. */
import { blockWork, PPM } from '@nacre/protocol'
import type { ChainBlock, ChainData } from './rpc.ts'

export interface PublishedAudit {
  /** Part of all work that paid units did, as the node states it. */
  readonly usefulSharePpm: bigint
  /** The same from the blocks; absent unless every block up to the tip is read. */
  readonly computedUsefulSharePpm: bigint | undefined
  /**
   * Part of all MACs that settled jobs had, as the node states it; and from the blocks that are not paid and its own count of settled
   * MACs, which no block shows.
   */
  readonly paidMacsPpm: bigint
  readonly computedPaidMacsPpm: bigint | undefined
  readonly burnedGrains: bigint
  /** Burned over emitted, as the node states it, and from its own two figures. */
  readonly burnedOverMintedPpm: bigint
  readonly computedBurnedOverMintedPpm: bigint
}

export function publishedOf({ status, blocks }: ChainData): PublishedAudit {
  const mined = blocks.slice(1)
  const all = workOf(mined)
  const paid = workOf(mined.filter(({ lane }) => lane === 'paid'))
  const { usefulSharePpm, settledMacs, paidMacsPpm, burnedGrains, emittedGrains, burnedOverMintedPpm } = status
  const isWhole = mined.length === status.height
  return {
    usefulSharePpm,
    computedUsefulSharePpm: isWhole ? share(paid, all) : undefined,
    paidMacsPpm,
    computedPaidMacsPpm: isWhole ? share(settledMacs, settledMacs + all - paid) : undefined,
    burnedGrains,
    burnedOverMintedPpm,
    computedBurnedOverMintedPpm: share(burnedGrains, emittedGrains),
  }
}

const share = (part: bigint, whole: bigint): bigint => (whole === 0n ? 0n : (part * PPM) / whole)

/** Expected work in MACs. A node that reports bits that are no target breaks a rule with them, and they count nothing here. */
function workOf(blocks: readonly ChainBlock[]): bigint {
  let sum = 0n
  for (const { bits } of blocks) {
    try {
      sum += blockWork(Number(bits))
    } catch {}
  }
  return sum
}
