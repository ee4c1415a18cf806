/** Faults of the node itself, not of its input: input faults are protocol errors. */
export type NodeErrorCode = 'BUSY' | 'STOPPED' | 'CONFIG' | 'STORE_MISMATCH' | 'STORE_CORRUPT' | 'TRACE_CORRUPT'

export class NodeError extends Error {
  readonly code: NodeErrorCode
  constructor(code: NodeErrorCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options)
    this.name = 'NodeError'
    this.code = code
  }
}
