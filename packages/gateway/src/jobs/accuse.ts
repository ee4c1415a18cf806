/** AUD-4 for whoever runs no node: commits to a proof, waits, and shows it, over the RPC of any node. */
import { setTimeout as delay } from 'node:timers/promises'
import { FEE_PATIENCE_BLOCKS, raisedFee, readAccount } from '@nacre/node/rpc-client'
import {
  accusationCommitment,
  chainIdOf,
  type FraudProof,
  type KeyPair,
  type Params,
  type TransactionBody,
} from '@nacre/protocol'
import {
  type AccusationEnd,
  type AccusationState,
  type AnswerProof,
  accusationState,
  bountyOf,
  PROOF_DEPTH,
  type ProofKind,
  type ProofPlace,
  type SignedForProof,
} from './accusation-state.ts'
import { ask } from './ask.ts'
import { endedBy, JobError, type JobErrorCode } from './errors.ts'
import { Outbox, type Sent, type SigningJournal } from './outbox.ts'

/** What goes on meanwhile, each told once for each change. */
export type AccusationProgress =
  /** A transaction is on its way. */
  | { readonly step: 'sent'; readonly kind: ProofKind; readonly id: string }
  /** The commitment is in a block; the proof may be in blocks `first` to `last`. */
  | { readonly step: 'committed'; readonly height: number; readonly first: number; readonly last: number }
  /** The proof is in a block, `depth` of {@link PROOF_DEPTH} deep. */
  | { readonly step: 'proven'; readonly height: number; readonly depth: number }
  /** What was on its way, or in a block, is neither any more: it is signed again with a higher fee. */
  | { readonly step: 'lost'; readonly kind: ProofKind }

export interface AccuseOptions {
  readonly rpcUrl: string
  /** Of the chain that the node is on. */
  readonly params: Params
  /** Of the accuser: they pay deposit and fees, and get the bounty. Nothing else may spend from them meanwhile. */
  readonly keys: KeyPair
  readonly proof: AnswerProof
  /** Writes down the proof with what is signed for it. Called before anything is sent; what it throws keeps that from being sent. */
  readonly keep: (proof: AnswerProof) => Promise<void>
  readonly journal?: SigningJournal
  readonly signal: AbortSignal
  readonly onProgress?: (progress: AccusationProgress) => void
  /** How long the node may be silent. */
  readonly silenceMs?: number
}

const DEFAULT_SILENCE_MS = 60_000
/** Questions in a row that must find nothing before a transaction is sent again: a reorganisation puts it back by itself. */
const MAX_MISSES = 2
/** Signatures for one proof that are remembered. */
const MAX_SIGNED = 32
/** Blocks for which an end by somebody else must stand, once something was sent: the branch may lose. */
const SETTLED_BLOCKS = 2
/** Refusals in a row of what the state seemed to allow. */
const MAX_REFUSALS = 8
/** What a node may refuse because it is a block ahead, or because it has no room now: the state is asked again. */
const PASSING: ReadonlySet<JobErrorCode> = new Set<JobErrorCode>([
  'ACCUSATION_KNOWN',
  'ACCUSATION_UNCOMMITTED',
  'ACCUSATION_EARLY',
  'BLOCK_TOO_MANY_PROOFS',
  'AUDIT_UNIT',
  'PLANT_FOUND',
  'TX_NONCE_LOW',
  'TX_NONCE_GAP',
  'BUSY',
])

/**
 * Accuses the miner of an answer with a wrong step, which the caller has checked (a right one burns the deposit). Goes on with what was
 * signed for the proof before. Resolves with how it ended; a deposit that is not lost by it comes back by itself.
 * Rejects with JobError: what a node refuses (TX_INSUFFICIENT_FUNDS, AUDIT_OFF, ...), NO_NODE, NOT_A_NODE, STOPPED; and with what `keep` and the journal throw.
 */
export function accuse(options: AccuseOptions): Promise<AccusationEnd> {
  return new Accusing(options).run()
}

class Accusing {
  readonly #options: AccuseOptions
  readonly #outbox: Outbox
  readonly #silenceMs: number
  #proof: AnswerProof
  #signing: Omit<SignedForProof, 'id' | 'nonce'> | undefined
  /** Since when the newest waits, as this run has seen it. */
  readonly #waiting = new Map<ProofKind, { readonly id: string; readonly sinceHeight: number }>()
  readonly #misses = new Map<ProofKind, number>()
  /** Kinds whose newest transaction the node did not want: nobody waits for it to turn up. */
  readonly #refused = new Set<ProofKind>()
  readonly #refusedIds = new Set<string>()
  #refusals = 0
  readonly #told = new Map<AccusationProgress['step'], string>()
  /** Whether there was a commitment to wait for. */
  #isUnderWay = false
  #endSince: { readonly outcome: AccusationEnd['outcome']; readonly height: number } | undefined
  #bountyGrains: bigint | undefined

  constructor(options: AccuseOptions) {
    const { rpcUrl, params, keys, proof, journal, silenceMs = DEFAULT_SILENCE_MS } = options
    this.#options = options
    this.#silenceMs = silenceMs
    this.#proof = proof
    this.#outbox = new Outbox({
      ...{ rpc: rpcUrl, keys, silenceMs },
      chainId: chainIdOf(params),
      addressPrefix: params.network.addressPrefix,
      fee: params.fees.minTransactionGrains,
      journal: {
        signing: async (signed) => {
          await this.#keep(signed)
          await journal?.signing(signed)
        },
        answered: async (id, isTaken) => {
          if (!isTaken) this.#refusedIds.add(id)
          await journal?.answered(id, isTaken)
        },
      },
    })
  }

  async run(): Promise<AccusationEnd> {
    const { rpcUrl, params, signal } = this.#options
    const { timeMs } = params.block
    const pauseMs = Math.min(2000, Math.max(200, timeMs / 10))
    for (;;) {
      const state = await this.#ask(() => accusationState(rpcUrl, params, this.#proof, signal))
      const end = this.#endOf(state)
      if (end !== undefined) return this.#withBounty(end)
      await this.#act(state)
      await delay(pauseMs, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) throw endedBy(signal, 'the accusation can go on from its proof')
    }
  }

  #endOf(state: AccusationState): AccusationEnd | undefined {
    const { end, missedHeight, proof, height } = state
    if (proof.status === 'included') {
      this.#tell({ step: 'proven', height: proof.height, depth: Math.min(proof.depth, PROOF_DEPTH) })
      return proof.depth >= PROOF_DEPTH ? end : undefined
    }
    if (end !== undefined) {
      if (!this.#isUnderWay || end.outcome === 'late') return end
      if (this.#endSince?.outcome !== end.outcome) this.#endSince = { outcome: end.outcome, height }
      return height >= this.#endSince.height + SETTLED_BLOCKS ? end : undefined
    }
    this.#endSince = undefined
    return missedHeight !== undefined && this.#isUnderWay ? { outcome: 'missed', lastHeight: missedHeight } : undefined
  }

  /** Sends what is to be sent in the block after the tip. */
  async #act({ height, commitment, proof, window, end }: AccusationState): Promise<void> {
    if (end !== undefined || proof.status === 'included') return
    if (commitment.status === 'included') this.#misses.delete('accusation')
    if (window === undefined) {
      // Without a window it waits, is lost, was never sent, or is one whose time is over.
      const isMissed = commitment.status === 'included'
      const place: ProofPlace = isMissed ? { status: 'none' } : commitment
      if (isMissed) this.#forget('accusation')
      await this.#send('accusation', place, height)
      return
    }
    this.#isUnderWay = true
    if (commitment.status === 'included') this.#tell({ step: 'committed', height: commitment.height, ...window })
    if (height + 1 >= window.first) await this.#send('fraudProof', proof, height)
  }

  async #send(kind: ProofKind, { status }: ProofPlace, height: number): Promise<void> {
    const last = this.#proof.signed.findLast((each) => each.kind === kind && !this.#refusedIds.has(each.id))
    if (status === 'waiting') {
      if (kind === 'accusation') this.#isUnderWay = true
      this.#misses.delete(kind)
      if (last !== undefined) await this.#raise(last, height)
      return
    }
    if (status === 'unknown' && !this.#refused.has(kind)) {
      const misses = (this.#misses.get(kind) ?? 0) + 1
      this.#misses.set(kind, misses)
      if (misses < MAX_MISSES) return
      this.#tell({ step: 'lost', kind })
    }
    this.#misses.delete(kind)
    this.#waiting.delete(kind)
    await this.#unlessPassing(kind, () => this.#sign(kind, height, status === 'unknown' ? last : undefined))
  }

  /** What waits for some blocks is sent once more with a higher fee: not every miner may have it. */
  async #raise(last: SignedForProof, height: number): Promise<void> {
    const { kind, id } = last
    const waiting = this.#waiting.get(kind)
    if (waiting?.id !== id) this.#waiting.set(kind, { id, sinceHeight: height })
    else if (height - waiting.sinceHeight >= FEE_PATIENCE_BLOCKS) {
      const feeGrains = await this.#raisedFee(last)
      if (feeGrains === undefined) return
      await this.#unlessPassing(kind, async () => {
        const sent = await this.#replace(this.#bodyOf(kind), last.nonce, { feeGrains, sinceHeight: height })
        // Or else a block has taken it meanwhile.
        if (sent !== undefined) this.#sent(kind, sent)
      })
    }
  }

  /** What the node does not take now may be taken later, or the state says why not. */
  async #unlessPassing(kind: ProofKind, send: () => Promise<void>): Promise<void> {
    this.#refused.delete(kind)
    try {
      await send()
      this.#refusals = 0
    } catch (error) {
      if (!(error instanceof JobError) || !PASSING.has(error.code) || ++this.#refusals >= MAX_REFUSALS) throw error
      this.#refused.add(kind)
    }
  }

  /** @param lost whose place it takes, unless another transaction has. */
  async #sign(kind: ProofKind, sinceHeight: number, lost: SignedForProof | undefined): Promise<void> {
    const { rpcUrl, params, signal } = this.#options
    // With the proof the bonds are gone.
    this.#bountyGrains = await this.#ask(() => bountyOf(rpcUrl, params, this.#proof.answer.minerKey, signal))
    const body = this.#bodyOf(kind)
    this.#sent(kind, (lost && (await this.#again(body, lost, sinceHeight))) ?? (await this.#append(body, sinceHeight)))
  }

  #sent(kind: ProofKind, { id }: Sent): void {
    this.#isUnderWay = true
    this.#tell({ step: 'sent', kind, id })
  }

  #bodyOf(kind: ProofKind): TransactionBody & { kind: ProofKind } {
    const { jobId, salt, opening } = this.#proof
    const proof: FraudProof = { kind: 'fraudProof', jobId, salt, opening }
    if (kind === 'fraudProof') return proof
    return { kind, commitment: accusationCommitment(this.#options.keys.publicKey, proof) }
  }

  async #append(body: TransactionBody & { kind: ProofKind }, sinceHeight: number): Promise<Sent> {
    const { params, signal } = this.#options
    this.#signing = { kind: body.kind, feeGrains: params.fees.minTransactionGrains, sinceHeight }
    const sent = await this.#outbox.send(body, sinceHeight, signal)
    // The state tells whether it is lost.
    this.#outbox.release(sent)
    return sent
  }

  /** The fee that something goes out with again, if the balance has it; it must leave that of the proof which follows a commitment. */
  async #raisedFee({ kind, feeGrains }: SignedForProof): Promise<bigint | undefined> {
    const { rpcUrl, params, signal } = this.#options
    const { minTransactionGrains } = params.fees
    const raised = raisedFee(feeGrains, minTransactionGrains)
    if (raised === undefined) return undefined
    const { balance } = await this.#ask(() => readAccount(rpcUrl, this.#outbox.address, undefined, signal))
    const rest = kind === 'accusation' ? params.audits.accusationDepositGrains + minTransactionGrains : 0n
    return balance >= raised + rest ? raised : undefined
  }

  /** In the place of what is lost, with the same bytes where the fee cannot rise. Undefined where another transaction has that place. */
  async #again(
    body: TransactionBody & { kind: ProofKind },
    lost: SignedForProof,
    sinceHeight: number,
  ): Promise<Sent | undefined> {
    const feeGrains = await this.#raisedFee(lost)
    return this.#replace(body, lost.nonce, feeGrains === undefined ? lost : { feeGrains, sinceHeight })
  }

  /** Undefined where another transaction has used the nonce up. */
  async #replace(
    body: TransactionBody & { kind: ProofKind },
    nonce: bigint,
    { feeGrains, sinceHeight }: Pick<SignedForProof, 'feeGrains' | 'sinceHeight'>,
  ): Promise<Sent | undefined> {
    this.#signing = { kind: body.kind, feeGrains, sinceHeight }
    try {
      return await this.#outbox.replace(body, { nonce, feeGrains, sinceHeight }, this.#options.signal)
    } catch (error) {
      if (error instanceof JobError && error.code === 'TX_NONCE_LOW') return undefined
      throw error
    }
  }

  /** Before anybody else hears of it. */
  async #keep({ id, nonce }: { readonly id: string; readonly nonce: bigint }): Promise<void> {
    if (this.#signing === undefined) return
    const others = this.#proof.signed.filter((each) => each.id !== id)
    this.#proof = { ...this.#proof, signed: [...others, { ...this.#signing, id, nonce }].slice(-MAX_SIGNED) }
    await this.#options.keep(this.#proof)
  }

  /** What was signed of a kind is over: it no longer tells where the accusation stands. */
  #forget(kind: ProofKind): void {
    this.#proof = { ...this.#proof, signed: this.#proof.signed.filter((each) => each.kind !== kind) }
  }

  #withBounty(end: AccusationEnd): AccusationEnd {
    const isPaid = end.outcome === 'condemned' || end.outcome === 'suspected'
    return isPaid && this.#bountyGrains !== undefined ? { ...end, bountyGrains: this.#bountyGrains } : end
  }

  /** What stays the same from one look to the next is told once. */
  #tell(progress: AccusationProgress): void {
    const { step } = progress
    const text = JSON.stringify(progress)
    if ((step === 'committed' || step === 'proven') && this.#told.get(step) === text) return
    this.#told.set(step, text)
    this.#options.onProgress?.(progress)
  }

  #ask<T>(question: () => Promise<T>): Promise<T> {
    return ask(this.#silenceMs, this.#options.signal, question)
  }
}
