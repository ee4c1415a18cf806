/** The job client: posts jobs from one key, follows them, verifies what comes back. */
import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { WorkerError, type WorkerPort } from '@nacre/engine'
import type { Logger } from '@nacre/node'
import { messageOf, readAccount, readChainId, readHeight } from '@nacre/node/rpc-client'
import {
  bytesToHex,
  chainIdOf,
  hasPlants,
  hexToBytes,
  type Job,
  type KeyPair,
  type MarketRules,
  type Params,
} from '@nacre/protocol'
import { ask } from './ask.ts'
import { checkAnswer, FalseAnswer } from './check-answer.ts'
import { endedBy, JobError, jobErrorOf } from './errors.ts'
import { type AnsweredView, followJob, isInBlock } from './follow.ts'
import { nameMiner } from './name-miner.ts'
import { NodeWatch } from './node-watch.ts'
import { Outbox, type Sent, type SigningJournal } from './outbox.ts'
import { planJob } from './plan-job.ts'
import { queuedWorkers } from './queued-workers.ts'
import type { JobAnswer, JobBalance, JobChain, JobClient, JobRequest, SubmitOptions, VerifyMode } from './types.ts'
import { verifyAnswer } from './verify-answer.ts'

export interface JobClientOptions {
  readonly rpcUrl: string
  readonly keys: KeyPair
  /** Parameters of the chain and configurations of its models: `market` of a consensus context. */
  readonly market: MarketRules
  /** Workers that have the models, for verification. They are the caller's to stop. */
  readonly workers?: WorkerPort
  /** Share of the answers that `sampled` verifies, 0 to 1. */
  readonly sampleShare?: number
  /** Jobs under way at once; one more is refused with BUSY. */
  readonly maxInFlight?: number
  /** How long the node may be silent before jobs end with NO_NODE. */
  readonly silenceMs?: number
  /** Where what is signed is written down. */
  readonly journal?: SigningJournal
  readonly log?: Logger
}

export const DEFAULT_SAMPLE_SHARE = 0.1
/** As many transactions of one account as a node lets wait. */
export const DEFAULT_MAX_IN_FLIGHT = 64
const DEFAULT_SILENCE_MS = 60_000
/** Block times that a job's lifetime may take before the wait for it ends: a chain can stand still. */
const PATIENCE = 10
/** The longest time of a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1
/** Executions of one answer for which the workers may have no room, or which may be lost with their worker. */
const MAX_CHECK_TRIES = 10
const CHECK_PAUSE_MS = 500
/** False receipts of one job that are waited out: each costs an execution here, and its miner no more than a higher fee. */
const MAX_FALSE_RECEIPTS = 4

/**
 * A client for the chain of `market`. Rejects with JobError NO_NODE, NOT_A_NODE, WRONG_NETWORK.
 */
export async function createJobClient(options: JobClientOptions): Promise<JobClient> {
  const own = bytesToHex(chainIdOf(options.market.params))
  const theirs = await readChainId(options.rpcUrl).catch((error: unknown) => {
    throw jobErrorOf(error)
  })
  if (theirs !== own)
    throw new JobError(
      'WRONG_NETWORK',
      `wrong network: the node at ${options.rpcUrl} is on chain ${theirs.slice(0, 16)}…, not on ${own.slice(0, 16)}…`,
    )
  return new Client(options, own)
}

class Client implements JobClient {
  readonly chain: JobChain
  readonly #options: JobClientOptions
  readonly #params: Params
  readonly #watch: NodeWatch
  readonly #outbox: Outbox
  readonly #silenceMs: number
  readonly #stop = new AbortController()
  readonly #running = new Set<Promise<unknown>>()

  constructor(options: JobClientOptions, chainId: string) {
    const { rpcUrl, keys, market, silenceMs = DEFAULT_SILENCE_MS } = options
    const { params } = market
    this.chain = { chainId, params }
    this.#options = options
    this.#params = params
    this.#silenceMs = silenceMs
    this.#watch = new NodeWatch(rpcUrl, options.log)
    this.#outbox = new Outbox({
      rpc: rpcUrl,
      keys,
      chainId: hexToBytes(chainId),
      addressPrefix: params.network.addressPrefix,
      fee: params.fees.minTransactionGrains,
      silenceMs,
      journal: options.journal,
    })
  }

  get address(): string {
    return this.#outbox.address
  }

  async balance(signal: AbortSignal): Promise<JobBalance> {
    const account = await readAccount(this.#options.rpcUrl, this.address, undefined, signal).catch((error: unknown) => {
      throw jobErrorOf(error)
    })
    const waitingGrains = account.waiting.reduce((sum, { cost }) => sum + cost, 0n)
    const { height, balance: maturedGrains } = account
    return { height, maturedGrains, waitingGrains, spendableGrains: maturedGrains - waitingGrains }
  }

  submit(request: JobRequest, options: SubmitOptions): Promise<JobAnswer> {
    const running = this.#submit(request, options)
    this.#running.add(running)
    void running.catch(() => undefined).finally(() => this.#running.delete(running))
    return running
  }

  async stop(): Promise<void> {
    this.#stop.abort(new JobError('STOPPED', 'the job client was stopped'))
    await Promise.allSettled(this.#running)
    await this.#watch.stop()
  }

  async #submit(
    request: JobRequest,
    { signal, verify, onProgress = () => undefined }: SubmitOptions,
  ): Promise<JobAnswer> {
    const { maxInFlight = DEFAULT_MAX_IN_FLIGHT, rpcUrl, log, market } = this.#options
    if (this.#stop.signal.aborted) throw new JobError('STOPPED', 'the job client is stopped')
    if (this.#running.size >= maxInFlight)
      throw new JobError('BUSY', `${this.#running.size} jobs are under way, more than that is not allowed`)
    if (verify !== 'off' && this.#options.workers === undefined)
      throw new JobError('CHECK_FAILED', 'no model is loaded to verify answers with')
    const startMs = performance.now()
    const asked = AbortSignal.any([signal, this.#stop.signal])
    const { job, model } = planJob(market, await this.#named(request, asked))
    const patienceMs = this.#silenceMs + PATIENCE * job.expiryHeight * this.#params.block.timeMs
    const patience = AbortSignal.timeout(Math.min(patienceMs, MAX_TIMER_MS))
    const ends = AbortSignal.any([asked, patience])
    const sent = await this.#post(job, ends)
    const postedMs = performance.now() - startMs
    log?.info({ event: 'job_posted', job: sent.id, nonce: sent.nonce.toString() })
    onProgress({ jobId: sent.id, status: 'waiting' })
    const falseReceipts = new Set<string>()
    try {
      for (;;) {
        const view = await followJob({
          ...{ rpc: rpcUrl, watch: this.#watch, outbox: this.#outbox, sent, signal: ends, onProgress },
          ...{ blockTimeMs: this.#params.block.timeMs, silenceMs: this.#silenceMs },
          isFalse: (receiptId) => falseReceipts.has(receiptId),
        })
        try {
          const answer = checkAnswer(market.params, model, job, view)
          const verification = await this.#verify(verify, request.modelId, job, view, ends)
          const timings = { postedMs, answeredMs: performance.now() - startMs }
          log?.info({ event: 'job_answered', job: sent.id, miner: answer.minerKey, rank: answer.rank, verification })
          return { jobId: sent.id, ...answer, verification, timings }
        } catch (error) {
          if (!(error instanceof FalseAnswer)) throw error
          const { minerKey, transactionId } = view.receipt
          log?.warn({ event: 'answer_false', job: sent.id, miner: minerKey, reason: error.message })
          falseReceipts.add(transactionId)
          // One that waits has not been paid: another rank, or its own miner, may yet deliver in its place.
          if (isInBlock(view) || falseReceipts.size >= MAX_FALSE_RECEIPTS)
            throw new JobError('ANSWER_FALSE', `the answer to job ${sent.id} is false: ${error.message}`, {
              jobId: sent.id,
            })
        }
      }
    } finally {
      this.#outbox.release(sent)
    }
  }

  /** The request with the miner that must be named, if one must. */
  async #named(request: JobRequest, signal: AbortSignal): Promise<JobRequest> {
    const { rpcUrl, market } = this.#options
    const isNamed = request.minerKey !== undefined || this.#params.bindings.provenance !== 'client-signed'
    // Of a model that there is not nobody asks: that it is unknown is for the plan to say.
    if (isNamed || !market.models.has(request.modelId)) return request
    return { ...request, minerKey: await nameMiner(rpcUrl, request, signal, this.#silenceMs) }
  }

  async #post(job: Job, signal: AbortSignal): Promise<Sent> {
    const { rpcUrl } = this.#options
    const height = await ask(this.#silenceMs, signal, () => readHeight(rpcUrl, signal))
    return this.#outbox.send({ ...job, expiryHeight: height + job.expiryHeight }, height, signal)
  }

  async #verify(
    mode: VerifyMode,
    modelId: string,
    job: Job,
    { receipt }: AnsweredView,
    signal: AbortSignal,
  ): Promise<JobAnswer['verification']> {
    const { workers, sampleShare = DEFAULT_SAMPLE_SHARE } = this.#options
    if (workers === undefined || mode === 'off' || (mode === 'sampled' && !isSampled(sampleShare))) return 'unchecked'
    const { tokens, traceRoot, transactionId } = receipt
    const claim = { modelId, task: job, tokens, traceRoot, mayBePlanted: hasPlants(this.#params) }
    for (let tries = 1; ; tries++) {
      try {
        const verdict = await verifyAnswer(queuedWorkers(workers), claim, signal)
        if (!verdict.isTrue) throw new FalseAnswer(verdict.reason)
        if (verdict.isTraceOther === true) this.#options.log?.info({ event: 'trace_other', receipt: transactionId })
        return 'verified'
      } catch (error) {
        if (error instanceof FalseAnswer) throw error
        if (signal.aborted) throw endedBy(signal, 'the answer is there and was being verified')
        const isPassing = error instanceof WorkerError && PASSING.has(error.code)
        if (!isPassing || tries >= MAX_CHECK_TRIES)
          throw new JobError('CHECK_FAILED', `the answer could not be verified: ${messageOf(error)}`, { cause: error })
      }
      await delay(CHECK_PAUSE_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}

const PASSING: ReadonlySet<string> = new Set(['WORKER_QUEUE_FULL', 'WORKER_CRASHED'])

const isSampled = (share: number): boolean => randomInt(2 ** 32) < share * 2 ** 32
