import { type BlockHeader, headerCodec } from '@nacre/protocol'
import type { Chain } from '../chain/chain.ts'
import { MAX_BLOCKS_ANSWER_BYTES, MAX_HEADERS_PER_ANSWER } from '../limits-chain.ts'
import type { ChainStore } from '../ports/store.ts'

/** Ids of the best chain, newest first: ten in a row, then with doubling steps, genesis last (NET-4). */
export function buildLocator(chain: Chain): Uint8Array[] {
  const ids: Uint8Array[] = []
  let step = 1
  for (let height = chain.tip.header.height; height > 0; height -= step) {
    ids.push(chain.atHeight(height)!.id)
    if (ids.length >= 10) step *= 2
  }
  ids.push(chain.tree.genesis.id)
  return ids
}

/** Headers of our best chain after the newest id of the locator that is on it. */
export function headersAfter(chain: Chain, locator: readonly Uint8Array[]): Uint8Array[] {
  const common = locator.map((id) => chain.tree.get(id)).find((node) => node !== undefined && chain.isOnBestChain(node))
  const start = (common ?? chain.tree.genesis).header.height + 1
  const headers: BlockHeader[] = []
  for (let height = start; headers.length < MAX_HEADERS_PER_ANSWER; height++) {
    const node = chain.atHeight(height)
    if (node === undefined) break
    headers.push(node.header)
  }
  return headers.map((header) => headerCodec.encode(header))
}

/** Encoded blocks in the order asked for; an empty item where we have none or the answer would grow too large. */
export function blocksById(chain: Chain, store: ChainStore, ids: readonly Uint8Array[]): Uint8Array[] {
  let bytes = 0
  return ids.map((id) => {
    const stored = chain.tree.get(id) === undefined ? undefined : store.block(id)
    if (stored === undefined || bytes + stored.bytes.length > MAX_BLOCKS_ANSWER_BYTES - 1024) return new Uint8Array(0)
    bytes += stored.bytes.length
    return stored.bytes
  })
}
