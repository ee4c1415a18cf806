/** The commitment to a trace (TRC-2) by batches of hashes: the reference's values, a level of all sub-trees at a time. */
import {
  type KeyedHash,
  type MerkleTree,
  OP_QKV,
  type Subtree,
  subrootPre,
  subtreesOf,
  TICKET_OPS,
  type TicketOp,
  type Trace,
  type TraceCommitment,
  tagKey,
} from '@nacre/protocol'
import { type BatchHash, batchOf, DIGEST_BYTES } from '../hashing/batch-hash.ts'
import { MerkleForest } from '../hashing/merkle-forest.ts'
import { hashLeaves, hashRows } from './commit-rows.ts'

/** One tree of a forest. */
interface Grown {
  readonly forest: MerkleForest
  readonly tree: number
}

/**
 * The trees over a unit's prompt rows that its noise commits to before the unit is finished (B3), kept for the commitment to
 * the finished trace. One for each unit.
 */
export class PreRoots {
  readonly #hash: BatchHash
  readonly #grown: Grown[][] = []

  constructor(hash: KeyedHash) {
    this.#hash = batchOf(hash)
  }

  /** preRoot[l] for q,k,v and preRootX[l] for gate,up, as `preRootOf`. The rows must be final. */
  root(trace: Trace, layer: number, op: TicketOp): Uint8Array {
    const { promptTokens, dims } = trace.shape
    const forest = new MerkleForest(promptTokens, 1)
    const rows = op === OP_QKV ? trace.h[layer]! : trace.x[layer]!
    hashRows(rows, dims.dModel, 0, this.#hash, forest.leafHashes(0))
    forest.grow(this.#hash)
    this.#grown[layer] ??= []
    this.#grown[layer][op] = { forest, tree: 0 }
    return forest.root(0)
  }

  /** What {@link root} has hashed already. */
  grown(layer: number, op: TicketOp): Grown | undefined {
    return this.#grown[layer]?.[op]
  }
}

/**
 * As `commitTrace`. Sub-trees with equal numbers of leaves grow together, and take the protocol's form only when asked for.
 * @param preRoots of the same unit, if it drew: those sub-trees are not hashed again.
 */
export function commitTraceFast(trace: Trace, hash: KeyedHash, preRoots?: PreRoots): TraceCommitment {
  const batch = batchOf(hash)
  const subtrees = subtreesOf(trace.shape)
  const grown = growSubtrees(trace, subtrees, batch, preRoots)
  const subroots = grown.map(({ forest, tree }) => forest.root(tree))
  const top = topTree(subroots, batch)
  const trees: MerkleTree[] = []
  return {
    traceRoot: top.root,
    subroots,
    top,
    tree: (index) => {
      const found = grown[index]
      if (found === undefined) throw new RangeError(`sub-root ${index} of ${grown.length}`)
      trees[index] ??= found.forest.tree(found.tree)
      return trees[index]
    },
  }
}

function growSubtrees(
  trace: Trace,
  subtrees: readonly Subtree[],
  hash: BatchHash,
  preRoots: PreRoots | undefined,
): Grown[] {
  const { dims } = trace.shape
  const grown: Grown[] = []
  for (let layer = 0; layer < dims.nLayers; layer++) {
    for (const op of TICKET_OPS) {
      const known = preRoots?.grown(layer, op)
      if (known !== undefined) grown[subrootPre(dims, layer, op)] = known
    }
  }
  const byLeafCount = new Map<number, number[]>()
  subtrees.forEach(({ leafCount }, index) => {
    if (grown[index] !== undefined) return
    const indices = byLeafCount.get(leafCount)
    if (indices === undefined) byLeafCount.set(leafCount, [index])
    else indices.push(index)
  })
  for (const [leafCount, indices] of byLeafCount) {
    const forest = new MerkleForest(leafCount, indices.length)
    indices.forEach((index, tree) => {
      hashLeaves(trace, subtrees[index]!, hash, forest.leafHashes(tree))
      grown[index] = { forest, tree }
    })
    forest.grow(hash)
  }
  return grown
}

/** The tree over the sub-roots. */
function topTree(subroots: readonly Uint8Array[], hash: BatchHash): MerkleTree {
  const packed = new Uint8Array(subroots.length * DIGEST_BYTES)
  subroots.forEach((root, i) => {
    packed.set(root, i * DIGEST_BYTES)
  })
  const forest = new MerkleForest(subroots.length, 1)
  hash.many(tagKey('merkleLeaf'), packed, subroots.length, DIGEST_BYTES, forest.leafHashes(0))
  forest.grow(hash)
  return forest.tree(0)
}
