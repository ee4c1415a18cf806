/** What has become of a transaction. */
import { bytesToHex, hexToBytes, transactionIdOfBytes } from '@nacre/protocol'
import type { FullNode } from '../node.ts'

/** `unknown`: it does not wait here, and no block from `searchedFrom` to the tip at `height` contains it. */
export type TransactionView =
  | { readonly id: string; readonly status: 'waiting'; readonly height: number }
  | {
      readonly id: string
      readonly status: 'included'
      readonly height: number
      readonly blockHeight: number
      readonly blockId: string
      /** Blocks on top of each other that vouch for it, its own included. */
      readonly depth: number
    }
  | { readonly id: string; readonly status: 'unknown'; readonly height: number; readonly searchedFrom: number }

/** @param since where to look from; what stands below it counts as unknown. */
export function transactionView(node: FullNode, id: string, since: number): TransactionView {
  const { chain, mempool, store } = node
  const { height } = chain.tip.header
  if (mempool.has(id)) return { id, status: 'waiting', height }
  const searchedFrom = Math.max(since, store.indexedFrom())
  const at = store.transactionHeight(hexToBytes(id))
  if (at === undefined || at < searchedFrom) return { id, status: 'unknown', height, searchedFrom }
  const { hex } = chain.atHeight(at)!
  return { id, status: 'included', height, blockHeight: at, blockId: hex, depth: height - at + 1 }
}

/** Canonical bytes of a transaction that waits here or is in the best chain, as far as the index knows. Reads one block at most. */
export function transactionBytes(node: FullNode, id: string): Uint8Array | undefined {
  const { chain, mempool, store } = node
  const at = store.transactionHeight(hexToBytes(id))
  const block = at === undefined ? undefined : chain.atHeight(at)
  if (block === undefined) return mempool.get(id)
  return chain.block(block)?.body.transactions.find((bytes) => bytesToHex(transactionIdOfBytes(bytes)) === id)
}
