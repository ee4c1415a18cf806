/** Follows a job at a node until its answer is there or cannot come any more. */
import { isSilence, type JobReceiptView, type JobView, notNode, readJob } from '@nacre/node/rpc-client'
import { endedBy, JobError, jobErrorOf } from './errors.ts'
import type { NodeWatch } from './node-watch.ts'
import type { Outbox, Sent } from './outbox.ts'
import type { JobProgress } from './types.ts'

export interface FollowOptions {
  readonly rpc: string
  readonly watch: NodeWatch
  readonly outbox: Outbox
  readonly sent: Sent
  /** Target time of a block: how often to ask depends on it. */
  readonly blockTimeMs: number
  /** How long a node may be silent. */
  readonly silenceMs: number
  readonly signal: AbortSignal
  /** Ids of receipts that turned out false: while such a one waits for a block, another may still take its place. */
  readonly isFalse: (receiptId: string) => boolean
  readonly onProgress: (progress: JobProgress) => void
}

export type AnsweredView = JobView & { readonly receipt: JobReceiptView }

/** Questions in a row that must find nothing before the transaction is sent again: a reorganisation puts it back by itself. */
const MAX_MISSES = 2

/** Resolves with the first view that has a receipt, no false one unless it is in a block. Rejects with JobError NO_MINER, EXPIRED, NO_NODE, DEADLINE, STOPPED. */
export async function followJob(options: FollowOptions): Promise<AnsweredView> {
  const { rpc, watch, outbox, sent, silenceMs, signal, onProgress } = options
  const { id: jobId } = sent
  const news = new News()
  const stopListening = watch.listen(jobId, (view) => news.tell(view))
  let status: JobView['status'] | undefined
  let wasAssigned = false
  let misses = 0
  let answeredMs = performance.now()
  try {
    for (;;) {
      if (signal.aborted) throw endedBy(signal, `job ${jobId} goes on without anybody waiting for it`, jobId)
      try {
        const view = news.take() ?? (await readJob(rpc, jobId, signal))
        answeredMs = performance.now()
        if (view.status !== status) onProgress({ jobId, status: view.status, view })
        status = view.status
        wasAssigned ||= view.openedHeight !== undefined || status === 'assigned'
        if (hasReceipt(view) && (isInBlock(view) || !options.isFalse(view.receipt.transactionId))) return view
        if (status === 'returned') throw goneError(jobId, wasAssigned)
        if (status === 'settled') throw notNode(rpc, `job ${jobId} is settled without a receipt`)
        misses = status === 'unknown' ? misses + 1 : 0
        if (misses >= MAX_MISSES) {
          await outbox.again(sent, signal)
          misses = 0
        }
      } catch (error) {
        if (signal.aborted) continue
        if (!isSilence(error)) throw jobErrorOf(error, jobId)
        if (performance.now() - answeredMs > silenceMs) throw jobErrorOf(error, jobId)
      }
      await news.wait(pauseMs(options, status), signal)
    }
  } finally {
    stopListening()
  }
}

/** What is in a block is the job's only answer, unless that block is left. */
export const isInBlock = ({ receipt }: AnsweredView): boolean => receipt.height !== undefined

const hasReceipt = (view: JobView): view is AnsweredView =>
  view.receipt !== undefined && ['answered', 'delivered', 'settled'].includes(view.status)

function goneError(jobId: string, wasAssigned: boolean): JobError {
  return wasAssigned
    ? new JobError('NO_MINER', 'no miner that the job was assigned to delivered: the escrow is back, less the burn', {
        jobId,
      })
    : new JobError(
        'EXPIRED',
        'the job left the book unassigned: nobody asked at its price before it expired, or better bids took its place. The escrow is back',
        {
          jobId,
        },
      )
}

/** With an event stream, questions are there for what it missed. */
function pauseMs({ watch, blockTimeMs }: FollowOptions, status: JobView['status'] | undefined): number {
  if (watch.isLive && status !== 'unknown' && status !== undefined) return Math.min(10_000, Math.max(1000, blockTimeMs))
  return Math.min(2000, Math.max(200, blockTimeMs / 10))
}

const MAX_NEWS = 32

/** What a listener heard, for a loop that waits for it. */
class News {
  readonly #views: JobView[] = []
  #isNew = false
  #wake: () => void = () => undefined

  tell(view: JobView | undefined): void {
    if (view !== undefined) this.#views.push(view)
    // A job changes about once a block: more than this is none.
    if (this.#views.length > MAX_NEWS) this.#views.shift()
    this.#isNew = true
    this.#wake()
  }

  /** The views that were told, one after the other. */
  take(): JobView | undefined {
    const view = this.#views.shift()
    this.#isNew = this.#views.length > 0
    return view
  }

  /** Until something is told, the time is over, or the signal aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#isNew || signal.aborted) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
      signal.addEventListener('abort', this.#wake, { once: true })
    })
    signal.removeEventListener('abort', this.#wake)
    this.#wake = () => undefined
  }
}
