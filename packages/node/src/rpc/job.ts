/** What the RPC tells about one job, from its posting to long after its end (ECO-4). */
import {
  accountOf,
  barredCodec,
  barredKey,
  bytesToHex,
  type Decoding,
  decodeFee,
  decodeMacs,
  decodeTransaction,
  divideFee,
  encodeAddress,
  equalBytes,
  hexToBytes,
  isTransactionOfKind,
  type Job,
  type JobRecord,
  jobCodec,
  jobKey,
  modelOf,
  ProtocolError,
  prepareReceipt,
  promptFee,
  promptMacs,
  type Receipt,
  readEntry,
  readJob,
  readPrompt,
  type StateChange,
  type StateReader,
  type Transaction,
  transactionIdOfBytes,
} from '@nacre/protocol'
import type { FullNode } from '../node.ts'
import type { JobAuditView, JobFeeView, JobStatus, JobView } from '../rpc-client/job-view.ts'
import { afterChanges, auditView, beforeChanges } from './audit.ts'

/** What is there of every job that a node knows. */
type KnownJobView = JobView & {
  readonly [K in
    | 'modelId'
    | 'client'
    | 'promptTokens'
    | 'maxNewTokens'
    | 'decoding'
    | 'maxPriceGrains'
    | 'expiryHeight']: NonNullable<JobView[K]>
}

/** A job as the state has it, or had it until it ended. */
interface Found {
  readonly status: JobStatus
  readonly record: JobRecord
  readonly promptTokens: readonly number[]
  /** Height of the block that ended it. */
  readonly endHeight: number | undefined
  /** What was delivered was condemned before it settled, which ended the job (AUD-4). */
  readonly isCondemned: boolean
  /** Height of the block with which the audits of its delivered unit end; of a job that has ended. */
  readonly unitEnd: number | undefined
}
interface FoundReceipt {
  readonly transaction: Transaction
  readonly bytes: Uint8Array
  readonly receipt: Receipt
  readonly height: number | undefined
}

/** Views of jobs at one tip. Each block that they need is read once, however many jobs ask for it. */
export class JobViews {
  readonly #node: FullNode
  readonly #transactions = new Map<number, readonly Uint8Array[]>()
  readonly #changes = new Map<number, readonly StateChange[]>()

  constructor(node: FullNode) {
    this.#node = node
  }

  /** @param id hex. Reads at most four blocks. */
  view(id: string): JobView {
    const found = this.#find(id)
    if (found !== undefined) return this.#viewOf(id, found)
    return this.#posted(id) ?? { id, status: 'unknown' }
  }

  #find(id: string): Found | undefined {
    const { chain, store } = this.#node
    const jobId = hexToBytes(id)
    const record = readJob(chain.reader, jobId)
    if (record !== undefined)
      return {
        status: this.#statusOf(id, record),
        record,
        promptTokens: readPrompt(chain.reader, jobId),
        endHeight: undefined,
        isCondemned: false,
        unitEnd: undefined,
      }
    const endHeight = store.jobEndHeight(jobId)
    if (endHeight === undefined) return undefined
    const changes = this.#changesAt(endHeight)
    const before = beforeChanges(changes)
    const last = jobCodec.decode(before.get(jobKey(jobId))!)
    const audit = auditView(afterChanges(changes), jobId)
    const isCondemned = audit?.isCondemned === true
    const unitEnd = audit?.endHeight
    return {
      status: last.delivery === undefined || isCondemned ? 'returned' : 'settled',
      record: last,
      promptTokens: this.#promptOf(id),
      endHeight,
      isCondemned,
      unitEnd,
    }
  }

  /** Of a job that has ended, from its transaction: the state keeps prompts for audits, not for as long as anybody may ask. */
  #promptOf(id: string): readonly number[] {
    const height = this.#node.store.transactionHeight(hexToBytes(id))
    const bytes = height === undefined ? undefined : this.#transactionAt(height, id)
    const body = bytes === undefined ? undefined : decodeTransaction(bytes).body
    return body?.kind === 'job' ? body.promptTokens : []
  }

  /** What a block of the best chain changed, as it was before: undefined while there is no such block. */
  #beforeBlock(height: number | undefined): StateReader | undefined {
    const isThere = height !== undefined && this.#node.chain.atHeight(height) !== undefined
    return isThere ? beforeChanges(this.#changesAt(height)) : undefined
  }

  /** A job that the state never had: it waits, or a better bid took its place in the very block that contains it. */
  #posted(id: string): KnownJobView | undefined {
    const { store, mempool } = this.#node
    const height = store.transactionHeight(hexToBytes(id))
    const bytes = height === undefined ? mempool.get(id) : this.#transactionAt(height, id)
    if (bytes === undefined) return undefined
    const { sender, body } = decodeTransaction(bytes)
    if (body.kind !== 'job') return undefined
    const status = height === undefined ? 'waiting' : 'returned'
    return { ...this.#asked(id, status, accountOf(sender), body, body.promptTokens), ...heightsOf(height, height) }
  }

  #statusOf(id: string, record: JobRecord): JobStatus {
    if (record.delivery !== undefined) return 'delivered'
    if (record.price === 0n) return 'open'
    if (record.openedHeight === 0) return 'cleared'
    return this.#waitingReceipt(id) === undefined ? 'assigned' : 'answered'
  }

  #viewOf(id: string, found: Found): KnownJobView {
    const { status, record, promptTokens, endHeight } = found
    const { store } = this.#node
    const asked = this.#asked(id, status, record.client, record, promptTokens)
    const view = { ...asked, ...heightsOf(store.transactionHeight(hexToBytes(id)), endHeight) }
    if (record.price === 0n) return { ...view, heldGrains: record.held.toString() }
    const receipt = this.#receiptOf(id, record)
    return {
      ...view,
      ...this.#priced(record),
      ...this.#assigned(record),
      ...(receipt === undefined ? {} : this.#delivered(id, found, receipt)),
    }
  }

  #asked(
    id: string,
    status: JobStatus,
    client: Uint8Array,
    job: Pick<Job, 'modelId' | 'maxNewTokens' | 'decoding' | 'maxPrice' | 'expiryHeight'>,
    promptTokens: readonly number[],
  ): KnownJobView {
    const { params } = this.#node.context
    const modelId = bytesToHex(job.modelId)
    return {
      id,
      status,
      model: params.models.find((each) => each.modelId === modelId)?.name ?? '',
      modelId,
      client: encodeAddress(client, params.network.addressPrefix),
      promptTokens,
      maxNewTokens: job.maxNewTokens,
      decoding: decodingView(job.decoding),
      maxPriceGrains: job.maxPrice.toString(),
      expiryHeight: job.expiryHeight,
    }
  }

  #priced(record: JobRecord): Partial<JobView> {
    const { params, market } = this.#node.context
    return {
      priceGrains: record.price.toString(),
      heldGrains: record.held.toString(),
      promptFeeGrains: promptFee(params, modelOf(market, record.modelId), record.promptTokens, record.price).toString(),
    }
  }

  #assigned({ openedHeight, promptBurn, ranks }: JobRecord): Partial<JobView> {
    const { chain, context } = this.#node
    const { assignmentWindowBlocks } = context.params.jobs
    if (openedHeight === 0) return {}
    return {
      promptBurnGrains: promptBurn.toString(),
      openedHeight,
      unitParentId: chain.atHeight(openedHeight)!.hex,
      ranks: ranks.map((key, rank) => ({
        minerKey: bytesToHex(key),
        firstHeight: openedHeight + rank * assignmentWindowBlocks + 1,
        // Whoever could deliver still can until the last window ends (ECO-4).
        lastHeight: openedHeight + ranks.length * assignmentWindowBlocks,
      })),
    }
  }

  #delivered(id: string, job: Found, found: FoundReceipt): Partial<JobView> {
    const { record } = job
    const { transaction, receipt, height, bytes } = found
    const audit = height === undefined ? undefined : this.#auditOf(hexToBytes(id), job)
    const model = modelOf(this.#node.context.market, record.modelId)
    const newTokens = receipt.tokens.length
    return {
      receipt: {
        minerKey: bytesToHex(transaction.sender),
        rank: record.ranks.findIndex((key) => equalBytes(key, transaction.sender)),
        tokens: receipt.tokens,
        traceRoot: bytesToHex(receipt.traceRoot),
        unitParentId: bytesToHex(receipt.unitParentId),
        transactionId: bytesToHex(transactionIdOfBytes(bytes)),
        ...(height === undefined ? {} : { height }),
        isAudited: audit !== undefined && audit.verdicts > 0 && !audit.isCondemned,
        ...(audit === undefined ? {} : { audit }),
      },
      inputMacs: promptMacs(model, record.promptTokens),
      outputMacs: decodeMacs(model, newTokens),
      fee: this.#fee(job, newTokens, transaction.sender),
    }
  }

  /** From the state, or from the block in which the unit's record ended. */
  #auditOf(jobId: Uint8Array, { unitEnd }: Found): JobAuditView | undefined {
    const now = auditView(this.#node.chain.reader, jobId)
    const before = now === undefined ? this.#beforeBlock(unitEnd) : undefined
    return before === undefined ? now : auditView(before, jobId)
  }

  #fee({ record, endHeight, isCondemned }: Found, newTokens: number, minerKey: Uint8Array): JobFeeView {
    const { context, chain } = this.#node
    const model = modelOf(context.market, record.modelId)
    const parts = isCondemned
      ? { burned: 0n, verifiers: 0n, miner: 0n, returned: record.held }
      : divideFee(context.market, record, newTokens)
    const barredHeight = readEntry(chain.reader, barredKey(minerKey), barredCodec)
    // Settlement comes before the transactions of its block: what bars there comes too late for it.
    const isForfeited = endHeight !== undefined && barredHeight !== undefined && barredHeight < endHeight
    const forfeited = isForfeited ? parts.miner : 0n
    return {
      inputGrains: promptFee(context.params, model, record.promptTokens, record.price).toString(),
      outputGrains: decodeFee(model, newTokens, record.price).toString(),
      burnedGrains: (record.promptBurn + parts.burned + forfeited).toString(),
      verifierGrains: parts.verifiers.toString(),
      minerGrains: (parts.miner - forfeited).toString(),
      returnedGrains: parts.returned.toString(),
    }
  }

  #receiptOf(id: string, { delivery, ranks }: JobRecord): FoundReceipt | undefined {
    if (delivery === undefined) return this.#waitingReceipt(id)
    for (const bytes of this.#transactionsAt(delivery.height)) {
      const found = receiptIn(bytes, id)
      if (found !== undefined && equalBytes(found.transaction.sender, ranks[delivery.rank]!))
        return { ...found, height: delivery.height }
    }
    return undefined
  }

  /** A receipt that the block after the tip can contain. */
  #waitingReceipt(id: string): FoundReceipt | undefined {
    const { mempool } = this.#node
    for (const bytes of mempool.receiptsOf(id)) {
      const found = receiptIn(bytes, id)!
      try {
        prepareReceipt(this.#node.nextBlock(), found.transaction.sender, found.receipt)
      } catch (error) {
        if (error instanceof ProtocolError) continue
        throw error
      }
      return { ...found, height: undefined }
    }
    return undefined
  }

  #transactionAt(height: number, id: string): Uint8Array | undefined {
    return this.#transactionsAt(height).find((bytes) => bytesToHex(transactionIdOfBytes(bytes)) === id)
  }

  #transactionsAt(height: number): readonly Uint8Array[] {
    const { chain } = this.#node
    const known = this.#transactions.get(height) ?? chain.block(chain.atHeight(height)!)?.body.transactions ?? []
    this.#transactions.set(height, known)
    return known
  }

  #changesAt(height: number): readonly StateChange[] {
    const { chain } = this.#node
    const known = this.#changes.get(height) ?? chain.changes(chain.atHeight(height)!)
    this.#changes.set(height, known)
    return known
  }
}

const heightsOf = (
  postedHeight: number | undefined,
  endHeight: number | undefined,
): Pick<JobView, 'postedHeight' | 'endHeight'> => ({
  ...(postedHeight === undefined ? {} : { postedHeight }),
  ...(endHeight === undefined ? {} : { endHeight }),
})

const decodingView = ({ temperatureMilli, seed, stopAtEos }: Decoding): NonNullable<JobView['decoding']> => ({
  temperatureMilli,
  seed: bytesToHex(seed),
  stopAtEos,
})

/** The receipt of a job in encoded bytes, if they are that. */
function receiptIn(bytes: Uint8Array, jobId: string): Omit<FoundReceipt, 'height'> | undefined {
  if (!isTransactionOfKind(bytes, 'receipt')) return undefined
  const transaction = decodeTransaction(bytes)
  const { body } = transaction
  if (body.kind !== 'receipt' || bytesToHex(body.jobId) !== jobId) return undefined
  return { transaction, bytes, receipt: body }
}
