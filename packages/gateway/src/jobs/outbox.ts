/** The transactions of one key: which nonce is next, and which of them the node may have lost. */
import { notNode, type PostAnswer, readAccount, readTransaction, submitTransaction } from '@nacre/node/rpc-client'
import {
  accountOf,
  bytesToHex,
  encodeAddress,
  encodeTransaction,
  type KeyPair,
  signTransaction,
  type TransactionBody,
  transactionId,
} from '@nacre/protocol'
import { ask } from './ask.ts'
import { endedBy, JobError, jobErrorOf, refusal } from './errors.ts'

export interface Sent {
  /** Hex. */
  readonly id: string
  readonly nonce: bigint
  readonly bytes: Uint8Array
  /** Height of the tip before: no earlier block holds it. */
  readonly sinceHeight: number
}

/** Hears of every transaction that is signed, before anybody else does. */
export interface SigningJournal {
  /** What it throws keeps the transaction from being sent. */
  readonly signing: (signed: { readonly nonce: bigint; readonly id: string }) => Promise<void>
  /** The node took it in, or refused it; not called where nobody knows. */
  readonly answered: (id: string, isTaken: boolean) => Promise<void>
}

export interface OutboxOptions {
  readonly rpc: string
  readonly keys: KeyPair
  readonly chainId: Uint8Array
  readonly addressPrefix: string
  /** Of each transaction, grains. */
  readonly fee: bigint
  /** How long a node may be silent. */
  readonly silenceMs: number
  readonly journal?: SigningJournal | undefined
}

/**
 * How often a nonce that the node calls wrong is replaced. Each try signs one more transaction: a node that lies could keep all of
 * them and have them paid.
 */
const MAX_NONCE_TRIES = 3

export class Outbox {
  readonly address: string
  readonly #options: OutboxOptions
  /** Signed, wanted, and not known to be used up. By id. */
  readonly #sent = new Map<string, Sent>()
  #next: bigint | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(options: OutboxOptions) {
    this.#options = options
    this.address = encodeAddress(accountOf(options.keys.publicKey), options.addressPrefix)
  }

  /**
   * Signs a transaction with the next nonce and hands it to the node. It is wanted until {@link release}.
   * Throws JobError: the protocol's code where the node refuses it, NO_NODE, DEADLINE, STOPPED.
   */
  send(body: TransactionBody, sinceHeight: number, signal: AbortSignal): Promise<Sent> {
    return this.#alone(signal, async () => {
      for (let tries = 1; ; tries++) {
        const nonce = this.#next ?? (await this.#recover(signal))
        const sent = this.#sign(body, nonce, sinceHeight)
        const answer = await this.#handOver(sent, signal)
        if ('error' in answer) {
          const { code, message } = answer.error
          const isNonce = code === 'TX_NONCE_LOW' || code === 'TX_NONCE_GAP'
          if (isNonce && tries < MAX_NONCE_TRIES) continue
          throw refusal(code, message)
        }
        this.#next = nonce + 1n
        this.#sent.set(sent.id, sent)
        return sent
      }
    })
  }

  /**
   * Signs a body with the nonce of a transaction that waits or is lost, in whose place it goes, and another fee: peers pass equal bytes on
   * only once. Nobody but the caller looks after it. Throws JobError like {@link send}.
   */
  replace(
    body: TransactionBody,
    {
      nonce,
      feeGrains,
      sinceHeight,
    }: { readonly nonce: bigint; readonly feeGrains: bigint; readonly sinceHeight: number },
    signal: AbortSignal,
  ): Promise<Sent> {
    return this.#alone(signal, async () => {
      const sent = this.#sign(body, nonce, sinceHeight, feeGrains)
      const answer = await this.#handOver(sent, signal)
      if ('error' in answer) throw refusal(answer.error.code, answer.error.message)
      return sent
    })
  }

  /**
   * Hands the same bytes to a node that lost them; does nothing where they are known after all.
   * Throws JobError where they can never apply.
   */
  again(sent: Sent, signal: AbortSignal): Promise<void> {
    return this.#alone(signal, async () => {
      const answer = await this.#post(sent, signal)
      if (!('error' in answer)) return
      const { code, message } = answer.error
      // Full now; or others before it are lost as well.
      if (code === 'BUSY') return
      if (code === 'TX_NONCE_GAP') {
        this.#next = await this.#recover(signal)
        return
      }
      if (code === 'JOB_EXPIRED')
        throw new JobError('EXPIRED', `the node lost the job, and it is too late: ${message}`, { jobId: sent.id })
      throw refusal(code, message, sent.id)
    })
  }

  /** Nobody waits for it any more. */
  release({ id }: Sent): void {
    this.#sent.delete(id)
  }

  #sign(body: TransactionBody, nonce: bigint, sinceHeight: number, fee = this.#options.fee): Sent {
    const { chainId, keys } = this.#options
    try {
      const transaction = signTransaction({ chainId, nonce, fee, body }, keys)
      const id = bytesToHex(transactionId(transaction))
      return { id, nonce, bytes: encodeTransaction(transaction), sinceHeight }
    } catch (error) {
      throw jobErrorOf(error)
    }
  }

  /** The next nonce, once the node has again what it lost of those that are wanted. */
  async #recover(signal: AbortSignal): Promise<bigint> {
    const { rpc } = this.#options
    const account = await this.#ask(signal, () => readAccount(rpc, this.address, undefined, signal))
    const known = new Set(account.waiting.map(({ id }) => id))
    const lost = [...this.#sent.values()]
      .filter(({ id, nonce }) => nonce >= account.nonce && !known.has(id))
      .sort((a, b) => (a.nonce < b.nonce ? -1 : 1))
    if (lost.length === 0) return account.nextNonce
    for (const sent of lost) await this.#post(sent, signal)
    return (await this.#ask(signal, () => readAccount(rpc, this.address, undefined, signal))).nextNonce
  }

  /** For the first time: the journal hears of it before anybody else. */
  async #handOver(sent: Sent, signal: AbortSignal): Promise<PostAnswer> {
    const { journal } = this.#options
    await journal?.signing(sent)
    // Whoever gives up now does not know whether the node has it: the next one asks for the nonce.
    this.#next = undefined
    const answer = await this.#post(sent, signal).catch((error: unknown) => {
      // The node may have it all the same.
      throw error instanceof JobError ? error.of(sent.id) : error
    })
    await journal?.answered(sent.id, !('error' in answer))
    return answer
  }

  /** Refused as used up, it may be this very transaction that a block holds already. */
  async #post(sent: Sent, signal: AbortSignal): Promise<PostAnswer> {
    const { rpc } = this.#options
    const answer = await this.#ask(signal, () => submitTransaction(rpc, sent.bytes, signal))
    if ('error' in answer) {
      if (answer.error.code !== 'TX_NONCE_LOW') return answer
      const { status } = await this.#ask(signal, () => readTransaction(rpc, sent.id, sent.sinceHeight, signal))
      return status === 'unknown' ? answer : { value: { id: sent.id } }
    }
    if ((answer.value as { id?: unknown } | null)?.id !== sent.id)
      throw jobErrorOf(notNode(rpc, 'it took a transaction in under another id'), sent.id)
    return answer
  }

  #ask<T>(signal: AbortSignal, question: () => Promise<T>): Promise<T> {
    return ask(this.#options.silenceMs, signal, question)
  }

  /** One at a time: a nonce is taken once the one before it is. */
  async #alone<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    const before = this.#last
    let end = (): void => undefined
    this.#last = new Promise<void>((resolve) => {
      end = resolve
    })
    try {
      await unlessAborted(before, signal)
      return await run()
    } finally {
      void before.then(end)
    }
  }
}

/** Throws JobError as soon as the signal aborts. */
async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  let onAbort = (): void => undefined
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve
    signal.addEventListener('abort', onAbort, { once: true })
  })
  if (!signal.aborted) await Promise.race([promise, aborted])
  signal.removeEventListener('abort', onAbort)
  if (signal.aborted) throw endedBy(signal, 'the job was not posted')
}
