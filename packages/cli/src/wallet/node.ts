/** What a wallet asks a node. Every answer is checked for shape. */
import type { BondView, HistoryEntry, TransactionView } from '@nacre/node'
import { bytesToHex } from '@nacre/protocol'
import {
  type Fields,
  field,
  fieldsOf,
  get,
  isGrains,
  isHash,
  isHeight,
  isList,
  isText,
  isTime,
  notNode,
  type PostAnswer,
  post,
} from '../rpc.ts'

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

/** An answer has at most some thousand entries: heights that mature, or the transactions of a full block. */
const MAX_ENTRIES = 20_000
const isShortList = (value: unknown): value is unknown[] => isList(value) && value.length <= MAX_ENTRIES

/** Reads fields of one object, each with its check. */
function reader(rpc: string, what: string, value: unknown) {
  const from: Fields = fieldsOf(rpc, what, value)
  const read = <T>(name: string, isRight: (value: unknown) => value is T): T => field(rpc, what, from, name, isRight)
  return {
    from,
    read,
    amount: (name: string): bigint => BigInt(read(name, isGrains)),
    list: (name: string, entry: string) => read(name, isShortList).map((each) => reader(rpc, entry, each)),
  }
}

const isRole = (value: unknown): value is BondView['role'] => value === 'miner' || value === 'verifier'
const isKind = (value: unknown): value is string => isText(value) && /^[a-zA-Z]{1,32}$/.test(value)
const isAddress = (value: unknown): value is string => isText(value) && /^[a-z]{1,16}1[a-z0-9]{1,80}$/.test(value)

/** An account; its bonds only where `publicKey` is given. */
export async function readAccount(rpc: string, address: string, publicKey: Uint8Array | undefined): Promise<Account> {
  const path = `/accounts/${address}${publicKey === undefined ? '' : `?key=${bytesToHex(publicKey)}`}`
  const answer = reader(rpc, 'an account', await get(rpc, path))
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

export const submit = (rpc: string, transaction: Uint8Array): Promise<PostAnswer> =>
  post(rpc, '/transactions', { transaction: bytesToHex(transaction) })
