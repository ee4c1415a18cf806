import { type Block, bytesToHex } from '@nacre/protocol'
import { MAX_ORPHAN_BYTES, MAX_ORPHANS, MAX_ORPHANS_PER_PEER } from '../limits-chain.ts'
import type { PeerName } from '../ports/network.ts'

interface Orphan {
  readonly hex: string
  readonly block: Block
  readonly bytes: number
  readonly from: PeerName
}

/**
 * Blocks whose parent is unknown (NET-4). Gossip never brings an ignored message back, so they wait here until sync has
 * fetched the parent. Bounded by count, bytes and peer; the oldest goes first.
 */
export class OrphanPool {
  readonly #orphans = new Map<string, Orphan>()
  #bytes = 0

  get size(): number {
    return this.#orphans.size
  }

  add(id: Uint8Array, block: Block, bytes: number, from: PeerName): void {
    const hex = bytesToHex(id)
    if (this.#orphans.has(hex)) return
    const ofPeer = [...this.#orphans.values()].filter((orphan) => orphan.from === from)
    if (ofPeer.length >= MAX_ORPHANS_PER_PEER) this.#drop(ofPeer[0]!)
    this.#orphans.set(hex, { hex, block, bytes, from })
    this.#bytes += bytes
    while (this.#orphans.size > MAX_ORPHANS || this.#bytes > MAX_ORPHAN_BYTES)
      this.#drop(this.#orphans.values().next().value!)
  }

  /** Removes and returns the blocks that were waiting for this parent. */
  takeChildren(parentId: Uint8Array): { readonly block: Block; readonly from: PeerName }[] {
    const parent = bytesToHex(parentId)
    const children = [...this.#orphans.values()].filter((orphan) => bytesToHex(orphan.block.header.parentId) === parent)
    for (const child of children) this.#drop(child)
    return children
  }

  #drop(orphan: Orphan): void {
    if (this.#orphans.delete(orphan.hex)) this.#bytes -= orphan.bytes
  }
}
