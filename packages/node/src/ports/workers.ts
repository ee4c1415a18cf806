import type { Block, UnitTask } from '@nacre/protocol'

/** What block validation hands to other threads: the node's own event loop never does heavy work. */
export interface BlockWorkers {
  /** WRK-7. Rejects with ProtocolError TICKET_*. */
  checkTicketProof(block: Block, parentBeacon: Uint8Array): Promise<void>
  /** BLK-4: the trace root of the unit re-executed by its model (id of 32 bytes). Rejects with ProtocolError BLOCK_REPLAY_TOKENS. */
  replayRoot(modelId: Uint8Array, task: UnitTask, tokens: readonly number[]): Promise<Uint8Array>
}
