import { padRank, type SparseIndices } from './types.ts'

/** Vectors of sixteen bytes that are read in any order while they stay in the first-level cache. */
export const GATHER_K = 1024
export const gatherBlocks = (k: number): number => Math.ceil(k / GATHER_K)

/** A sparse factor by its sums, in blocks of GATHER_K: for each t the indices c with +1 at t, then those with -1 at t. */
export interface SparseLists {
  /** Indices within a block; the lists of a block that starts at c start at 2 c. */
  readonly list: Uint16Array
  /** Where each of the 2 x padRank(r) lists of a block ends, counted from the block's start. */
  readonly ends: Uint32Array
  /** Most indices that meet in one sum: bounds a sum by this times the largest value. */
  readonly maxCount: number
}

export function sparseLists({ plus, minus }: SparseIndices, r: number): SparseLists {
  const k = plus.length
  const width = 2 * padRank(r)
  const list = new Uint16Array(2 * k)
  const ends = new Uint32Array(width * gatherBlocks(k))
  const counts = new Uint32Array(r)
  for (let start = 0, at = 0; start < k; start += GATHER_K, at += width) {
    const end = Math.min(k, start + GATHER_K)
    for (let c = start; c < end; c++) {
      ends[at + 2 * plus[c]!]!++
      ends[at + 2 * minus[c]! + 1]!++
      counts[plus[c]!]!++
      counts[minus[c]!]!++
    }
    // Starts first; filling the lists moves each to its end.
    let total = 0
    for (let i = at; i < at + width; i++) {
      const count = ends[i]!
      ends[i] = total
      total += count
    }
    for (let c = start; c < end; c++) {
      list[2 * start + ends[at + 2 * plus[c]!]!++] = c - start
      list[2 * start + ends[at + 2 * minus[c]! + 1]!++] = c - start
    }
  }
  return { list, ends, maxCount: counts.reduce((most, count) => Math.max(most, count), 0) }
}
