import { targetFromBits, workOfTarget } from '../difficulty/bits.ts'

/** Expected work of one block in MACs (BLK-5). Throws BLOCK_BITS for bits that are no target. */
export function blockWork(bits: number): bigint {
  return workOfTarget(targetFromBits(bits))
}

/**
 * BLK-5: a branch replaces the current best only with strictly more accumulated work; among equal work the first seen stays.
 * The lowest ticket must not break ties: it would help selfish mining.
 */
export function isBetterBranch(candidateWork: bigint, bestWork: bigint): boolean {
  return candidateWork > bestWork
}
