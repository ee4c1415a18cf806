import { type MerkleTree, tagKey, u32le } from '@nacre/protocol'
import { type BatchHash, DIGEST_BYTES } from './batch-hash.ts'

/** Places for the nodes of one tree in a level of `width` nodes: whole pairs, so that a level of all trees is one batch. */
const placesOf = (width: number): number => (width > 1 ? width + (width % 2) : width)

/**
 * CNV-6 trees with equal numbers of leaves that grow together, a level of all trees at a time. Fill the leaf hashes of every
 * tree, then {@link grow}.
 */
export class MerkleForest {
  readonly leafCount: number
  readonly #trees: number
  /** Level by level, tree after tree, {@link placesOf} places each. */
  readonly #levels: Uint8Array[]
  #roots: Uint8Array = new Uint8Array(0)

  constructor(leafCount: number, trees: number) {
    this.leafCount = leafCount
    this.#trees = trees
    this.#levels = [new Uint8Array(trees * placesOf(leafCount) * DIGEST_BYTES)]
  }

  /** Where the leaf hashes of a tree go: leafCount x 32 bytes. */
  leafHashes(tree: number): Uint8Array {
    return this.#nodes(0, this.leafCount, tree)
  }

  grow(hash: BatchHash): void {
    let width = this.leafCount
    for (let depth = 0; width > 1; depth++) {
      const next = (width + 1) >>> 1
      this.#levels.push(this.#parents(depth, width, next, hash))
      width = next
    }
    this.#roots = this.#hashRoots(hash)
  }

  /** A copy. Only after {@link grow}. */
  root(tree: number): Uint8Array {
    return this.#roots.slice(tree * DIGEST_BYTES, (tree + 1) * DIGEST_BYTES)
  }

  /** One of the trees in the protocol's form, a copy: its nodes may travel without the forest. */
  tree(tree: number): MerkleTree {
    let width = this.leafCount
    const levels = this.#levels.map((_, depth) => {
      const nodes = this.#nodes(depth, width, tree)
      const level = Array.from({ length: width }, (_, i) => nodes.slice(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES))
      width = (width + 1) >>> 1
      return level
    })
    return { leafCount: this.leafCount, levels, root: this.root(tree) }
  }

  #nodes(depth: number, width: number, tree: number): Uint8Array {
    const start = tree * placesOf(width) * DIGEST_BYTES
    return this.#levels[depth]!.subarray(start, start + width * DIGEST_BYTES)
  }

  #parents(depth: number, width: number, next: number, hash: BatchHash): Uint8Array {
    const level = this.#levels[depth]!
    const hashed = hash.many(tagKey('merkleNode'), level, level.length / (2 * DIGEST_BYTES), 2 * DIGEST_BYTES)
    const places = placesOf(next)
    const parents = places === next ? hashed : new Uint8Array(this.#trees * places * DIGEST_BYTES)
    for (let tree = 0; tree < this.#trees; tree++) {
      const start = tree * places * DIGEST_BYTES
      if (places !== next) {
        parents.set(hashed.subarray(tree * next * DIGEST_BYTES, (tree + 1) * next * DIGEST_BYTES), start)
      }
      // The odd node was hashed with an empty place; it is promoted instead.
      if (width % 2 === 1) {
        const odd = this.#nodes(depth, width, tree).subarray((width - 1) * DIGEST_BYTES)
        parents.set(odd, start + (next - 1) * DIGEST_BYTES)
      }
    }
    return parents
  }

  #hashRoots(hash: BatchHash): Uint8Array {
    const tops = this.#levels.at(-1)!
    const topBytes = this.leafCount > 0 ? DIGEST_BYTES : 0
    const count = u32le(this.leafCount)
    const messages = new Uint8Array(this.#trees * (count.length + topBytes))
    for (let tree = 0; tree < this.#trees; tree++) {
      const start = tree * (count.length + topBytes)
      messages.set(count, start)
      messages.set(tops.subarray(tree * topBytes, (tree + 1) * topBytes), start + count.length)
    }
    return hash.many(tagKey('merkleRoot'), messages, this.#trees, count.length + topBytes)
  }
}
