/** Accounts, their history, and transactions. */
import { bytesToHex } from '@nacre/protocol'
import type { BondView, HistoryEntry } from '../rpc/account.ts'
import type { TransactionView } from '../rpc/transaction.ts'
import { notNode } from './errors.ts'
import { isAddress, isGrains, isHash, isHeight, isText, isTime, reader } from './fields.ts'
import { get, type PostAnswer, post } from './request.ts'

export interface Account {
  readonly height: number
  readonly balance: bigint
  readonly nonce: bigint
  readonly nextNonce: bigint
  readonly waiting: readonly { readonly id: string; readonly nonce: bigint; readonly cost: bigint }[]
  readonly immature: readonly { readonly height: number; readonly grains: bigint }[]
  readonly bonds: readonly {
    readonly role: BondView['role']
    readonly grains: bigint
    readonly returnsHeight: number | undefined
  }[]
}

const isRole = (value: unknown): value is BondView['role'] => value === 'miner' || value === 'verifier'
const isKind = (value: unknown): value is string => isText(value) && /^[a-zA-Z]{1,32}$/.test(value)

/** An account; its bonds only where `publicKey` is given. */
export async function readAccount(
  rpc: string,
  address: string,
  publicKey: Uint8Array | undefined,
  interrupt?: AbortSignal,
): Promise<Account> {
  const path = `/accounts/${address}${publicKey === undefined ? '' : `?key=${bytesToHex(publicKey)}`}`
  const answer = reader(rpc, 'an account', await get(rpc, path, interrupt))
  return {
    height: answer.read('height', isHeight),
    balance: answer.amount('balanceGrains'),
    nonce: answer.amount('nonce'),
    nextNonce: answer.amount('nextNonce'),
    waiting: answer.list('waiting', 'a waiting transaction').map((each) => ({
      id: each.read('id', isHash),
      nonce: each.amount('nonce'),
      cost: each.amount('costGrains'),
    })),
    immature: answer.list('immature', 'an immature amount').map((each) => ({
      height: each.read('height', isHeight),
      grains: each.amount('grains'),
    })),
    bonds: (publicKey === undefined ? [] : answer.list('bonds', 'a bond')).map((each) => ({
      role: each.read('role', isRole),
      grains: each.amount('grains'),
      returnsHeight: each.from.returnsHeight === undefined ? undefined : each.read('returnsHeight', isHeight),
    })),
  }
}

/** A page of an account's history, from a height (default: the tip) downwards. */
export async function readHistory(
  rpc: string,
  address: string,
  from: number | undefined,
  limit: number,
): Promise<{ readonly height: number; readonly entries: readonly HistoryEntry[]; readonly next: number | undefined }> {
  const query = `limit=${limit}${from === undefined ? '' : `&from=${from}`}`
  const answer = reader(rpc, 'a history', await get(rpc, `/accounts/${address}/transactions?${query}`))
  const next = answer.from.next === undefined ? undefined : answer.read('next', isHeight)
  if (next !== undefined && from !== undefined && next >= from) throw notNode(rpc, 'its history does not go on')
  const entries = answer.list('entries', 'an entry of a history').map((each): HistoryEntry => {
    const block = {
      height: each.read('height', isHeight),
      blockId: each.read('blockId', isHash),
      timeMs: each.read('timeMs', isTime),
      kind: each.read('kind', isKind),
      grains: each.read('grains', isGrains),
    }
    if (each.from.id === undefined) return block
    return {
      ...block,
      id: each.read('id', isHash),
      from: each.read('from', isAddress),
      ...(each.from.to === undefined ? {} : { to: each.read('to', isAddress) }),
      feeGrains: each.read('feeGrains', isGrains),
      nonce: each.read('nonce', isGrains),
    }
  })
  return { height: answer.read('height', isHeight), entries, next }
}

const isStatus = (value: unknown): value is TransactionView['status'] =>
  value === 'waiting' || value === 'included' || value === 'unknown'

/** What has become of a transaction, as far as the blocks from `since` on tell. */
export async function readTransaction(
  rpc: string,
  id: string,
  since: number,
  interrupt?: AbortSignal,
): Promise<TransactionView> {
  const answer = reader(rpc, 'a transaction', await get(rpc, `/transactions/${id}?since=${since}`, interrupt))
  const height = answer.read('height', isHeight)
  const status = answer.read('status', isStatus)
  switch (status) {
    case 'waiting':
      return { id, status, height }
    case 'included': {
      const blockHeight = answer.read('blockHeight', isHeight)
      const blockId = answer.read('blockId', isHash)
      return { id, status, height, blockHeight, blockId, depth: answer.read('depth', isHeight) }
    }
    case 'unknown':
      return { id, status, height, searchedFrom: answer.read('searchedFrom', isHeight) }
  }
}

/** Hands a transaction to a node: an answer of its own, or why it refuses. */
export const submitTransaction = (rpc: string, transaction: Uint8Array, interrupt?: AbortSignal): Promise<PostAnswer> =>
  post(rpc, '/transactions', { transaction: bytesToHex(transaction) }, interrupt)
