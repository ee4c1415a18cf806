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
  promptCodec,
  promptFee,
  promptKey,
  promptMacs,
  type Receipt,
  readEntry,
  readJob,
  readPrompt,
  type StateChange,
  type Transaction,
  transactionIdOfBytes,
} from '@nacre/protocol'
import type { FullNode } from '../node.ts'
import type { JobFeeView, JobStatus, JobView } from '../rpc-client/job-view.ts'

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

  /** @param id hex. Reads at most three blocks. */
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
      }
    const endHeight = store.jobEndHeight(jobId)
    if (endHeight === undefined) return undefined
    const before = (key: string): Uint8Array | undefined =>
      this.#changesAt(endHeight).find((change) => change.key === key)?.before
    const last = jobCodec.decode(before(jobKey(jobId))!)
    const prompt = before(promptKey(jobId))
    return {
      status: last.delivery === undefined ? 'returned' : 'settled',
      record: last,
      promptTokens: prompt === undefined ? [] : promptCodec.decode(prompt),
      endHeight,
    }
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
    return { ...this.#asked(id, status, accountOf(sender), body, body.promptTokens), ...heightOf(height) }
  }

  #statusOf(id: string, record: JobRecord): JobStatus {
    if (record.delivery !== undefined) return 'delivered'
    if (record.price === 0n) return 'open'
    if (record.openedHeight === 0) return 'cleared'
    return this.#waitingReceipt(id) === undefined ? 'assigned' : 'answered'
  }

  #viewOf(id: string, { status, record, promptTokens, endHeight }: Found): KnownJobView {
    const { store } = this.#node
    const asked = this.#asked(id, status, record.client, record, promptTokens)
    const view = { ...asked, ...heightOf(store.transactionHeight(hexToBytes(id))) }
    if (record.price === 0n) return { ...view, heldGrains: record.held.toString() }
    const receipt = this.#receiptOf(id, record)
    return {
      ...view,
      ...this.#priced(record),
      ...this.#assigned(record),
      ...(receipt === undefined ? {} : this.#delivered(record, receipt, endHeight)),
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

  #delivered(record: JobRecord, found: FoundReceipt, endHeight: number | undefined): Partial<JobView> {
    const { transaction, receipt, height, bytes } = found
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
        isAudited: false,
      },
      inputMacs: promptMacs(model, record.promptTokens),
      outputMacs: decodeMacs(model, newTokens),
      fee: this.#fee(record, newTokens, transaction.sender, endHeight),
    }
  }

  #fee(record: JobRecord, newTokens: number, minerKey: Uint8Array, endHeight: number | undefined): JobFeeView {
    const { context, chain } = this.#node
    const model = modelOf(context.market, record.modelId)
    const parts = divideFee(context.market, record, newTokens)
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

const heightOf = (height: number | undefined): { postedHeight?: number } =>
  height === undefined ? {} : { postedHeight: height }

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
