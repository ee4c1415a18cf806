/** Threads in a process of their own: whatever ends it, a heap that is exhausted above all, leaves this process standing. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { KernelName } from '../kernels/types.ts'
import type { FromThread, HostEvents, HostOptions, ThreadHost } from './host.ts'
import { type JobMessage, receiveError, type SentError } from './messages.ts'

/** What the process of the threads is told. */
export type ToHostProcess =
  | { readonly kind: 'options'; readonly options: Omit<HostOptions, 'entry'> & { readonly entry: string } }
  | { readonly kind: 'start'; readonly thread: number }
  | { readonly kind: 'job'; readonly thread: number; readonly message: JobMessage }

/** What it tells. */
export type FromHostProcess =
  | { readonly kind: 'ready'; readonly thread: number; readonly kernels: KernelName }
  | { readonly kind: 'message'; readonly thread: number; readonly message: FromThread }
  | { readonly kind: 'exit'; readonly thread: number; readonly cause: SentError }

const PROCESS_ENTRY = new URL(import.meta.url.endsWith('.ts') ? './process.ts' : './process.js', import.meta.url)

export class ProcessThreadHost implements ThreadHost {
  readonly #options: HostOptions
  readonly #events: HostEvents
  readonly #execArgv: readonly string[]
  readonly #running = new Set<number>()
  #child: ChildProcess | undefined

  constructor(options: HostOptions, events: HostEvents, execArgv: readonly string[]) {
    this.#options = options
    this.#events = events
    this.#execArgv = execArgv
  }

  start(thread: number): void {
    this.#running.add(thread)
    this.#child ??= this.#spawn()
    this.#send({ kind: 'start', thread })
  }

  post(thread: number, message: JobMessage): void {
    this.#send({ kind: 'job', thread, message })
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGKILL')
    await ended
  }

  #spawn(): ChildProcess {
    const child = fork(fileURLToPath(PROCESS_ENTRY), {
      execArgv: [...process.execArgv, ...this.#execArgv],
      serialization: 'advanced',
      // Standard output belongs to whoever started this process.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    // The pool decides when to end, not a pipe that stays open.
    child.unref()
    child.channel?.unref()
    child.on('message', (message: FromHostProcess) => this.#receive(message))
    child.on('error', () => {})
    child.once('exit', (code, signal) => {
      if (this.#child === child) this.#child = undefined
      const running = [...this.#running]
      this.#running.clear()
      const cause = new Error(`the process of the threads ended with ${signal ?? `exit code ${code}`}`)
      for (const thread of running) this.#events.exit(thread, cause)
    })
    const { entry, ...rest } = this.#options
    child.send({ kind: 'options', options: { ...rest, entry: entry.href } } satisfies ToHostProcess)
    return child
  }

  #receive(message: FromHostProcess): void {
    if (message.kind === 'ready') this.#events.ready(message.thread, message.kernels)
    else if (message.kind === 'message') this.#events.message(message.thread, message.message)
    else {
      this.#running.delete(message.thread)
      this.#events.exit(message.thread, receiveError(message.cause))
    }
  }

  #send(message: ToHostProcess): void {
    // Its end is reported by 'exit'; what is sent in between is lost with it.
    this.#child?.send(message, () => {})
  }
}
