/** `NO_ANSWER`: nobody, or too late. `NOT_A_NODE`: an answer that no node gives. `PARAMS`: a chain of another version of the rules. */
export type RpcErrorCode = 'NO_ANSWER' | 'NOT_A_NODE' | 'PARAMS'

/** A question to a node that has no proper answer. */
export class RpcError extends Error {
  readonly code: RpcErrorCode

  constructor(code: RpcErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'RpcError'
    this.code = code
  }
}

export const notNode = (base: string, why: string): RpcError =>
  new RpcError('NOT_A_NODE', `${base} is not the RPC of a nacre node: ${why}`)

/** Whether an error says that nobody answered: it may pass. */
export const isSilence = (error: unknown): boolean => error instanceof RpcError && error.code === 'NO_ANSWER'

/** One line, bounded, without characters that a terminal obeys or does not show: the text may come from the other side. */
export function messageOf(error: unknown): string {
  const line = (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 300)
  return line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '·')
}
