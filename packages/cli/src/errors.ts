/** A message for the person at the terminal: no stack trace, exit code 1 (2 for wrong usage). */
export class CliError extends Error {
  readonly exitCode: number
  /** For programs that read `--json`. */
  readonly code: string
  /** What else they are told. */
  readonly details: Readonly<Record<string, unknown>>
  constructor(
    message: string,
    exitCode = 1,
    code: string = exitCode === 2 ? 'USAGE' : 'FAILED',
    details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message)
    this.name = 'CliError'
    this.exitCode = exitCode
    this.code = code
    this.details = details
  }
}

/** Errors whose message is for people; by name, so that a small command loads none of what throws them. */
const EXPECTED: ReadonlySet<string> = new Set([
  'CliError',
  'ProtocolError',
  'RpcError',
  'JobError',
  'GatewayConfigError',
])

/** Runs a command and turns its failure into a message and an exit code. */
export async function runMain(main: () => Promise<void>): Promise<void> {
  // A reader that has enough, such as `head`, is no failure; a command that goes on by itself looks at it, too.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return
    process.stderr.write(`nacre: cannot write the result: ${error.message}\n`)
    process.exitCode = 1
  })
  try {
    await main()
  } catch (error) {
    const isExpected = error instanceof Error && EXPECTED.has(error.name)
    process.stderr.write(
      `nacre: ${error instanceof Error ? (isExpected ? error.message : (error.stack ?? error.message)) : String(error)}\n`,
    )
    process.exitCode = error instanceof CliError ? error.exitCode : 1
  }
}
