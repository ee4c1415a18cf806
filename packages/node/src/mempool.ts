import {
  type ApplyContext,
  accountOf,
  bytesToHex,
  type ConsensusContext,
  check,
  checkTransactionForm,
  decodeTransaction,
  equalBytes,
  hexToBytes,
  isTransactionOfKind,
  MAX_BLOCK_ACCUSATIONS,
  ProtocolError,
  readAccount,
  type StateReader,
  spending,
  type Transaction,
  type TransactionKind,
  transactionIdOfBytes,
} from '@nacre/protocol'
import { NodeError } from './errors.ts'
import {
  LIST_ITEM_BYTES,
  MAX_BLOCK_TRANSACTION_BYTES,
  MAX_MEMPOOL_BYTES,
  MAX_MEMPOOL_PER_ACCOUNT,
  MAX_MEMPOOL_TRANSACTIONS,
  MAX_RECHECKED_TRANSACTIONS,
} from './limits-chain.ts'
import { CHECKED_KINDS, checkMarketTransaction, isEarly } from './market/next-block.ts'

/** What all waiting transactions together may be. */
export interface MempoolLimits {
  readonly transactions: number
  readonly bytes: number
}
const LIMITS: MempoolLimits = { transactions: MAX_MEMPOOL_TRANSACTIONS, bytes: MAX_MEMPOOL_BYTES }

/** A transaction replaces another with its nonce if its fee is higher by more than one part in this many. */
const REPLACEMENT_DIVISOR = 10n

/** Grains for the miner of a block and the bytes they pay for. */
interface Rate {
  readonly fee: bigint
  readonly bytes: number
}

/** One transaction that waits, as others see it. */
export interface WaitingTransaction {
  /** Hex. */
  readonly id: string
  readonly nonce: bigint
  /** Grains that leave the balance: fee, amount, bond. */
  readonly cost: bigint
}

/** What {@link Mempool.candidates} leaves out. */
export interface CandidateOptions {
  /** Bytes that stay free for a transaction of this public key that does not wait here; those of the key that do are left out. */
  readonly reserve?: { readonly sender: Uint8Array; readonly bytes: number } | undefined
  /** Ids (hex) of transactions that were tried and do not apply, with what builds on them. */
  readonly passedOver?: ReadonlySet<string>
}

/** What {@link Mempool.add} did. */
export interface Added {
  readonly id: Uint8Array
  readonly isNew: boolean
  /** The job (hex) that a new receipt delivers. */
  readonly receiptOf: string | undefined
}

interface Entry {
  readonly id: string
  readonly account: string
  readonly bytes: Uint8Array
  readonly kind: TransactionKind
  /** Hex; of a receipt. */
  readonly receiptOf: string | undefined
  readonly nonce: bigint
  /** Grains that leave the balance: fee, amount, bond. */
  readonly cost: bigint
  readonly rate: Rate
}

/**
 * Transactions that wait for a block, by account and nonce. Whatever waits can apply as far as nonces and balances tell:
 * the queue of an account starts at its next nonce, has no gap, and its balance covers all of it (ECO-1). Otherwise
 * transactions that never pay would fill the pool. Only between a reorganisation and {@link Mempool.prune} may a queue
 * start later. Bounded: when full, a newcomer that pays more per byte displaces the one that pays least.
 */
export class Mempool {
  readonly #context: ConsensusContext
  readonly #limits: MempoolLimits
  /** Queues in the order of their nonces, never empty; the accounts in the order of their arrival. */
  readonly #byAccount = new Map<string, Entry[]>()
  readonly #ids = new Map<string, Entry>()
  /** Jobs, asks, receipts and what belongs to audits, those first that were not looked at for the longest. */
  readonly #market = new Set<Entry>()
  /** Receipts by the job (hex) that they deliver. */
  readonly #receipts = new Map<string, Set<Entry>>()
  #bytes = 0

  constructor(context: ConsensusContext, limits: MempoolLimits = LIMITS) {
    this.#context = context
    this.#limits = limits
  }

  get size(): number {
    return this.#ids.size
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  /** The encoded transaction with an id (hex), if it waits. */
  get(id: string): Uint8Array | undefined {
    return this.#ids.get(id)?.bytes
  }

  /** Encoded receipts of a job (hex) that wait. */
  receiptsOf(jobId: string): readonly Uint8Array[] {
    return [...(this.#receipts.get(jobId) ?? [])].map(({ bytes }) => bytes)
  }

  /** What waits of a 20-byte account, in the order of the nonces: at most MAX_MEMPOOL_PER_ACCOUNT. */
  waitingOf(account: Uint8Array): readonly WaitingTransaction[] {
    return (this.#byAccount.get(bytesToHex(account)) ?? []).map(({ id, nonce, cost }) => ({ id, nonce, cost }))
  }

  /**
   * Takes in a transaction. Throws ProtocolError for one that is malformed, unsigned, underpaid, already used, ahead of
   * the account's queue or not affordable with it, NodeError BUSY when there is no room and others pay as much.
   * @param next the block after the tip: what belongs to market or audits must apply in it, or, by nobody's further doing, in a later one.
   * Without it they are not looked at.
   * @returns its id and false if it was here before, and the job (hex) that it is a receipt of.
   */
  add(bytes: Uint8Array, state: StateReader, next?: ApplyContext): Added {
    const transaction = decodeTransaction(bytes)
    const id = transactionIdOfBytes(bytes)
    const hex = bytesToHex(id)
    if (this.#ids.has(hex)) return { id, isNew: false, receiptOf: undefined }
    const { params, genesis } = this.#context
    const { nonce, fee } = transaction
    const accountId = accountOf(transaction.sender)
    const account = readAccount(state, accountId)
    // Before the signature, the dearest check: what a block had once can be sent for ever, and costs its sender nothing.
    const isUsed = nonce < account.nonce && equalBytes(transaction.chainId, genesis.chainId)
    check(!isUsed, 'TX_NONCE_LOW', `nonce ${nonce} was used, the next is ${account.nonce}`)
    checkTransactionForm(params, genesis.chainId, transaction)
    const key = bytesToHex(accountId)
    const queue = this.#byAccount.get(key) ?? []
    const rival = queue.find((entry) => entry.nonce === nonce)
    const before = queue.filter((entry) => entry.nonce >= account.nonce && entry.nonce < nonce)
    check(
      nonce - account.nonce < BigInt(MAX_MEMPOOL_PER_ACCOUNT) && BigInt(before.length) === nonce - account.nonce,
      'TX_NONCE_GAP',
      `nonce ${nonce} is ahead of the next that can wait, ${account.nonce + BigInt(before.length)}`,
    )
    check(
      rival === undefined || fee > rival.rate.fee + rival.rate.fee / REPLACEMENT_DIVISOR,
      'TX_NONCE_LOW',
      'another transaction with this nonce is waiting, and the fee is not more than a tenth higher',
    )
    // What follows a replaced one stays, so it counts. What follows a filled gap was there before a reorganisation: prune
    // cuts it off where the balance ends.
    const after = rival === undefined ? [] : queue.filter((entry) => entry.nonce > nonce)
    const cost = fee + spending(this.#context.market, transaction.body)
    const total = [...before, ...after].reduce((sum, entry) => sum + entry.cost, cost)
    check(
      account.balance >= total,
      'TX_INSUFFICIENT_FUNDS',
      `${total} grains are needed for all that waits, the account has ${account.balance}`,
    )
    if (next !== undefined) checkForNext(next, transaction, before)
    const rate = { fee, bytes: bytes.length }
    this.#makeRoom(key, rate, rival)
    if (rival !== undefined) this.#drop(key, queue, [rival])
    const { body } = transaction
    const receiptOf = body.kind === 'receipt' ? bytesToHex(body.jobId) : undefined
    const entry: Entry = { id: hex, account: key, bytes: bytes.slice(), kind: body.kind, receiptOf, nonce, cost, rate }
    const at = queue.findIndex((other) => other.nonce > nonce)
    queue.splice(at < 0 ? queue.length : at, 0, entry)
    this.#byAccount.set(key, queue)
    this.#ids.set(hex, entry)
    this.#bytes += bytes.length
    if (isOfMarket(entry)) this.#market.add(entry)
    if (receiptOf !== undefined) {
      const receipts = this.#receipts.get(receiptOf) ?? new Set()
      this.#receipts.set(receiptOf, receipts.add(entry))
    }
    return { id, isNew: true, receiptOf }
  }

  /**
   * Transactions for one block, without gaps in the nonces: together with those `taken` at most `limit`, and no more
   * bytes than surely fit (MAX_BLOCK_TRANSACTION_BYTES), for a block that is too large cannot be sent (NET-2); no proofs of
   * equivocation where those taken have as many as a block may (BLK-3). What pays
   * more per byte comes first, but never before what it builds on; on a tie the account that came first. The caller
   * tries each against the state.
   */
  candidates(
    limit: number,
    state: StateReader,
    taken: readonly Uint8Array[] = [],
    { reserve, passedOver }: CandidateOptions = {},
  ): Uint8Array[] {
    const leftOut = reserve === undefined ? undefined : bytesToHex(accountOf(reserve.sender))
    const waiting: { readonly key: string; readonly entry: Entry; readonly rate: Rate }[] = []
    for (const [key, queue] of this.#byAccount) {
      if (key === leftOut) continue
      let { nonce } = readAccount(state, hexToBytes(key))
      let rate: Rate | undefined
      for (const entry of queue) {
        if (entry.nonce < nonce) continue
        if (entry.nonce > nonce || passedOver?.has(entry.id)) break
        // The least rate so far in the queue: sorted by it, no entry overtakes those that it builds on.
        if (rate === undefined || compareRates(entry.rate, rate) < 0) rate = entry.rate
        waiting.push({ key, entry, rate })
        nonce++
      }
    }
    waiting.sort((a, b) => compareRates(b.rate, a.rate)) // stable
    const chosen: Uint8Array[] = []
    const ended = new Set<string>()
    const most = MAX_BLOCK_TRANSACTION_BYTES - (reserve === undefined ? 0 : LIST_ITEM_BYTES + reserve.bytes)
    let room = taken.reduce((left, { length }) => left - LIST_ITEM_BYTES - length, most)
    const mayAccuse = taken.filter(isAccusation).length < MAX_BLOCK_ACCUSATIONS
    for (const { key, entry } of waiting) {
      if (taken.length + chosen.length >= limit) break
      if (ended.has(key)) continue
      const size = LIST_ITEM_BYTES + entry.bytes.length
      if (size > room || (!mayAccuse && isAccusation(entry.bytes))) {
        ended.add(key)
        continue
      }
      room -= size
      chosen.push(entry.bytes)
    }
    return chosen
  }

  /**
   * Forgets what the new state has used up, and what it cannot apply any more: entries behind a gap or beyond the balance.
   * Call after each change of the tip.
   */
  prune(state: StateReader): void {
    for (const [key, queue] of this.#byAccount) {
      let { nonce, balance } = readAccount(state, hexToBytes(key))
      const gone = queue.filter((entry) => {
        if (entry.nonce !== nonce || entry.cost > balance) return true
        nonce++
        balance -= entry.cost
        return false
      })
      this.#drop(key, queue, gone)
    }
  }

  /**
   * Forgets what of market and audits can never apply any more, with what builds on it: a job that is over, a window that has
   * passed. Call after {@link prune}. Looks at a bounded number, those first that it has not looked at for the longest.
   * @returns how many are gone.
   */
  dropHopeless(next: ApplyContext, most: number = MAX_RECHECKED_TRANSACTIONS): number {
    const size = this.size
    for (const entry of [...this.#market].slice(0, most)) {
      if (!this.#market.delete(entry)) continue // gone with one that it built on
      this.#market.add(entry)
      const queue = this.#byAccount.get(entry.account)!
      const at = queue.indexOf(entry)
      try {
        checkForNext(next, decodeTransaction(entry.bytes), queue.slice(0, at))
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        if (error.code !== 'JOB_EXPIRY_TOO_FAR') this.#drop(entry.account, queue, queue.slice(at))
      }
    }
    return size - this.size
  }

  /** Forgets one transaction that turned out not to apply, and with it what builds on it. */
  remove(bytes: Uint8Array): void {
    const key = bytesToHex(accountOf(decodeTransaction(bytes).sender))
    const queue = this.#byAccount.get(key)
    const id = bytesToHex(transactionIdOfBytes(bytes))
    const at = queue?.findIndex((entry) => entry.id === id) ?? -1
    if (queue !== undefined && at >= 0) this.#drop(key, queue, queue.slice(at))
  }

  /**
   * Makes room for a newcomer in place of `rival`, or throws BUSY and changes nothing. Only the last of a queue can go
   * without leaving a gap, and none of the newcomer's own account, since it builds on them.
   */
  #makeRoom(key: string, rate: Rate, rival: Entry | undefined): void {
    let count = this.#ids.size + (rival === undefined ? 1 : 0) - this.#limits.transactions
    let bytes = this.#bytes + rate.bytes - (rival?.bytes.length ?? 0) - this.#limits.bytes
    /** How many go, by account. */
    const going = new Map<string, number>()
    while (count > 0 || bytes > 0) {
      let least: { readonly key: string; readonly entry: Entry } | undefined
      for (const [other, queue] of this.#byAccount) {
        const entry = other === key ? undefined : queue.at(-1 - (going.get(other) ?? 0))
        if (entry !== undefined && (least === undefined || compareRates(entry.rate, least.entry.rate) < 0))
          least = { key: other, entry }
      }
      if (least === undefined || compareRates(rate, least.entry.rate) <= 0)
        throw new NodeError('BUSY', 'the mempool is full, and the others pay as much per byte')
      going.set(least.key, (going.get(least.key) ?? 0) + 1)
      count--
      bytes -= least.entry.bytes.length
    }
    for (const [other, length] of going) {
      const queue = this.#byAccount.get(other)!
      this.#drop(other, queue, queue.slice(-length))
    }
  }

  #drop(key: string, queue: Entry[], gone: readonly Entry[]): void {
    for (const entry of gone) {
      queue.splice(queue.indexOf(entry), 1)
      this.#ids.delete(entry.id)
      this.#bytes -= entry.bytes.length
      this.#market.delete(entry)
      const receipts = entry.receiptOf === undefined ? undefined : this.#receipts.get(entry.receiptOf)
      if (receipts?.delete(entry) && receipts.size === 0) this.#receipts.delete(entry.receiptOf!)
    }
    if (queue.length === 0) this.#byAccount.delete(key)
  }
}

const isAccusation = (bytes: Uint8Array): boolean => isTransactionOfKind(bytes, 'equivocation')

const isOfMarket = ({ kind }: Entry): boolean => CHECKED_KINDS.has(kind)

/**
 * Throws what {@link checkMarketTransaction} throws unless a transaction applies in the next block, or may in a later one. What is only ahead of an
 * expiry's bound is refused too: nobody waits for hours with a transaction that is not in a block.
 * @param before of the same account, ahead of it: a registration among them lets an ask apply.
 */
function checkForNext(next: ApplyContext, transaction: Transaction, before: readonly Entry[]): void {
  try {
    checkMarketTransaction(next, transaction)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    if (error.code === 'ASK_MINER' && before.some(({ kind }) => kind === 'minerRegister')) return
    if (error.code === 'JOB_EXPIRY_TOO_FAR' || !isEarly(error)) throw error
  }
}

/** Below zero if `a` pays less per byte than `b`; exact. */
function compareRates(a: Rate, b: Rate): number {
  const difference = a.fee * BigInt(b.bytes) - b.fee * BigInt(a.bytes)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
