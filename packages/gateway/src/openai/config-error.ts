import { readBounded } from '@nacre/engine'
import { ProtocolError } from '@nacre/protocol'

/** A file or option of the gateway that cannot be used; the message says where and what to do. */
export class GatewayConfigError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'GatewayConfigError'
  }
}

/** The text of a small regular file. Throws GatewayConfigError. @param what it is, and what to do where it is missing. */
export async function readConfigFile(what: string, path: string, maxBytes: number, hint = ''): Promise<string> {
  try {
    return Buffer.from(await readBounded(path, maxBytes)).toString('utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // Its own code is about models.
    const reason = error instanceof ProtocolError ? message.slice(error.code.length + 2) : message
    const why = code === 'ENOENT' ? `there is no such file${hint}` : reason
    throw new GatewayConfigError(`cannot read the ${what} ${path}: ${why}`, { cause: error })
  }
}
