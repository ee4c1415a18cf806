/** Work between two looks at the rest of the program, in milliseconds. */
const WORK_MS = 50

/**
 * A function to await in long loops: now and then it lets timers, signals and sockets run. Throws the signal's reason.
 * Plain `setTimeout`, because it works in browsers too.
 */
export function pauses(signal?: AbortSignal): () => Promise<void> {
  let since = performance.now()
  return async () => {
    if (performance.now() - since < WORK_MS) return
    await new Promise((resolve) => setTimeout(resolve, 0))
    signal?.throwIfAborted()
    since = performance.now()
  }
}
