import { equalBytes, u32le } from '../bytes.ts'
import { check } from '../errors.ts'
import { type KeyedHash, keyedHash, taggedHash } from '../hash.ts'
import { MAX_MERKLE_LEAVES } from '../limits.ts'
import { merkleLeafHash, verifyMerkle } from '../merkle.ts'
import type { ModelDims } from '../model/types.ts'
import { subrootCount } from './layout.ts'
import type { StepOpening, SubtreeOpening } from './opening.ts'

/**
 * Verifies that everything an opening says, leaf counts included, is what `traceRoot` commits to.
 * Throws STEP_OPENING for an opening that is not well formed, MERKLE_* for one that leads elsewhere. After it, whatever
 * contradicts the rules contradicts them in the committed trace.
 */
export function verifyOpening(
  dims: ModelDims,
  traceRoot: Uint8Array,
  opening: StepOpening,
  hash: KeyedHash = keyedHash,
): void {
  const { subtrees, topProof } = opening
  check(subtrees.length > 0, 'STEP_OPENING', 'nothing is opened')
  for (const subtree of subtrees) {
    check(
      subtree.indices.length === subtree.leaves.length,
      'STEP_OPENING',
      `sub-tree ${subtree.index} has ${subtree.leaves.length} leaves for ${subtree.indices.length} indices`,
    )
    if (subtree.indices.length === 0) verifyCount(subtree)
    else {
      const leafHashes = subtree.leaves.map((leaf) => merkleLeafHash(leaf, hash))
      verifyMerkle(subtree.root, subtree.leafCount, subtree.indices, leafHashes, subtree.proof, hash)
    }
  }
  verifyMerkle(
    traceRoot,
    subrootCount(dims),
    subtrees.map((subtree) => subtree.index),
    subtrees.map((subtree) => merkleLeafHash(subtree.root, hash)),
    topProof,
    hash,
  )
}

/** A sub-tree of which only the leaf count is opened: its root is the hash of the count and the top node (CNV-6). */
function verifyCount({ leafCount, proof, root, index }: SubtreeOpening): void {
  check(
    Number.isInteger(leafCount) && leafCount >= 0 && leafCount <= MAX_MERKLE_LEAVES,
    'MERKLE_INDEX_OUT_OF_RANGE',
    `leaf count ${leafCount}`,
  )
  const nodes = leafCount === 0 ? 0 : 1
  check(
    proof.length === nodes && proof.every((node) => node.length === 32),
    'MERKLE_PROOF_LENGTH',
    `a count is proved by ${nodes} nodes, not ${proof.length}`,
  )
  check(
    equalBytes(taggedHash('merkleRoot', u32le(leafCount), ...proof), root),
    'MERKLE_ROOT_MISMATCH',
    `sub-tree ${index} has another leaf count`,
  )
}
