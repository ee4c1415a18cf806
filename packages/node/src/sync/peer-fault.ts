/** What a peer can do wrong in an exchange although every single item it sent is well formed. */
export type PeerFaultCode = 'HEADERS_UNCONNECTED' | 'BLOCK_NOT_ASKED_FOR' | 'BLOCKS_WITHHELD'

/** A peer broke the rules of an exchange; it is penalised, its blocks are not thereby invalid. */
export class PeerFault extends Error {
  readonly code: PeerFaultCode
  constructor(code: PeerFaultCode, message: string) {
    super(`${code}: ${message}`)
    this.name = 'PeerFault'
    this.code = code
  }
}
