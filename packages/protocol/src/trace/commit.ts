import { type KeyedHash, keyedHash } from '../hash.ts'
import { type MerkleTree, merkleLeafHash, merkleTree, merkleTreeFromHashes } from '../merkle.ts'
import { encodeRow } from './leaves.ts'
import { type Subtree, subtreesOf } from './subtrees.ts'
import { traceLeaf } from './trace-leaf.ts'
import type { Trace } from './types.ts'

/** The commitment to a trace (TRC-2) with what is needed to open it. */
export interface TraceCommitment {
  /** CNV-6 root over the sub-roots. */
  readonly traceRoot: Uint8Array
  readonly subroots: readonly Uint8Array[]
  /** The tree over the sub-roots. */
  readonly top: MerkleTree
  /** The tree below sub-root `index`. */
  tree(index: number): MerkleTree
}

/**
 * Commits to all rows of a trace, one CNV-6 tree by position per sub-root. Keeps every node: about 64 bytes per row.
 * @param hash a faster keyed BLAKE3, if there is one.
 */
export function commitTrace(trace: Trace, hash: KeyedHash = keyedHash): TraceCommitment {
  const tree = (subtree: Subtree): MerkleTree =>
    merkleTreeFromHashes(
      Array.from({ length: subtree.leafCount }, (_, j) => merkleLeafHash(traceLeaf(trace, subtree, j), hash)),
      hash,
    )
  const trees = subtreesOf(trace.shape).map(tree)
  const subroots = trees.map((subtree) => subtree.root)
  const top = merkleTree(subroots, hash)
  return {
    traceRoot: top.root,
    subroots,
    top,
    tree: (index) => {
      const found = trees[index]
      if (found === undefined) throw new RangeError(`sub-root ${index} of ${trees.length}`)
      return found
    },
  }
}

/**
 * The sub-root of residual rows at prompt positions, known before the layer's multiplication: preRoot[l] for h[l],
 * preRootX[l] for x[l] (B3). Equals the sub-root in the finished trace.
 * @param rows at least promptTokens x dModel, row-major by position.
 */
export function preRoot(
  rows: Float32Array,
  promptTokens: number,
  dModel: number,
  hash: KeyedHash = keyedHash,
): Uint8Array {
  const leaves = Array.from({ length: promptTokens }, (_, i) =>
    merkleLeafHash(encodeRow(rows.subarray(i * dModel, (i + 1) * dModel)), hash),
  )
  return merkleTreeFromHashes(leaves, hash).root
}
