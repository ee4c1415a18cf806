/** Where worker threads live: in this process or in one of their own. The pool above only numbers them. */
import { Worker } from 'node:worker_threads'
import type { KernelName } from '../kernels/types.ts'
import { SharedControl } from '../run/shared-control.ts'
import type { JobMessage, ModelSource, SharedModelMemory, ThreadData, ThreadMessage } from './messages.ts'

/** What every thread of a pool is started with. */
export interface HostOptions {
  readonly models: readonly ModelSource[]
  readonly threads: number
  readonly kernels: KernelName | undefined
  /** Try first the kernels for V8's revectorizer. */
  readonly wide: boolean
  readonly maxHeapMiB: number
  /** Entry point of a thread. */
  readonly entry: URL
}

export type FromThread = Exclude<ThreadMessage, { readonly kind: 'ready' }>

/** What a pool hears of its threads. */
export interface HostEvents {
  ready(thread: number, kernels: KernelName): void
  message(thread: number, message: FromThread): void
  /** The thread has ended; it can be started again. */
  exit(thread: number, cause: unknown): void
  /** All threads have ended at once, or none can be started: then the first is to be started again before any other. */
  lost(cause: unknown): void
}

export interface ThreadHost {
  /** Never throws: what fails is told by an event, later. */
  start(thread: number): void
  /** Throws if the job cannot be sent. */
  post(thread: number, message: JobMessage): void
  stop(): Promise<void>
}

/** Threads of this process. The first that comes up makes the memory that all share. */
export class LocalThreadHost implements ThreadHost {
  readonly #options: HostOptions
  readonly #events: HostEvents
  readonly #workers = new Map<number, Worker>()
  #memories: readonly SharedModelMemory[] | undefined

  constructor(options: HostOptions, events: HostEvents) {
    this.#options = options
    this.#events = events
  }

  start(thread: number): void {
    const { models, threads, kernels, wide, maxHeapMiB, entry } = this.#options
    const workerData: ThreadData = { models, threads, kernels, wide, thread, memories: this.#memories }
    const resourceLimits = { maxOldGenerationSizeMb: maxHeapMiB }
    const worker = new Worker(entry, { workerData, resourceLimits })
    let failure: unknown
    this.#workers.set(thread, worker)
    worker.on('message', (message: ThreadMessage) => {
      if (message.kind !== 'ready') return this.#events.message(thread, message)
      this.#memories ??= message.memories
      this.#events.ready(thread, message.kernels)
    })
    worker.on('error', (error) => {
      failure = error
    })
    worker.on('exit', (code) => {
      this.#workers.delete(thread)
      // Others may wait for what it had begun.
      for (const { memory, control } of this.#memories ?? []) new SharedControl(memory.buffer, control).release(thread)
      this.#events.exit(thread, failure ?? new Error(`exit code ${code}`))
    })
  }

  post(thread: number, message: JobMessage): void {
    const worker = this.#workers.get(thread)
    if (worker === undefined) throw new Error(`thread ${thread} has ended`)
    worker.postMessage(message)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#workers.values()].map((worker) => worker.terminate()))
  }
}
