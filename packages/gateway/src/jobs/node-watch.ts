/** Hears what happens to jobs at a node: its event stream, opened again whenever it ends. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@nacre/node'
import { followEvents, type JobView, jobViewOf, messageOf } from '@nacre/node/rpc-client'

const FIRST_PAUSE_MS = 250
const MAX_PAUSE_MS = 8_000

/** Called with what an event tells of a job, and with undefined where anything may have happened: then the node is asked. */
export type JobListener = (view: JobView | undefined) => void

export class NodeWatch {
  readonly #rpc: string
  readonly #log: Logger | undefined
  readonly #listeners = new Map<string, JobListener>()
  readonly #abort = new AbortController()
  #running: Promise<void> | undefined
  #isLive = false

  constructor(rpc: string, log: Logger | undefined) {
    this.#rpc = rpc
    this.#log = log
  }

  /** Whether events come: without them the node has to be asked more often. */
  get isLive(): boolean {
    return this.#isLive
  }

  /** Tells `listener` of a job until the returned function is called. The first call opens the stream. */
  listen(jobId: string, listener: JobListener): () => void {
    this.#running ??= this.#run()
    this.#listeners.set(jobId, listener)
    return () => void this.#listeners.delete(jobId)
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    let pauseMs = FIRST_PAUSE_MS
    while (!signal.aborted) {
      const onOpen = (): void => {
        pauseMs = FIRST_PAUSE_MS
        this.#isLive = true
        this.#wakeAll()
      }
      try {
        await followEvents(this.#rpc, signal, { onOpen, onEvent: (name, data) => this.#onEvent(name, data) })
      } catch (error) {
        this.#log?.debug({ event: 'event_stream_lost', error: messageOf(error) })
      }
      this.#isLive = false
      await delay(pauseMs, undefined, { signal }).catch(() => undefined)
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)
    }
  }

  #onEvent(name: string, data: unknown): void {
    if (name === 'reorg') this.#wakeAll()
    if (name !== 'job') return
    const view = jobViewOf(this.#rpc, data)
    this.#listeners.get(view.id)?.(view)
  }

  #wakeAll(): void {
    for (const listener of [...this.#listeners.values()]) listener(undefined)
  }
}
