import { isEarly, type Mempool } from '@nacre/node'
import {
  type ApplyContext,
  applyTransaction,
  type BlockHeader,
  beginBlock,
  bytesToHex,
  type ConsensusContext,
  check,
  checkEquivocationEvidence,
  decodeTransaction,
  type EquivocationChecker,
  equalBytes,
  MAX_BLOCK_ACCUSATIONS,
  ProtocolError,
  registeredModel,
  type StateReader,
  transactionIdOfBytes,
} from '@nacre/protocol'

/** What is known of a block before its unit has won. */
export type SelectionHeader = Pick<BlockHeader, 'height' | 'parentId' | 'bits' | 'minerKey'>

/** Room kept for one transaction that its sender adds once it is known; the sender's others are left out of the block. */
export interface Reserve {
  /** Public key. */
  readonly sender: Uint8Array
  /** Most encoded bytes. */
  readonly bytes: number
}

/** Transactions applied between two pauses: each costs a signature check of a few milliseconds on the event loop. */
const SLICE = 16

/**
 * Waiting transactions that apply one after the other in the block after one tip. Each is applied once per tip, however
 * many do not apply: a flood of misfits must not delay a block. One that does not apply is dropped from the mempool with
 * what builds on it, unless a later block can contain it.
 */
export class BlockSelection {
  readonly #mempool: Mempool
  readonly #context: ApplyContext
  readonly #maxTransactions: number
  readonly #reserve: Reserve | undefined
  readonly #chosen: Uint8Array[] = []
  /** Ids of those that do not apply here and stay in the mempool: none is tried twice. */
  readonly #passedOver = new Set<string>()
  #accusations = 0

  /** @param reader the state after the tip; must stay so while {@link extend} runs. Throws like an empty block. */
  constructor(
    context: ConsensusContext,
    header: SelectionHeader,
    mempool: Mempool,
    reader: StateReader,
    reserve?: Reserve,
  ) {
    const { market, genesis, params } = context
    const { minerKey } = header
    this.#mempool = mempool
    this.#maxTransactions = params.block.maxTransactions - (reserve === undefined ? 0 : 1)
    this.#reserve = reserve
    const checkEquivocation: EquivocationChecker = (a, b) => {
      const proof = checkEquivocationEvidence(context, a, b)
      check(!equalBytes(proof.minerKey, minerKey), 'BLOCK_KEY_BARRED', 'the block would bar its own miner')
      return proof
    }
    const { chainId } = genesis
    const stepModel = (modelId: Uint8Array) => registeredModel(context, modelId).model
    // No transaction depends on the beacon, which is not known before the unit wins.
    const beacon = new Uint8Array(32)
    this.#context = beginBlock({ ...market, ...header, chainId, reader, beacon, checkEquivocation, stepModel }).context
  }

  /** At any time a list that makes a valid block. */
  get transactions(): readonly Uint8Array[] {
    return this.#chosen
  }

  /** Adds what has come into the mempool since the last call; yields from time to time, so that others can run. */
  *extend(): Generator<void, void> {
    const { draft } = this.#context
    // The draft knows the nonces after those chosen before.
    const candidates = this.#mempool.candidates(this.#maxTransactions, draft, this.#chosen, {
      reserve: this.#reserve,
      passedOver: this.#passedOver,
    })
    const ended = new Set<string>()
    for (const [i, bytes] of candidates.entries()) {
      if (i > 0 && i % SLICE === 0) yield
      this.#try(bytes, ended)
    }
  }

  /** @param ended senders of which one was left out: what follows builds on it. */
  #try(bytes: Uint8Array, ended: Set<string>): void {
    const transaction = decodeTransaction(bytes)
    const sender = bytesToHex(transaction.sender)
    if (ended.has(sender)) return
    const isAccusation = transaction.body.kind === 'equivocation'
    if (isAccusation && this.#accusations === MAX_BLOCK_ACCUSATIONS) {
      ended.add(sender) // it stays for a later block
      return
    }
    try {
      applyTransaction(this.#context, transaction) // on an error the draft is as before
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      ended.add(sender)
      if (this.#isForAnother(error)) this.#passedOver.add(bytesToHex(transactionIdOfBytes(bytes)))
      else this.#mempool.remove(bytes)
      return
    }
    this.#chosen.push(bytes)
    if (isAccusation) this.#accusations++
  }

  /**
   * Whether another block can contain what this one cannot: a later one, or one that leaves nobody's transactions out. Evidence
   * against this very miner is for another miner's block (BLK-3).
   */
  #isForAnother(error: ProtocolError): boolean {
    return this.#reserve !== undefined || error.code === 'BLOCK_KEY_BARRED' || isEarly(error)
  }
}

/** A {@link BlockSelection} in one go. */
export function selectTransactions(
  context: ConsensusContext,
  header: SelectionHeader,
  mempool: Mempool,
  reader: StateReader,
): readonly Uint8Array[] {
  const selection = new BlockSelection(context, header, mempool, reader)
  for (const _ of selection.extend());
  return selection.transactions
}
