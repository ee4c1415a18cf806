import { PPM } from '../emission/coinbase.ts'

/** Most that the reference price moves in one block, at least a grain, so that a small one does not stand still. */
function step(reference: bigint, movePpm: number): bigint {
  const part = (reference * BigInt(movePpm)) / PPM
  return part > 0n ? part : 1n
}

/**
 * ECO-7: the price that others may rely on. It follows `price`, that of a call, by at most `movePpm` of itself per block. The first
 * clearing sets it.
 */
export function nextReferencePrice(reference: bigint, price: bigint, movePpm: number): bigint {
  if (reference === 0n) return price
  const most = step(reference, movePpm)
  if (price > reference + most) return reference + most
  if (price < reference - most) return reference - most
  return price
}

/** ECO-7: the least price of a clearing, and of a bid that takes part in it: as low as one block can move the reference. 0 without one. */
export function leastPrice(reference: bigint, movePpm: number): bigint {
  return reference === 0n ? 0n : reference - step(reference, movePpm)
}

/** What one GMAC of one model costs in GMACs of another, in parts per million; 0 while either has no price (ECO-7). */
export function crossRatePpm(reference: bigint, other: bigint): bigint {
  return other === 0n ? 0n : (reference * PPM) / other
}
