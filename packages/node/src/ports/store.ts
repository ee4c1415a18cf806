import type { StateChange } from '@nacre/protocol'

/** How far a stored block has been checked; `valid` means re-executed. */
export const BLOCK_STATUS = { candidate: 0, valid: 1, invalid: 2 } as const
export type BlockStatus = (typeof BLOCK_STATUS)[keyof typeof BLOCK_STATUS]

/** One block as stored. `bytes` is the canonical encoding of header, body and proof. */
export interface StoredBlock {
  readonly id: Uint8Array
  readonly height: number
  readonly headerBytes: Uint8Array
  readonly bytes: Uint8Array
}

/** What the index needs of each block at start; no body is read. */
export interface IndexEntry {
  readonly id: Uint8Array
  readonly headerBytes: Uint8Array
  readonly status: BlockStatus
}

/** Effect of one block on the state: the undo journal and the state hash after it (BLK-7). */
export interface BlockEffect {
  readonly changes: readonly StateChange[]
  readonly ltHash: Uint8Array
}

/** What can be looked up by id in the best chain: where transactions are, and where jobs ended. */
export interface BlockIndex {
  /** Ids of the block's transactions. */
  readonly transactionIds: readonly Uint8Array[]
  /** Ids of the jobs that it settled or returned: the state has nothing of them any more (ECO-4). */
  readonly endedJobIds: readonly Uint8Array[]
}

/** One atomic move of the tip: blocks leave (newest first) and join (oldest first), and state and index follow. */
export interface TipMove {
  readonly leaving: readonly { readonly id: Uint8Array; readonly height: number; readonly effect: BlockEffect }[]
  readonly joining: readonly {
    readonly id: Uint8Array
    readonly height: number
    readonly effect: BlockEffect
    readonly index: BlockIndex
  }[]
  readonly tip: Uint8Array
}

/** The chain store as a port (NET-5). Every method is atomic; after a crash the store is as after some whole call (P10). */
export interface ChainStore {
  /** All stored blocks, parents before children. */
  index(): IndexEntry[]
  /** Undefined if unknown or invalid: of an invalid block only the header is kept. */
  block(id: Uint8Array): StoredBlock | undefined
  /** Adds a candidate; a block that is there already stays as it is. */
  putBlock(block: StoredBlock): void
  setStatus(id: Uint8Array, status: BlockStatus): void
  effect(id: Uint8Array): BlockEffect | undefined
  stateEntry(key: string): Uint8Array | undefined
  stateEntries(): [string, Uint8Array][]
  /** The first entries whose keys begin with `prefix`, in the order of the keys; at most `limit`. */
  stateEntriesFrom(prefix: string, limit: number): [string, Uint8Array][]
  /** Height of the block of the best chain that contains a transaction. */
  transactionHeight(id: Uint8Array): number | undefined
  /** Height of the block of the best chain that settled or returned a job. */
  jobEndHeight(id: Uint8Array): number | undefined
  /** The first height that the index knows of: above 0 in a store that is older than the index. */
  indexedFrom(): number
  /** Hash of the parameters the store belongs to, and its tip; undefined for a new store. */
  identity(): { readonly chainId: Uint8Array; readonly tip: Uint8Array } | undefined
  /** Writes genesis into a new store. */
  initialise(chainId: Uint8Array, genesisId: Uint8Array, effect: BlockEffect): void
  /** Applies a tip move: state, effects, statuses, index and tip in one transaction. */
  move(move: TipMove): void
  /** Durable notes of other components (the miner's last signed header), small. */
  note(key: string): Uint8Array | undefined
  setNote(key: string, value: Uint8Array): void
  dropNote(key: string): void
  /** Notes whose keys begin with `prefix`, in the order of the keys. */
  notes(prefix: string): [string, Uint8Array][]
  close(): void
}
