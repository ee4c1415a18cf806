/** What asks a process to end: Ctrl-C, a supervisor, a terminal that closes. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Calls `listener` at each of them, instead of ending at once. Returns what takes it back. */
export function onInterrupt(listener: (signal: NodeJS.Signals) => void): () => void {
  for (const name of SIGNALS) process.on(name, listener)
  return () => {
    for (const name of SIGNALS) process.off(name, listener)
  }
}

/** Runs `main` with a signal that aborts at the first of them; a second one ends the process. */
export async function interruptible<T>(main: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  const stop = onInterrupt(() => {
    abort.abort()
    stop()
  })
  try {
    return await main(abort.signal)
  } finally {
    stop()
  }
}
