import {
  accountOf,
  bytesToHex,
  type ConsensusContext,
  check,
  checkTransactionForm,
  decodeTransaction,
  readAccount,
  type StateReader,
  type Transaction,
  transactionIdOfBytes,
} from '@nacre/protocol'
import { NodeError } from './errors.ts'
import { MAX_MEMPOOL_BYTES, MAX_MEMPOOL_PER_ACCOUNT, MAX_MEMPOOL_TRANSACTIONS } from './limits-chain.ts'

/** What all waiting transactions together may be. */
export interface MempoolLimits {
  readonly transactions: number
  readonly bytes: number
}
const LIMITS: MempoolLimits = { transactions: MAX_MEMPOOL_TRANSACTIONS, bytes: MAX_MEMPOOL_BYTES }

/** A transaction replaces another with its nonce if its fee is higher by more than one part in this many. */
const REPLACEMENT_DIVISOR = 10n

interface Entry {
  readonly id: string
  readonly bytes: Uint8Array
  readonly transaction: Transaction
}

/** Transactions that wait for a block, by account and nonce. Bounded; when full, newcomers are refused. */
export class Mempool {
  readonly #context: ConsensusContext
  readonly #limits: MempoolLimits
  readonly #byAccount = new Map<string, Map<bigint, Entry>>()
  readonly #ids = new Set<string>()
  #bytes = 0

  constructor(context: ConsensusContext, limits: MempoolLimits = LIMITS) {
    this.#context = context
    this.#limits = limits
  }

  get size(): number {
    return this.#ids.size
  }

  /**
   * Takes in a transaction. Throws ProtocolError for one that is malformed, unsigned, underpaid, already used or not
   * affordable, NodeError BUSY when there is no room.
   * @returns its id and false if it was here before.
   */
  add(bytes: Uint8Array, state: StateReader): { readonly id: Uint8Array; readonly isNew: boolean } {
    const transaction = decodeTransaction(bytes)
    const id = transactionIdOfBytes(bytes)
    const hex = bytesToHex(id)
    if (this.#ids.has(hex)) return { id, isNew: false }
    checkTransactionForm(this.#context.params, this.#context.genesis.chainId, transaction)
    const accountId = accountOf(transaction.sender)
    const account = readAccount(state, accountId)
    check(
      transaction.nonce >= account.nonce,
      'TX_NONCE_LOW',
      `nonce ${transaction.nonce} was used, the next is ${account.nonce}`,
    )
    check(
      transaction.nonce < account.nonce + BigInt(MAX_MEMPOOL_PER_ACCOUNT),
      'TX_NONCE_GAP',
      `nonce ${transaction.nonce} is too far ahead of ${account.nonce}`,
    )
    check(account.balance >= transaction.fee, 'TX_INSUFFICIENT_FUNDS', 'the account cannot pay the fee')
    const key = bytesToHex(accountId)
    const queue = this.#byAccount.get(key) ?? new Map<bigint, Entry>()
    const rival = queue.get(transaction.nonce)
    check(
      rival === undefined || transaction.fee > rival.transaction.fee + rival.transaction.fee / REPLACEMENT_DIVISOR,
      'TX_NONCE_LOW',
      'another transaction with this nonce is waiting, and the fee is not more than a tenth higher',
    )
    const freed = rival?.bytes.length ?? 0
    const isFull = rival === undefined && this.#ids.size >= this.#limits.transactions
    if (isFull || this.#bytes - freed + bytes.length > this.#limits.bytes)
      throw new NodeError('BUSY', 'the mempool is full')
    if (rival !== undefined) this.#drop(key, queue, transaction.nonce, rival)
    queue.set(transaction.nonce, { id: hex, bytes: bytes.slice(), transaction })
    this.#byAccount.set(key, queue)
    this.#ids.add(hex)
    this.#bytes += bytes.length
    return { id, isNew: true }
  }

  /** Transactions in the order of nonce per account, at most `limit`; the caller tries each against the state. */
  candidates(limit: number, state: StateReader): Uint8Array[] {
    const chosen: Uint8Array[] = []
    for (const queue of this.#byAccount.values()) {
      const first = queue.values().next().value
      if (first === undefined) continue
      let nonce = readAccount(state, accountOf(first.transaction.sender)).nonce
      for (let entry = queue.get(nonce); entry !== undefined && chosen.length < limit; entry = queue.get(++nonce)) {
        chosen.push(entry.bytes)
      }
    }
    return chosen
  }

  /** Forgets what the new state has used up. Call after each change of the tip. */
  prune(state: StateReader): void {
    for (const [key, queue] of this.#byAccount) {
      const first = queue.values().next().value
      if (first === undefined) continue
      const next = readAccount(state, accountOf(first.transaction.sender)).nonce
      for (const [nonce, entry] of queue) if (nonce < next) this.#drop(key, queue, nonce, entry)
    }
  }

  /** Forgets one transaction that turned out not to apply. */
  remove(bytes: Uint8Array): void {
    const transaction = decodeTransaction(bytes)
    const key = bytesToHex(accountOf(transaction.sender))
    const queue = this.#byAccount.get(key)
    const entry = queue?.get(transaction.nonce)
    if (queue !== undefined && entry !== undefined) this.#drop(key, queue, transaction.nonce, entry)
  }

  #drop(key: string, queue: Map<bigint, Entry>, nonce: bigint, entry: Entry): void {
    queue.delete(nonce)
    if (queue.size === 0) this.#byAccount.delete(key)
    this.#ids.delete(entry.id)
    this.#bytes -= entry.bytes.length
  }
}
