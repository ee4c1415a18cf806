import { Worker } from 'node:worker_threads'
import type { ProtocolError } from '@nacre/protocol'
import type { KernelName } from '../kernels/types.ts'
import { SharedControl } from '../run/shared-control.ts'
import { type EngineJob, type JobOutcome, priorityOf } from './jobs.ts'
import {
  type JobMessage,
  type ModelSource,
  receiveError,
  type SharedModelMemory,
  type ThreadData,
  type ThreadMessage,
} from './messages.ts'
import { type RunOptions, WorkerError, type WorkerErrorCode, type WorkerPort, type WorkerStats } from './port.ts'
import { JobQueue, type PendingJob } from './queue.ts'

/** Waiting jobs of one priority (of service jobs fewer, MAX_SERVICE_QUEUE): at a replay of 30 ms each, about two seconds of work. */
export const DEFAULT_MAX_QUEUE = 64
/** A thread that dies so often before it has loaded its models will not come up at all. */
export const MAX_FAILED_STARTS = 3
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

interface Thread {
  readonly worker: Worker
  readonly number: number
  ready: boolean
  job: PendingJob | undefined
}

/**
 * A pool of worker threads whose engines share one memory for each model. It starts at once; jobs wait until a thread has loaded its
 * models. The first thread makes the memory, the others start when it is there.
 */
export function threadWorkers(options: ThreadWorkersOptions): WorkerPort {
  return new ThreadPool(options)
}

class ThreadPool implements WorkerPort {
  readonly #data: Omit<ThreadData, 'thread' | 'memories'>
  readonly #maxHeapMiB: number
  readonly #onReady: (kernels: KernelName) => void
  readonly #entry: URL
  readonly #queue: JobQueue
  readonly #threads = new Set<Thread>()
  readonly #counts = { completed: 0, rejected: 0, refused: 0, cancelled: 0, crashes: 0 }
  #memories: readonly SharedModelMemory[] | undefined
  #isWhole = false
  #failedStarts = 0
  #nextId = 0
  #closed: WorkerError | undefined

  constructor(options: ThreadWorkersOptions) {
    const { models, threads, maxQueue = DEFAULT_MAX_QUEUE, kernels, wide = false, entry } = options
    if (!Number.isInteger(threads) || threads < 1) throw new RangeError(`${threads} threads`)
    this.#data = { models: models.map(shared), kernels, wide, threads }
    this.#maxHeapMiB = options.maxHeapMiB ?? DEFAULT_MAX_HEAP_MIB
    this.#onReady = options.onReady ?? (() => {})
    this.#entry = entry ?? THREAD_ENTRY
    this.#queue = new JobQueue(maxQueue)
    this.#start(0)
  }

  get stats(): WorkerStats {
    return {
      ready: [...this.#threads].filter(({ ready }) => ready).length,
      queuedValidation: this.#queue.length('validation'),
      queuedService: this.#queue.length('service'),
      queuedMining: this.#queue.length('mining'),
      running: [...this.#threads].filter(({ job }) => job !== undefined).length,
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
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()))
  }

  /** Rejects everything that waits or runs, and all that comes later. */
  #close(code: WorkerErrorCode, why: string, cause?: unknown): void {
    this.#closed ??= new WorkerError(code, why, cause === undefined ? {} : { cause })
    for (const pending of this.#queue.drain()) pending.reject(this.#closed)
    for (const thread of this.#threads) {
      thread.job?.reject(this.#closed)
      thread.job = undefined
    }
  }

  #start(number: number): void {
    const workerData: ThreadData = { ...this.#data, thread: number, memories: this.#memories }
    const resourceLimits = { maxOldGenerationSizeMb: this.#maxHeapMiB }
    const worker = new Worker(this.#entry, { execArgv: process.execArgv, workerData, resourceLimits })
    const thread: Thread = { worker, number, ready: false, job: undefined }
    let failure: unknown
    this.#threads.add(thread)
    worker.on('message', (message: ThreadMessage) => this.#receive(thread, message))
    worker.on('error', (error) => {
      failure = error
    })
    worker.on('exit', (code) => this.#exited(thread, failure ?? new Error(`exit code ${code}`)))
  }

  #exited(thread: Thread, cause: unknown): void {
    this.#threads.delete(thread)
    // Others may wait for what it had begun.
    for (const { memory, control } of this.#memories ?? []) {
      new SharedControl(memory.buffer, control).release(thread.number)
    }
    if (this.#closed !== undefined) return
    this.#counts.crashes++
    this.#failedStarts = thread.ready ? 0 : this.#failedStarts + 1
    thread.job?.reject(new WorkerError('WORKER_CRASHED', `the thread died under ${thread.job.job.kind}`, { cause }))
    if (this.#failedStarts < MAX_FAILED_STARTS) this.#start(thread.number)
    else if (this.#threads.size === 0) this.#close('WORKER_FAILED', 'no thread comes up', cause)
  }

  #receive(thread: Thread, message: ThreadMessage): void {
    if (message.kind === 'ready') {
      thread.ready = true
      this.#failedStarts = 0
      this.#complete(message.kernels, message.memories)
    } else {
      const { job } = thread
      thread.job = undefined
      if (message.kind === 'outcome') {
        this.#counts.completed++
        job?.resolve(message.outcome)
      } else {
        const error: ProtocolError | WorkerError = receiveError(message.error)
        if (!(error instanceof WorkerError)) this.#counts.rejected++
        job?.reject(error)
      }
    }
    this.#dispatch()
  }

  /** Starts the other threads once the first has made the memory that they share. */
  #complete(kernels: KernelName, memories: readonly SharedModelMemory[] | undefined): void {
    if (this.#isWhole || this.#closed !== undefined) return
    this.#isWhole = true
    this.#onReady(kernels)
    this.#memories = memories
    for (let number = 1; number < this.#data.threads; number++) this.#start(number)
  }

  /**
   * At most one thread serves at a time: a running job cannot be interrupted, so threads that all serve would make a block
   * wait (BLK-4).
   */
  #isServing(): boolean {
    return [...this.#threads].some(({ job }) => job !== undefined && priorityOf(job.job) === 'service')
  }

  #dispatch(): void {
    for (const thread of this.#threads) {
      if (!thread.ready || thread.job !== undefined) continue
      const next = this.#queue.shift(!this.#isServing())
      if (next === undefined) return
      try {
        thread.worker.postMessage({ id: next.id, job: next.job } satisfies JobMessage)
        thread.job = next
      } catch (cause) {
        next.reject(new WorkerError('WORKER_FAILED', `${next.job.kind} cannot be sent to a thread`, { cause }))
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
