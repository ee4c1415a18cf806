/** Entry point of the process that {@link ProcessThreadHost} starts: threads, and messages passed on in both directions. */
import { LocalThreadHost } from './host.ts'
import { sendError } from './messages.ts'
import type { FromHostProcess, ToHostProcess } from './process-host.ts'

// Ctrl-C reaches the whole group of processes: the one that started this one decides.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
process.on('disconnect', () => process.exit(0))

const send = (message: FromHostProcess): void => {
  process.send?.(message, undefined, undefined, () => {})
}
let host: LocalThreadHost | undefined

process.on('message', (message: ToHostProcess) => {
  if (message.kind === 'options') {
    const { entry, ...options } = message.options
    host = new LocalThreadHost(
      { ...options, entry: new URL(entry) },
      {
        ready: (thread, kernels) => send({ kind: 'ready', thread, kernels }),
        message: (thread, inner) => send({ kind: 'message', thread, message: inner }),
        exit: (thread, cause) => send({ kind: 'exit', thread, cause: sendError(cause) }),
        lost: () => process.exit(1),
      },
    )
  } else if (message.kind === 'start') host?.start(message.thread)
  else {
    try {
      host?.post(message.thread, message.message)
    } catch {
      // The thread has ended meanwhile: its exit, already on the way, settles the job.
    }
  }
})
