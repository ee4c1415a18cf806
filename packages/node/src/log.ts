import { pino } from 'pino'
import type { Logger } from './ports/log.ts'

/** A pino logger: one JSON line per event, to a file descriptor (2 is standard error) or a file. */
export function createLogger(options: {
  readonly name: string
  readonly level: string
  readonly destination: number | string
}): Logger {
  return pino(
    {
      name: options.name,
      level: options.level,
      base: { node: options.name },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ dest: options.destination, sync: true, mkdir: true }),
  )
}
