/** The one place where a node's own transactions are made: nonces, order, persistence, sending again. */
import {
  accountOf,
  bytesToHex,
  decodeTransaction,
  encodeTransaction,
  equalBytes,
  type KeyPair,
  ProtocolError,
  readAccount,
  type StateReader,
  signTransaction,
  type Transaction,
  type TransactionBody,
  transactionId,
  transactionIdOfBytes,
} from '@nacre/protocol'
import type { TreeNode } from '../chain/block-tree.ts'
import { NodeError } from '../errors.ts'
import { MAX_WANTED_TRANSACTIONS } from '../limits-chain.ts'
import type { WaitingTransaction } from '../mempool.ts'
import type { FullNode } from '../node.ts'
import { NetworkError } from '../ports/network.ts'
import { FEE_PATIENCE_BLOCKS, raisedFee } from './fee-rise.ts'

/** A transaction that the owner of a key wants on the chain, until the state says that it is there or of no use any more. */
export interface Want {
  /** Its name for good, ASCII: after a restart the same want is sent with the bytes that were signed before. */
  readonly key: string
  readonly body: TransactionBody
  /** Whether nothing more needs to be sent. Asked once for each tip: it must be cheap. */
  isOver(reader: StateReader, tip: TreeNode): boolean
}

/** A want under way, for people. */
export interface WantView {
  readonly key: string
  /** Of the transaction that waits in the mempool. */
  readonly transactionId?: string
  /** Why none does. */
  readonly code?: string
}

interface Wanted {
  readonly want: Want
  sent: Sent | undefined
  code: string | undefined
}
interface Sent {
  readonly id: string
  readonly nonce: bigint
  readonly fee: bigint
  /** Height of the tip when it was sent. */
  readonly height: number
}

/**
 * Sends the transactions of one key, which nobody else uses meanwhile. It keeps wishes, not transactions: after each change of the tip
 * it asks of each whether it is over, and if not, and nothing of it waits in the mempool, signs it with the account's next nonce. So
 * reorganisations, lost transactions and restarts need no rules of their own.
 *
 * What is signed is written down before it is sent (P5): the same wish is not signed twice for one nonce, not even after a crash.
 */
export class AccountAgent {
  readonly keys: KeyPair
  /** 20 bytes. */
  readonly account: Uint8Array
  readonly #node: FullNode
  readonly #notes: string
  readonly #wanted = new Map<string, Wanted>()
  #unsubscribe: (() => void) | undefined
  #running: Promise<void> | undefined
  #isStale = false
  #isStopped = false

  constructor(node: FullNode, keys: KeyPair) {
    this.#node = node
    this.keys = keys
    this.account = accountOf(keys.publicKey)
    this.#notes = `account/${bytesToHex(keys.publicKey)}/`
  }

  /** Sends again what an earlier process signed, in its order, and takes up work with the next tip. */
  start(): void {
    if (this.#unsubscribe !== undefined) return
    this.#unsubscribe = this.#node.events.on('tip', () => this.#reconcile())
    const signed = this.#node.store
      .notes(this.#notes)
      .map(([, bytes]) => ({ bytes, nonce: decodeTransaction(bytes).nonce }))
      .sort((a, b) => (a.nonce < b.nonce ? -1 : 1))
    this.#running = (async () => {
      for (const { bytes } of signed) await this.#publish(bytes)
    })()
      .catch((error: unknown) => void this.#notSent('an earlier one', error))
      .finally(() => {
        this.#running = undefined
        if (!this.#isStopped) this.#reconcile()
      })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#unsubscribe?.()
    while (this.#running !== undefined) await this.#running
  }

  /**
   * Takes on a want, unless one with its key is there and the same; another one with its key gives way.
   * @returns false where there is no room: whoever looks at each tip comes again.
   */
  want(want: Want): boolean {
    const known = this.#wanted.get(want.key)
    if (known !== undefined && isSameBody(known.want.body, want.body)) return true
    if (known === undefined && this.#wanted.size >= MAX_WANTED_TRANSACTIONS) return false
    this.#wanted.set(want.key, { want, sent: undefined, code: undefined })
    this.#reconcile()
    return true
  }

  /** What is under way, in order. */
  get waiting(): readonly WantView[] {
    return [...this.#wanted.values()].map(({ want, sent, code }) => ({
      key: want.key,
      ...(sent === undefined ? {} : { transactionId: sent.id }),
      ...(code === undefined ? {} : { code }),
    }))
  }

  /** Matured grains that no waiting transaction spends. */
  spendable(): bigint {
    const { chain, mempool } = this.#node
    const { balance } = readAccount(chain.reader, this.account)
    const spent = mempool.waitingOf(this.account).reduce((sum, { cost }) => sum + cost, 0n)
    return balance > spent ? balance - spent : 0n
  }

  /** Signs for a block of one's own, which need not wait in a mempool: with the nonce that the account has after the tip. */
  signForBlock(body: TransactionBody): Uint8Array {
    const { nonce } = readAccount(this.#node.chain.reader, this.account)
    return this.#sign(body, nonce, this.#leastFee)
  }

  get #leastFee(): bigint {
    return this.#node.context.params.fees.minTransactionGrains
  }

  #reconcile(): void {
    this.#isStale = true
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined
      if (this.#isStale && !this.#isStopped) this.#reconcile()
    })
  }

  async #work(): Promise<void> {
    while (this.#isStale && !this.#isStopped) {
      this.#isStale = false
      // What an old state lacks may be there long since.
      if (this.#node.isSyncing) return
      try {
        this.#forgetWhatIsOver()
        await this.#sendWhatIsMissing()
      } catch (error) {
        if (this.#isStopped) return
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
        this.#node.log.error({ event: 'internal_error', error: text })
      }
    }
  }

  #forgetWhatIsOver(): void {
    const { chain, store } = this.#node
    const { reader } = chain
    for (const [key, { want }] of this.#wanted) {
      if (!want.isOver(reader, chain.tip)) continue
      this.#wanted.delete(key)
      store.dropNote(this.#notes + key)
    }
    // Of an earlier process, and no longer wanted by this one.
    const { nonce } = readAccount(reader, this.account)
    for (const [note, bytes] of store.notes(this.#notes)) {
      if (!this.#wanted.has(note.slice(this.#notes.length)) && decodeTransaction(bytes).nonce < nonce)
        store.dropNote(note)
    }
  }

  async #sendWhatIsMissing(): Promise<void> {
    const { chain, mempool } = this.#node
    for (const wanted of [...this.#wanted.values()]) {
      if (this.#isStopped || this.#wanted.get(wanted.want.key) !== wanted) continue
      const waiting = mempool.waitingOf(this.account)
      const { sent: last } = wanted
      const isThere = last !== undefined && waiting.some(({ id }) => id === last.id)
      const sent = isThere ? last : this.#sentAlready(wanted.want, waiting)
      wanted.sent = sent
      if (sent !== undefined) {
        const fee = raisedFee(sent.fee, this.#leastFee)
        const isImpatient = chain.tip.header.height - sent.height >= FEE_PATIENCE_BLOCKS
        if (isImpatient && fee !== undefined) await this.#send(wanted, this.#sign(wanted.want.body, sent.nonce, fee))
        continue
      }
      let { nonce } = readAccount(chain.reader, this.account)
      for (const entry of waiting) if (entry.nonce === nonce) nonce++
      await this.#send(wanted, this.#sign(wanted.want.body, nonce, this.#leastFee))
    }
  }

  /** What waits of this want without this agent's doing: signed by an earlier process, or back from a block that left the chain. */
  #sentAlready(want: Want, waiting: readonly WaitingTransaction[]): Sent | undefined {
    const { mempool } = this.#node
    for (const { id } of waiting) {
      const bytes = mempool.get(id)!
      if (isSameBody(decodeTransaction(bytes).body, want.body)) return this.#sentOf(bytes)
    }
    return undefined
  }

  #sentOf(bytes: Uint8Array): Sent {
    const { nonce, fee } = decodeTransaction(bytes)
    return { id: bytesToHex(transactionIdOfBytes(bytes)), nonce, fee, height: this.#node.chain.tip.header.height }
  }

  #sign(body: TransactionBody, nonce: bigint, fee: bigint): Uint8Array {
    const { chainId } = this.#node.context.genesis
    return encodeTransaction(signTransaction({ chainId, nonce, fee, body }, this.keys))
  }

  async #send(wanted: Wanted, bytes: Uint8Array): Promise<void> {
    const { key } = wanted.want
    this.#node.store.setNote(this.#notes + key, bytes)
    try {
      wanted.sent = await this.#publish(bytes)
      wanted.code = undefined
    } catch (error) {
      const code = this.#notSent(key, error, wanted.code)
      // The next tip may change it: the want says when it is over.
      wanted.code = code
      return
    }
    const { id, nonce, fee } = wanted.sent
    const fields = { want: key, id, nonce: nonce.toString(), feeGrains: fee.toString() }
    this.#node.log.info({ event: 'transaction_sent', ...fields })
  }

  /** Into the mempool and to the peers; those that it does not reach get it with a higher fee. */
  async #publish(bytes: Uint8Array): Promise<Sent> {
    try {
      await this.#node.publishTransaction(bytes)
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error
    }
    return this.#sentOf(bytes)
  }

  /** Logs each reason once. Returns its code. */
  #notSent(want: string, error: unknown, known?: string): string {
    if (!(error instanceof ProtocolError || error instanceof NodeError)) throw error
    if (error.code !== known)
      this.#node.log.warn({ event: 'transaction_not_sent', want, code: error.code, error: error.message })
    return error.code
  }
}

/** Whether two bodies are the same in every byte. */
function isSameBody(a: TransactionBody, b: TransactionBody): boolean {
  const idOf = (body: TransactionBody): Uint8Array => transactionId({ ...BLANK, body })
  return a === b || (a.kind === b.kind && equalBytes(idOf(a), idOf(b)))
}
const BLANK: Omit<Transaction, 'body' | 'signature'> = {
  chainId: new Uint8Array(32),
  sender: new Uint8Array(32),
  nonce: 0n,
  fee: 0n,
}
