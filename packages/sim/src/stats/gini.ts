/** A group of equal holders: `size` of the population (any unit) with `amount` together. */
export interface HolderGroup {
  readonly size: number
  readonly amount: number
}

/**
 * The Gini coefficient of a grouped population, 0 (everybody has the same) to 1: one less twice the area under the Lorenz
 * curve. Groups of size 0 are left out; 0 where nobody has anything.
 */
export function gini(groups: readonly HolderGroup[]): number {
  const sorted = groups.filter((group) => group.size > 0).sort((a, b) => a.amount / a.size - b.amount / b.size)
  const people = sorted.reduce((sum, group) => sum + group.size, 0)
  const wealth = sorted.reduce((sum, group) => sum + group.amount, 0)
  if (wealth === 0) return 0
  let below = 0
  let area = 0
  for (const group of sorted) {
    area += (group.size / people) * ((below + group.amount / 2) / wealth)
    below += group.amount
  }
  return Math.max(0, 1 - 2 * area)
}
