import type { ProtocolError } from '@nacre/protocol'
import type { KernelName } from '../kernels/types.ts'
import { type FromThread, type HostEvents, type HostOptions, LocalThreadHost, type ThreadHost } from './host.ts'
import { type EngineJob, type JobOutcome, priorityOf } from './jobs.ts'
import { type ModelSource, receiveError } from './messages.ts'
import { type RunOptions, WorkerError, type WorkerErrorCode, type WorkerPort, type WorkerStats } from './port.ts'
import { ProcessThreadHost } from './process-host.ts'
import { JobQueue, type PendingJob } from './queue.ts'

/** Waiting jobs of one priority (of service jobs fewer, MAX_SERVICE_QUEUE): at a replay of 30 ms each, about two seconds of work. */
export const DEFAULT_MAX_QUEUE = 64
/** Threads that die so often, one after the other, before they have loaded their models will not come up at all. */
export const MAX_FAILED_STARTS = 3
/** The same where threads have been up before: what they lack may come back. */
export const MAX_FAILED_RESTARTS = 8
/** Pause before the start after the first failed one; it doubles from one to the next. */
const RESTART_PAUSE_MS = 125
const MAX_RESTART_PAUSE_MS = 8000
/** Heap of a thread. Models and rows lie outside of it; a thread that exceeds it dies alone, and its job with it. */
export const DEFAULT_MAX_HEAP_MIB = 2048

/** Emitted code refers to emitted code; only import paths are rewritten by the compiler. */
const THREAD_ENTRY = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url)

export interface ThreadWorkersOptions {
  readonly models: readonly ModelSource[]
  /** At least 1. */
  readonly threads: number
  /** Waiting jobs of each priority. */
  readonly maxQueue?: number
  readonly kernels?: KernelName
  /** Try first the kernels for V8's `--experimental-wasm-revectorize`, which the process must have set. */
  readonly wide?: boolean
  readonly maxHeapMiB?: number
  /** Told once, when the first thread has loaded its models, which kernels it works with. */
  readonly onReady?: (kernels: KernelName) => void
  /** Another entry point, for tests. */
  readonly entry?: URL
}

export interface ProcessWorkersOptions extends ThreadWorkersOptions {
  /** Options of V8 or Node for the process, beside those of this one. */
  readonly execArgv?: readonly string[]
}

/** The job that a thread works on, if it does. */
interface Thread {
  readonly number: number
  ready: boolean
  job: PendingJob | undefined
}

/**
 * A pool of worker threads whose engines share one memory for each model. It starts at once; jobs wait until a thread has loaded its
 * models. The first thread makes the memory, the others start when it is there.
 *
 * The threads live in this process. One whose heap is exhausted usually dies alone, but V8 may end the whole process instead.
 */
export function threadWorkers(options: ThreadWorkersOptions): WorkerPort {
  return new ThreadPool(options, (host, events) => new LocalThreadHost(host, events))
}

/**
 * The same pool with its threads in a process of their own, which is started again if it ends: nothing that happens there takes this
 * process down.
 */
export function processWorkers(options: ProcessWorkersOptions): WorkerPort {
  return new ThreadPool(options, (host, events) => new ProcessThreadHost(host, events, options.execArgv ?? []))
}

class ThreadPool implements WorkerPort {
  readonly #host: ThreadHost
  readonly #count: number
  readonly #onReady: (kernels: KernelName) => void
  readonly #queue: JobQueue
  readonly #threads = new Map<number, Thread>()
  readonly #counts = { completed: 0, rejected: 0, refused: 0, cancelled: 0, crashes: 0 }
  /** Whether a thread was ever up, and so made the memory that all share. */
  #wasUp = false
  #failedStarts = 0
  #restart: NodeJS.Timeout | undefined
  #nextId = 0
  #closed: WorkerError | undefined

  constructor(options: ThreadWorkersOptions, createHost: (options: HostOptions, events: HostEvents) => ThreadHost) {
    const { models, threads, maxQueue = DEFAULT_MAX_QUEUE, kernels, wide = false } = options
    if (!Number.isInteger(threads) || threads < 1) throw new RangeError(`${threads} threads`)
    const { maxHeapMiB = DEFAULT_MAX_HEAP_MIB, entry = THREAD_ENTRY } = options
    this.#count = threads
    this.#onReady = options.onReady ?? (() => {})
    this.#queue = new JobQueue(maxQueue)
    this.#host = createHost(
      { models: models.map(shared), threads, kernels, wide, maxHeapMiB, entry },
      {
        ready: (thread, name) => this.#ready(thread, name),
        message: (thread, message) => this.#receive(thread, message),
        exit: (thread, cause) => this.#exited(thread, cause),
        lost: (cause) => this.#lost(cause),
      },
    )
    this.#start(0)
  }

  get stats(): WorkerStats {
    return {
      ready: [...this.#threads.values()].filter(({ ready }) => ready).length,
      queuedValidation: this.#queue.length('validation'),
      queuedService: this.#queue.length('service'),
      queuedMining: this.#queue.length('mining'),
      running: [...this.#threads.values()].filter(({ job }) => job !== undefined).length,
      ...this.#counts,
    }
  }

  run<J extends EngineJob>(job: J, options: RunOptions = {}): Promise<JobOutcome<J>> {
    const { signal } = options
    return new Promise<JobOutcome<J>>((resolve, reject) => {
      if (this.#closed !== undefined) throw this.#closed
      const onAbort = (): void => {
        // A running job goes on in its thread, and its outcome finds nobody: promises settle once.
        this.#queue.remove(pending)
        this.#counts.cancelled++
        pending.reject(new WorkerError('WORKER_CANCELLED', 'cancelled by the caller', { cause: signal?.reason }))
      }
      const settled = (): void => signal?.removeEventListener('abort', onAbort)
      const pending: PendingJob = {
        id: this.#nextId++,
        job,
        resolve: (outcome) => {
          settled()
          resolve(outcome as JobOutcome<J>)
        },
        reject: (error) => {
          settled()
          reject(error)
        },
      }
      if (signal?.aborted === true) return onAbort()
      if (!this.#queue.push(pending)) {
        this.#counts.refused++
        throw new WorkerError('WORKER_QUEUE_FULL', `too many ${job.kind} jobs are waiting`)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#dispatch()
    })
  }

  async stop(): Promise<void> {
    this.#close('WORKER_STOPPED', 'the workers are stopped')
    await this.#host.stop()
  }

  /** Rejects everything that waits or runs, and all that comes later. */
  #close(code: WorkerErrorCode, why: string, cause?: unknown): void {
    this.#closed ??= new WorkerError(code, why, cause === undefined ? {} : { cause })
    clearTimeout(this.#restart)
    for (const pending of this.#queue.drain()) pending.reject(this.#closed)
    for (const thread of this.#threads.values()) {
      thread.job?.reject(this.#closed)
      thread.job = undefined
    }
  }

  #start(number: number): void {
    this.#threads.set(number, { number, ready: false, job: undefined })
    this.#host.start(number)
  }

  /** One thread has ended. While others live its place is taken at once, or after a pause if starts fail one after the other. */
  #exited(number: number, cause: unknown): void {
    const thread = this.#threads.get(number)
    if (thread === undefined || this.#closed !== undefined) return
    this.#bury(thread, cause)
    if (thread.ready) this.#failedStarts = 0
    else this.#failedStarts++
    if (this.#threads.size === 0) this.#beginAgain(cause)
    else if (this.#failedStarts < MAX_FAILED_STARTS) this.#start(number)
    else this.#later(MAX_RESTART_PAUSE_MS, () => this.#startMissing())
  }

  /** All threads have ended, and the memory that they shared is gone. */
  #lost(cause: unknown): void {
    if (this.#closed !== undefined) return
    const threads = [...this.#threads.values()]
    const wasUp = threads.some(({ ready }) => ready)
    for (const thread of threads) this.#bury(thread, cause)
    this.#failedStarts = wasUp ? 0 : this.#failedStarts + 1
    this.#beginAgain(cause)
  }

  #bury(thread: Thread, cause: unknown): void {
    this.#threads.delete(thread.number)
    this.#counts.crashes++
    thread.job?.reject(new WorkerError('WORKER_CRASHED', `the thread died under ${thread.job.job.kind}`, { cause }))
  }

  /** No thread is left: starts the first again, after a pause if it has just failed, or gives up. */
  #beginAgain(cause: unknown): void {
    const most = this.#wasUp ? MAX_FAILED_RESTARTS : MAX_FAILED_STARTS
    if (this.#failedStarts >= most) {
      this.#close('WORKER_FAILED', 'no thread comes up', cause)
      return
    }
    const pauseMs = this.#failedStarts === 0 ? 0 : RESTART_PAUSE_MS * 2 ** (this.#failedStarts - 1)
    this.#later(Math.min(pauseMs, MAX_RESTART_PAUSE_MS), () => this.#start(0))
  }

  #later(pauseMs: number, start: () => void): void {
    clearTimeout(this.#restart)
    this.#restart = setTimeout(start, pauseMs)
  }

  #startMissing(): void {
    for (let number = 0; number < this.#count; number++) if (!this.#threads.has(number)) this.#start(number)
  }

  /** The others start once the first has made the memory that they share. */
  #ready(number: number, kernels: KernelName): void {
    const thread = this.#threads.get(number)
    if (thread === undefined || this.#closed !== undefined) return
    thread.ready = true
    this.#failedStarts = 0
    if (!this.#wasUp) this.#onReady(kernels)
    this.#wasUp = true
    this.#startMissing()
    this.#dispatch()
  }

  #receive(number: number, message: FromThread): void {
    const thread = this.#threads.get(number)
    const job = thread?.job
    if (thread === undefined || job?.id !== message.id) return
    thread.job = undefined
    if (message.kind === 'outcome') {
      this.#counts.completed++
      job.resolve(message.outcome)
    } else {
      const error: ProtocolError | WorkerError = receiveError(message.error)
      if (!(error instanceof WorkerError)) this.#counts.rejected++
      job.reject(error)
    }
    this.#dispatch()
  }

  /**
   * At most one thread serves at a time: a running job cannot be interrupted, so threads that all serve would make a block
   * wait (BLK-4).
   */
  #isServing(): boolean {
    return [...this.#threads.values()].some(({ job }) => job !== undefined && priorityOf(job.job) === 'service')
  }

  #dispatch(): void {
    for (const thread of this.#threads.values()) {
      while (thread.ready && thread.job === undefined) {
        const next = this.#queue.shift(!this.#isServing())
        if (next === undefined) return
        try {
          this.#host.post(thread.number, { id: next.id, job: next.job })
          thread.job = next
        } catch (cause) {
          next.reject(new WorkerError('WORKER_FAILED', `${next.job.kind} cannot be sent to a thread`, { cause }))
        }
      }
    }
  }
}

/** Model bytes in shared memory, so that threads do not each get a copy. */
function shared(source: ModelSource): ModelSource {
  if ('path' in source || source.bytes.buffer instanceof SharedArrayBuffer) return source
  const bytes = new Uint8Array(new SharedArrayBuffer(source.bytes.length))
  bytes.set(source.bytes)
  return { ...source, bytes }
}
