import { CliError } from '../errors.ts'

const USAGE = `Asks a node whether it is up: exit 0 if its RPC answers, 1 if not.

  npm run nacre -- health URL      URL as the node prints it, for example http://127.0.0.1:8645
`

const LIMIT_MS = 4_000

/** `nacre health`: the health check of containers, so it imports nothing that a node needs. */
export async function healthCommand(args: readonly string[]): Promise<void> {
  const [url, ...rest] = args
  if (url === '--help') {
    process.stdout.write(USAGE)
    return
  }
  if (url === undefined || rest.length > 0 || !URL.canParse(url)) throw new CliError(USAGE.trimEnd(), 2)
  try {
    const response = await fetch(new URL('/health', url), { signal: AbortSignal.timeout(LIMIT_MS) })
    if (!response.ok) throw new Error(`status ${response.status}`)
    process.stdout.write(`${await response.text()}\n`)
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    throw new CliError(`no healthy node at ${url}: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
