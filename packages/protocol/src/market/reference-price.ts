import { PPM } from '../emission/coinbase.ts'

/**
 * ECO-7: the price that others may rely on. It follows the clearing price by at most `movePpm` of itself per block that
 * trades, but by a grain at least, so that a small one does not stand still. The first clearing sets it.
 */
export function nextReferencePrice(reference: bigint, clearingPrice: bigint, movePpm: number): bigint {
  if (reference === 0n) return clearingPrice
  const part = (reference * BigInt(movePpm)) / PPM
  const step = part > 0n ? part : 1n
  if (clearingPrice > reference + step) return reference + step
  if (clearingPrice < reference - step) return reference - step
  return clearingPrice
}

/** What one GMAC of one model costs in GMACs of another, in parts per million; 0 while either has no price (ECO-7). */
export function crossRatePpm(reference: bigint, other: bigint): bigint {
  return other === 0n ? 0n : (reference * PPM) / other
}
