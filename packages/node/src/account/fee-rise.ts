/** How the fee of a transaction rises that waits: not every miner may have it, and peers pass equal bytes on only once. */

/** It is sent once more with a higher fee after so many blocks. */
export const FEE_PATIENCE_BLOCKS = 2
/** An eighth is more than the tenth that a mempool asks of a replacement. */
const RISE_DIVISOR = 8n
const MOST_MULTIPLE = 16n

/** The next fee, grains; undefined above 16 times the least. */
export function raisedFee(feeGrains: bigint, leastGrains: bigint): bigint | undefined {
  const raised = feeGrains + feeGrains / RISE_DIVISOR + 1n
  return raised <= MOST_MULTIPLE * leastGrains ? raised : undefined
}
