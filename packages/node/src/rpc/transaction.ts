/** What has become of a transaction. */
import { bytesToHex, transactionIdOfBytes } from '@nacre/protocol'
import type { Chain } from '../chain/chain.ts'
import { MAX_RPC_BLOCKS } from '../limits-chain.ts'
import type { Mempool } from '../mempool.ts'

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

/** @param since where to look from; at most MAX_RPC_BLOCKS below the tip. */
export function transactionView(chain: Chain, mempool: Mempool, id: string, since: number): TransactionView {
  const { height } = chain.tip.header
  if (mempool.has(id)) return { id, status: 'waiting', height }
  const searchedFrom = Math.max(0, since, height - MAX_RPC_BLOCKS + 1)
  for (let at = height; at >= searchedFrom; at--) {
    const node = chain.atHeight(at)!
    const transactions = chain.block(node)?.body.transactions ?? []
    if (transactions.some((bytes) => bytesToHex(transactionIdOfBytes(bytes)) === id))
      return { id, status: 'included', height, blockHeight: at, blockId: node.hex, depth: height - at + 1 }
  }
  return { id, status: 'unknown', height, searchedFrom }
}
