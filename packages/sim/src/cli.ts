import { main } from './commands/main.ts'
import { UsageError } from './errors.ts'

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const isUsage = error instanceof UsageError
  process.stderr.write(
    `sim: ${error instanceof Error ? (isUsage ? error.message : (error.stack ?? error.message)) : String(error)}\n`,
  )
  process.exitCode = isUsage ? 2 : 1
}
