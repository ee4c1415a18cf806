/** What the RPC tells about one account: its grains, what waits, what matures, its bonds; and what its transactions did. */
import {
  accountCodec,
  accountKey,
  accountOf,
  bytesToHex,
  decodeTransaction,
  encodeAddress,
  equalBytes,
  ROLE_MINER,
  ROLE_VERIFIER,
  readAccount,
  readImmature,
  readRegistration,
  type StateReader,
  spending,
  transactionIdOfBytes,
} from '@nacre/protocol'
import type { TreeNode } from '../chain/block-tree.ts'
import type { Chain } from '../chain/chain.ts'
import { MAX_RPC_HISTORY_BLOCKS, MAX_RPC_HISTORY_DECODED, MAX_RPC_IMMATURE_HEIGHTS } from '../limits-chain.ts'
import type { Mempool } from '../mempool.ts'

/** Grains are decimal strings. */
export interface AccountView {
  readonly address: string
  /** The tip that all of this holds for. */
  readonly height: number
  readonly balanceGrains: string
  readonly nonce: string
  /** The nonce of the next transaction, after those that wait. */
  readonly nextNonce: string
  readonly waiting: readonly { readonly id: string; readonly nonce: string; readonly costGrains: string }[]
  /** What becomes spendable, by height, up to `immatureThrough`. */
  readonly immature: readonly { readonly height: number; readonly grains: string }[]
  readonly immatureThrough: number
  /** Only where the question names the account's public key: the state keeps bonds by key. */
  readonly bonds?: readonly BondView[]
}

export interface BondView {
  readonly role: 'miner' | 'verifier'
  readonly grains: string
  readonly registeredHeight: number
  /** Where the bond is on its way back: the height at which it is spendable. */
  readonly returnsHeight?: number
}

export function accountView(
  chain: Chain,
  mempool: Mempool,
  account: Uint8Array,
  publicKey: Uint8Array | undefined,
): AccountView {
  const { reader } = chain
  const { params } = chain.context
  const { height } = chain.tip.header
  const { balance, nonce } = readAccount(reader, account)
  const waiting = mempool.waitingOf(account)
  let nextNonce = nonce
  for (const entry of waiting) if (entry.nonce === nextNonce) nextNonce++
  const immatureThrough = height + Math.min(params.block.maturityBlocks, MAX_RPC_IMMATURE_HEIGHTS)
  return {
    address: encodeAddress(account, params.network.addressPrefix),
    height,
    balanceGrains: balance.toString(),
    nonce: nonce.toString(),
    nextNonce: nextNonce.toString(),
    waiting: waiting.map(({ id, nonce, cost }) => ({ id, nonce: nonce.toString(), costGrains: cost.toString() })),
    immature: immatureOf(reader, account, height + 1, immatureThrough),
    immatureThrough,
    ...(publicKey === undefined ? {} : { bonds: bondsOf(reader, publicKey) }),
  }
}

function immatureOf(reader: StateReader, account: Uint8Array, from: number, to: number): AccountView['immature'] {
  const found: { height: number; grains: string }[] = []
  for (let height = from; height <= to; height++) {
    let sum = 0n
    for (const entry of readImmature(reader, height)) if (equalBytes(entry.account, account)) sum += entry.grains
    if (sum > 0n) found.push({ height, grains: sum.toString() })
  }
  return found
}

function bondsOf(reader: StateReader, publicKey: Uint8Array): BondView[] {
  return ([ROLE_MINER, ROLE_VERIFIER] as const).flatMap((role) => {
    const registration = readRegistration(reader, role, publicKey)
    if (registration === undefined) return []
    const { bond, registeredHeight, unbondingHeight } = registration
    return {
      role: role === ROLE_MINER ? ('miner' as const) : ('verifier' as const),
      grains: bond.toString(),
      registeredHeight,
      ...(unbondingHeight === 0 ? {} : { returnsHeight: unbondingHeight }),
    }
  })
}

/** One thing that changed an account's balance. The entries of a chain sum up to the balance. */
export interface HistoryEntry {
  readonly height: number
  readonly blockId: string
  readonly timeMs: number
  /** Of a transaction, its kind; `genesis` and `matured` (coinbases, bonds, bounties) come without one. */
  readonly kind: string
  /** Grains that came in by a transfer or matured, or that left it besides the fee. */
  readonly grains: string
  readonly id?: string
  /** Addresses; `to` only of transfers. */
  readonly from?: string
  readonly to?: string
  readonly feeGrains?: string
  readonly nonce?: string
}

export interface HistoryView {
  readonly address: string
  readonly height: number
  /** Newest first. */
  readonly entries: readonly HistoryEntry[]
  /** Where the next question goes on; absent at the beginning of the chain. */
  readonly next?: number
}

/**
 * What changed an account in the best chain's blocks from a height downwards. Looks at a bounded number of blocks, and ends
 * with the block whose entries reach `limit`. A block's undo journal tells whether it touched the account, so that only
 * few blocks are decoded.
 */
export function historyView(chain: Chain, account: Uint8Array, from: number, limit: number): HistoryView {
  const key = accountKey(account)
  const entries: HistoryEntry[] = []
  const end = Math.max(-1, from - MAX_RPC_HISTORY_BLOCKS)
  let decoded = 0
  let at = from
  for (; at > end && entries.length < limit && decoded < MAX_RPC_HISTORY_DECODED; at--) {
    const node = chain.atHeight(at)!
    const change = chain.changes(node).find((each) => each.key === key)
    if (change === undefined) continue
    decoded++
    entries.push(...blockEntries(chain, node, account, balanceOf(change.after) - balanceOf(change.before)))
  }
  return {
    address: encodeAddress(account, chain.context.params.network.addressPrefix),
    height: chain.tip.header.height,
    entries,
    ...(at < 0 ? {} : { next: at }),
  }
}

const balanceOf = (value: Uint8Array | undefined): bigint =>
  value === undefined ? 0n : accountCodec.decode(value).balance

/** @param delta by which the block changed the balance: what its transactions do not explain has matured. */
function blockEntries(chain: Chain, node: TreeNode, account: Uint8Array, delta: bigint): HistoryEntry[] {
  const { params } = chain.context
  const { addressPrefix } = params.network
  const { height, timeMs } = node.header
  const block = { height, blockId: node.hex, timeMs }
  const entries: HistoryEntry[] = []
  let rest = delta
  for (const bytes of chain.block(node)?.body.transactions ?? []) {
    const { sender, nonce, fee, body } = decodeTransaction(bytes)
    const from = accountOf(sender)
    const isSender = equalBytes(from, account)
    const isReceiver = body.kind === 'transfer' && equalBytes(body.to, account)
    if (!isSender && !isReceiver) continue
    const grains = spending(chain.context.market, body)
    if (isSender) rest += grains + fee
    if (isReceiver) rest -= grains
    entries.push({
      ...block,
      kind: body.kind,
      grains: grains.toString(),
      id: bytesToHex(transactionIdOfBytes(bytes)),
      from: encodeAddress(from, addressPrefix),
      ...(body.kind === 'transfer' ? { to: encodeAddress(body.to, addressPrefix) } : {}),
      feeGrains: fee.toString(),
      nonce: nonce.toString(),
    })
  }
  entries.reverse()
  if (rest > 0n) entries.push({ ...block, kind: height === 0 ? 'genesis' : 'matured', grains: rest.toString() })
  return entries
}
