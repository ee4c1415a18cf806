/** One line per event; `event` names it in snake_case. A subset of pino's interface, so that tests can collect lines. */
export interface Logger {
  debug(fields: Readonly<Record<string, unknown>>): void
  info(fields: Readonly<Record<string, unknown>>): void
  warn(fields: Readonly<Record<string, unknown>>): void
  error(fields: Readonly<Record<string, unknown>>): void
}

const ignore = (): void => undefined

/** A logger that drops everything. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
