/** A message for the person at the terminal: no stack trace, exit code 1 (2 for wrong usage). */
export class CliError extends Error {
  readonly exitCode: number
  /** For programs that read `--json`. */
  readonly code: string
  constructor(message: string, exitCode = 1, code: string = exitCode === 2 ? 'USAGE' : 'FAILED') {
    super(message)
    this.name = 'CliError'
    this.exitCode = exitCode
    this.code = code
  }
}

/** Runs a command and turns its failure into a message and an exit code. */
export async function runMain(main: () => Promise<void>): Promise<void> {
  try {
    await main()
  } catch (error) {
    const isExpected = error instanceof CliError || (error instanceof Error && error.name === 'ProtocolError')
    process.stderr.write(
      `nacre: ${error instanceof Error ? (isExpected ? error.message : (error.stack ?? error.message)) : String(error)}\n`,
    )
    process.exitCode = error instanceof CliError ? error.exitCode : 1
  }
}
