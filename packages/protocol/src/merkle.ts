/**
 * Merkle trees and multiproofs (CNV-6): distinct leaf, node and root domains, an odd node is promoted (never
 * duplicated), the leaf count is hashed into the root, openings are multiproofs with strictly increasing indices.
 */
import { equalBytes, u32le } from './bytes.ts'
import { check } from './errors.ts'
import { type KeyedHash, keyedHash, taggedHash, tagKey } from './hash.ts'
import { MAX_MERKLE_LEAVES } from './limits.ts'

/** All levels of a tree: `levels[0]` are leaf hashes, the last level is one node (none for an empty tree). */
export interface MerkleTree {
  readonly leafCount: number
  readonly levels: readonly (readonly Uint8Array[])[]
  readonly root: Uint8Array
}

export function merkleLeafHash(leaf: Uint8Array, hash: KeyedHash = keyedHash): Uint8Array {
  return hash(tagKey('merkleLeaf'), leaf)
}

function nodeHash(left: Uint8Array, right: Uint8Array, hash: KeyedHash): Uint8Array {
  const both = new Uint8Array(64)
  both.set(left)
  both.set(right, 32)
  return hash(tagKey('merkleNode'), both)
}

function rootHash(leafCount: number, top: Uint8Array | undefined): Uint8Array {
  return taggedHash('merkleRoot', u32le(leafCount), top ?? new Uint8Array(0))
}

/** The tree over already hashed leaves. */
export function merkleTreeFromHashes(leafHashes: readonly Uint8Array[], hash: KeyedHash = keyedHash): MerkleTree {
  const levels: (readonly Uint8Array[])[] = [leafHashes]
  let level = leafHashes
  while (level.length > 1) {
    const next: Uint8Array[] = []
    for (let i = 0; i < level.length; i += 2) {
      const right = level[i + 1]
      next.push(right === undefined ? level[i]! : nodeHash(level[i]!, right, hash))
    }
    levels.push(next)
    level = next
  }
  return { leafCount: leafHashes.length, levels, root: rootHash(leafHashes.length, level[0]) }
}

/** The tree over leaves. */
export function merkleTree(leaves: readonly Uint8Array[], hash: KeyedHash = keyedHash): MerkleTree {
  return merkleTreeFromHashes(
    leaves.map((leaf) => merkleLeafHash(leaf, hash)),
    hash,
  )
}

export function merkleRoot(leaves: readonly Uint8Array[], hash: KeyedHash = keyedHash): Uint8Array {
  return merkleTree(leaves, hash).root
}

function checkIndices(leafCount: number, indices: readonly number[]): void {
  check(
    Number.isInteger(leafCount) && leafCount >= 0 && leafCount <= MAX_MERKLE_LEAVES,
    'MERKLE_INDEX_OUT_OF_RANGE',
    `leaf count ${leafCount}`,
  )
  let previous = -1
  for (const index of indices) {
    check(
      Number.isInteger(index) && index >= 0 && index < leafCount,
      'MERKLE_INDEX_OUT_OF_RANGE',
      `index ${index} of ${leafCount} leaves`,
    )
    check(index > previous, 'MERKLE_INDICES_NOT_INCREASING', `index ${index} after ${previous}`)
    previous = index
  }
}

/** Sibling hashes that prove the leaves at `indices` (strictly increasing), bottom level first, left to right. */
export function openMerkle(tree: MerkleTree, indices: readonly number[]): Uint8Array[] {
  checkIndices(tree.leafCount, indices)
  const proof: Uint8Array[] = []
  let known = [...indices]
  for (let depth = 0; depth + 1 < tree.levels.length; depth++) {
    const level = tree.levels[depth]!
    const parents: number[] = []
    for (let j = 0; j < known.length; j++) {
      const i = known[j]!
      const sibling = i ^ 1
      if (known[j + 1] === sibling) j++
      else if (sibling < level.length) proof.push(level[sibling]!)
      parents.push(i >>> 1)
    }
    known = parents
  }
  return proof
}

/**
 * Verifies that `leafHashes[j]` is the leaf at `indices[j]` of the tree with this root and leaf count.
 * Throws MERKLE_*; the proof must be used up exactly. At least one index is needed.
 */
export function verifyMerkle(
  root: Uint8Array,
  leafCount: number,
  indices: readonly number[],
  leafHashes: readonly Uint8Array[],
  proof: readonly Uint8Array[],
  hash: KeyedHash = keyedHash,
): void {
  checkIndices(leafCount, indices)
  check(
    indices.length > 0 && indices.length === leafHashes.length,
    'MERKLE_PROOF_LENGTH',
    'one leaf for each index is needed',
  )
  let known = indices.map((index, j) => ({ index, hash: leafHashes[j]! }))
  let used = 0
  for (let width = leafCount; width > 1; width = (width + 1) >>> 1) {
    const parents: { index: number; hash: Uint8Array }[] = []
    for (let j = 0; j < known.length; j++) {
      const node = known[j]!
      const siblingIndex = node.index ^ 1
      let parent = node.hash
      if (siblingIndex < width) {
        const isPair = known[j + 1]?.index === siblingIndex
        const sibling = isPair ? known[++j]!.hash : proof[used++]
        check(sibling !== undefined && sibling.length === 32, 'MERKLE_PROOF_LENGTH', 'the proof ends too early')
        parent = node.index % 2 === 0 ? nodeHash(node.hash, sibling, hash) : nodeHash(sibling, node.hash, hash)
      }
      parents.push({ index: node.index >>> 1, hash: parent })
    }
    known = parents
  }
  check(used === proof.length, 'MERKLE_PROOF_LENGTH', `${proof.length - used} hashes are left over`)
  check(
    equalBytes(rootHash(leafCount, known[0]!.hash), root),
    'MERKLE_ROOT_MISMATCH',
    'the opening does not lead to the root',
  )
}

/** The root of a tree with no leaves: a tagged constant (TRC-2). */
export const EMPTY_MERKLE_ROOT: Uint8Array = rootHash(0, undefined)
