import { main } from './commands/main.ts'
import { UsageError } from './errors.ts'

// A reader that has enough, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return
  process.stderr.write(`sim: cannot write the result: ${error.message}\n`)
  process.exitCode = 1
})

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const isUsage = error instanceof UsageError
  process.stderr.write(
    `sim: ${error instanceof Error ? (isUsage ? error.message : (error.stack ?? error.message)) : String(error)}\n`,
  )
  process.exitCode = isUsage ? 2 : 1
}
