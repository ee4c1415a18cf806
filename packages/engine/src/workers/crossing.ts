/** What crosses the boundary between processes, made fit for the other side. */

/** Options of Node that start other code than a process's own entry, with their value in the next argument. */
const CODE_OPTIONS = new Set(['-e', '--eval', '-p', '--print', '-pe'])
/** Options that only one process at a time can have, or that belong to the code given by an option. */
const OWN_OPTIONS = /^(--input-type|--inspect|--watch|--test)|^(-i|--interactive|-c|--check)$/

/** The options of this process that a process it starts can take over. */
export function inheritedOptions(execArgv: readonly string[]): string[] {
  const kept: string[] = []
  for (let i = 0; i < execArgv.length; i++) {
    const option = execArgv[i]!
    if (CODE_OPTIONS.has(option)) i++
    else if (!OWN_OPTIONS.test(option) && !/^--(eval|print)=/.test(option)) kept.push(option)
  }
  return kept
}

/**
 * The same value with arrays that own their memory. What arrives from another process are views on one buffer, the whole message: whoever
 * keeps 32 bytes of it would keep it all.
 */
export function ownMemory<T>(value: T): T {
  return own(value) as T
}

function own(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return (value as Uint8Array).slice()
  if (Array.isArray(value)) return value.map(own)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, own(part)]))
}
