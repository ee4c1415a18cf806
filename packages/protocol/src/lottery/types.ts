import type { TicketOp } from '../trace/types.ts'

/** Words of the fold state (WRK-3). */
export const FOLD_WORDS = 16

/** Where in a unit a tile lies. */
export interface TicketPosition {
  readonly layer: number
  readonly op: TicketOp
  readonly tileRow: number
  readonly tileColumn: number
}

/** A drawn ticket that wins or is the best so far. */
export interface Ticket {
  readonly position: TicketPosition
  /** 16 words. */
  readonly foldState: Uint32Array
  /** 32 bytes, a little-endian integer. */
  readonly hash: Uint8Array
}

/** WRK-7: the tile's residual rows, opened under the pre-root and the trace root. */
export interface TicketProof {
  /** tileRows rows of dModel binary32 values, little-endian bytes. */
  readonly rows: readonly Uint8Array[]
  /** Multiproof of the rows in the tree of prompt rows. */
  readonly rowProof: readonly Uint8Array[]
  /** Root of the prompt rows: preRoot[l] or preRootX[l]. */
  readonly preRoot: Uint8Array
  /** Proof of `preRoot` as a leaf of the trace root. */
  readonly topProof: readonly Uint8Array[]
}
