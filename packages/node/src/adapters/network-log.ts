/** What the network adapters need of a logger; a pino logger fits as it is. */
export interface NetworkLog {
  debug(details: object, message: string): void
  warn(details: object, message: string): void
}

export const silentLog: NetworkLog = {
  debug: () => {},
  warn: () => {},
}
