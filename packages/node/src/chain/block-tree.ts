import { type BlockHeader, blockWork, bytesToHex, headerCodec } from '@nacre/protocol'
import { BLOCK_STATUS, type BlockStatus, type IndexEntry } from '../ports/store.ts'

/** Hex of a block id: the key of every map here. */
export type BlockHex = string

/** One block in the tree of all known blocks. */
export interface TreeNode {
  readonly id: Uint8Array
  readonly hex: BlockHex
  readonly header: BlockHeader
  readonly parent: TreeNode | undefined
  /** Expected work from genesis to here (BLK-5). */
  readonly totalWork: bigint
  /** Order of arrival: ties of equal work go to the first seen. */
  readonly sequence: number
  readonly children: TreeNode[]
  status: BlockStatus
}

/** The tree of all blocks whose parents are known. Pure data, no validation. */
export class BlockTree {
  readonly genesis: TreeNode
  #nodes = new Map<BlockHex, TreeNode>()
  #sequence = 0

  constructor(genesisId: Uint8Array, genesisHeader: BlockHeader) {
    this.genesis = this.#insert(genesisId, genesisHeader, undefined, 0n, BLOCK_STATUS.valid)
  }

  get size(): number {
    return this.#nodes.size
  }

  get(id: Uint8Array | BlockHex): TreeNode | undefined {
    return this.#nodes.get(typeof id === 'string' ? id : bytesToHex(id))
  }

  /** Adds a block under its parent, which must be in the tree. */
  add(id: Uint8Array, header: BlockHeader, status: BlockStatus): TreeNode {
    const known = this.get(id)
    if (known !== undefined) return known
    const parent = this.get(header.parentId)
    if (parent === undefined) throw new Error('the parent is not in the tree')
    return this.#insert(id, header, parent, parent.totalWork + blockWork(header.bits), status)
  }

  /** Restores the tree from the store's index; entries without a parent are left out. */
  restore(entries: readonly IndexEntry[]): void {
    for (const entry of entries) {
      const header = headerCodec.decode(entry.headerBytes)
      if (this.get(header.parentId) !== undefined) this.add(entry.id, header, entry.status)
    }
  }

  /** Marks a block and all its descendants invalid; returns them. */
  invalidate(node: TreeNode): TreeNode[] {
    const affected: TreeNode[] = []
    const stack = [node]
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      next.status = BLOCK_STATUS.invalid
      affected.push(next)
      stack.push(...next.children)
    }
    return affected
  }

  /** The block with most work that is not invalid; the first seen among equals (BLK-5). */
  heaviest(): TreeNode {
    let best = this.genesis
    for (const node of this.#nodes.values()) {
      if (node.status === BLOCK_STATUS.invalid) continue
      if (node.totalWork > best.totalWork || (node.totalWork === best.totalWork && node.sequence < best.sequence))
        best = node
    }
    return best
  }

  #insert(
    id: Uint8Array,
    header: BlockHeader,
    parent: TreeNode | undefined,
    totalWork: bigint,
    status: BlockStatus,
  ): TreeNode {
    const node: TreeNode = {
      id,
      hex: bytesToHex(id),
      header,
      parent,
      totalWork,
      status,
      children: [],
      sequence: this.#sequence++,
    }
    this.#nodes.set(node.hex, node)
    parent?.children.push(node)
    return node
  }
}

/** The last common block of two branches. */
export function forkPoint(a: TreeNode, b: TreeNode): TreeNode {
  let left = a
  let right = b
  while (left !== right) {
    if (left.header.height >= right.header.height) left = left.parent!
    else right = right.parent!
  }
  return left
}

/** Blocks above `ancestor` up to `node`, oldest first. */
export function pathFrom(ancestor: TreeNode, node: TreeNode): TreeNode[] {
  const path: TreeNode[] = []
  for (let at = node; at !== ancestor; at = at.parent!) path.push(at)
  return path.reverse()
}
