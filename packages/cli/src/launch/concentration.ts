/** How unequally something is held. */

/**
 * The Gini coefficient of amounts, 0 (all equal) to 1 - 1/n (one holder has everything); 0 for an empty or zero list.
 * Exact sums; one division at the end.
 */
export function gini(amounts: readonly bigint[]): number {
  const sorted = [...amounts].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const total = sorted.reduce((sum, amount) => sum + amount, 0n)
  if (total === 0n) return 0
  const count = BigInt(sorted.length)
  const weighted = sorted.reduce((sum, amount, i) => sum + (2n * BigInt(i + 1) - count - 1n) * amount, 0n)
  return ratio(weighted, count * total)
}

/** The least number of holders that together have more than half; 0 where nobody has anything. */
export function nakamoto(amounts: readonly bigint[]): number {
  const sorted = [...amounts].sort((a, b) => (a > b ? -1 : a < b ? 1 : 0))
  const total = sorted.reduce((sum, amount) => sum + amount, 0n)
  let sum = 0n
  for (const [i, amount] of sorted.entries()) {
    sum += amount
    if (2n * sum > total) return i + 1
  }
  return 0
}

/** Two large integers as a number, accurate to about 10^-15. */
function ratio(a: bigint, b: bigint): number {
  return Number((a * 10n ** 15n) / b) / 1e15
}
