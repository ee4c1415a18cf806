/** Threads in a process of their own: whatever ends it, a heap that is exhausted above all, leaves this process standing. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { KernelName } from '../kernels/types.ts'
import { inheritedOptions, ownMemory } from './crossing.ts'
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
/** After so many ends of the process it runs without its own options of V8 and the kernels that go with them: they may be the reason. */
export const MAX_ENDS_WITH_OPTIONS = 2

export class ProcessThreadHost implements ThreadHost {
  readonly #options: HostOptions
  readonly #events: HostEvents
  readonly #execArgv: readonly string[]
  #child: ChildProcess | undefined
  #ends = 0

  constructor(options: HostOptions, events: HostEvents, execArgv: readonly string[]) {
    this.#options = options
    this.#events = events
    this.#execArgv = execArgv
  }

  start(thread: number): void {
    try {
      this.#child ??= this.#spawn()
    } catch (error) {
      setImmediate(() => this.#events.lost(error))
      return
    }
    this.#send({ kind: 'start', thread })
  }

  post(thread: number, message: JobMessage): void {
    this.#send({ kind: 'job', thread, message })
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGKILL')
    await ended
  }

  /** Throws what `fork` and the first message throw. */
  #spawn(): ChildProcess {
    const isPlain = this.#ends >= MAX_ENDS_WITH_OPTIONS
    const child = fork(fileURLToPath(PROCESS_ENTRY), {
      execArgv: [...inheritedOptions(process.execArgv), ...(isPlain ? [] : this.#execArgv)],
      serialization: 'advanced',
      // Standard output belongs to whoever started this process.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    child.on('message', (message: FromHostProcess) => {
      if (this.#child === child) this.#receive(message)
    })
    // A process that could not be started has an error and no exit; one that was has an exit, whatever errors came before.
    child.on('error', (error) => {
      if (child.pid === undefined) this.#ended(child, error)
    })
    child.once('exit', (code, signal) =>
      this.#ended(child, new Error(`the process of the threads ended with ${signal ?? `exit code ${code}`}`)),
    )
    const { entry, ...rest } = this.#options
    const options = { ...rest, wide: rest.wide && !isPlain, entry: entry.href }
    child.send({ kind: 'options', options } satisfies ToHostProcess, () => {})
    return child
  }

  #ended(child: ChildProcess, cause: unknown): void {
    if (this.#child !== child) return
    this.#child = undefined
    this.#ends++
    this.#events.lost(cause)
  }

  #receive(message: FromHostProcess): void {
    if (message.kind === 'ready') this.#events.ready(message.thread, message.kernels)
    else if (message.kind === 'message') this.#events.message(message.thread, ownMemory(message.message))
    else this.#events.exit(message.thread, receiveError(message.cause))
  }

  #send(message: ToHostProcess): void {
    // Its end is reported by an event; what is sent in between is lost with it.
    this.#child?.send(message, () => {})
  }
}
