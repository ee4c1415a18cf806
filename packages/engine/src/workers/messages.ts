/** What crosses the thread boundary: structured clones of jobs and outcomes; errors as data. */
import { type ErrorCode, type LotteryParams, ProtocolError } from '@nacre/protocol'
import type { KernelMemory, KernelName } from '../kernels/types.ts'
import type { ControlPlace } from '../run/shared-control.ts'
import type { EngineJob, JobKind, JobOutcomes } from './jobs.ts'
import { WorkerError } from './port.ts'

/** Where a thread finds a model: a file, or the bytes of one (shared between threads if they are in shared memory). */
export type ModelSource = ({ readonly path: string } | { readonly bytes: Uint8Array }) & {
  /** The lottery its units draw in, if they draw: memory for it is laid out at once. */
  readonly lottery?: LotteryParams | undefined
}

/** The memory of one model's engines, made by the first thread that came up, and where its marks are. */
export interface SharedModelMemory {
  readonly memory: KernelMemory
  readonly control: ControlPlace
}

export interface ThreadData {
  readonly models: readonly ModelSource[]
  readonly kernels: KernelName | undefined
  /** Try the kernels for V8's revectorizer first; its flag is set. */
  readonly wide: boolean
  /** This thread's number among `threads`. */
  readonly thread: number
  readonly threads: number
  /** One for each model; undefined for the first thread, which makes them. */
  readonly memories: readonly SharedModelMemory[] | undefined
}

export interface JobMessage {
  readonly id: number
  readonly job: EngineJob
}

export interface SentError {
  /** Undefined for anything but a ProtocolError. */
  readonly code: ErrorCode | undefined
  readonly message: string
  readonly cause: SentError | undefined
}

export type ThreadMessage =
  | {
      readonly kind: 'ready'
      readonly kernels: KernelName
      readonly memories: readonly SharedModelMemory[] | undefined
    }
  | { readonly kind: 'outcome'; readonly id: number; readonly outcome: JobOutcomes[JobKind] }
  | { readonly kind: 'error'; readonly id: number; readonly error: SentError }

/** Longest chain of causes that is sent. */
const MAX_CAUSES = 4

export function sendError(error: unknown, depth = 0): SentError {
  const cause = error instanceof Error && error.cause !== undefined && depth < MAX_CAUSES ? error.cause : undefined
  const sentCause = cause === undefined ? undefined : sendError(cause, depth + 1)
  if (error instanceof ProtocolError) {
    // The constructor puts the code in front of the message.
    return { code: error.code, message: error.message.slice(error.code.length + 2), cause: sentCause }
  }
  return {
    code: undefined,
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    cause: sentCause,
  }
}

export function receiveError(sent: SentError): ProtocolError | WorkerError {
  const options = sent.cause === undefined ? {} : { cause: receiveError(sent.cause) }
  return sent.code === undefined
    ? new WorkerError('WORKER_FAILED', sent.message, options)
    : new ProtocolError(sent.code, sent.message, options)
}
