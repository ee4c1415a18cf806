/** Bounds of the chain, sync and RPC parts of the node: local policy, never consensus. */

const KIB = 1024
const MIB = 1024 * KIB

/** Blocks that wait for validation in each class (BLK-4): 64 x 1 MiB. */
export const MAX_WAITING_BLOCKS = 64

/** Orphans kept until their parent comes: 64 blocks; each at most 1 MiB, together at most 16 MiB. */
export const MAX_ORPHANS = 64
export const MAX_ORPHAN_BYTES: number = 16 * MIB
/** Orphans from one peer, so that one flood cannot push out the others. */
export const MAX_ORPHANS_PER_PEER = 16

/** Header ids in a locator: ten recent ones, then exponentially older, covers 2^32 blocks. */
export const MAX_LOCATOR_IDS = 48
/** Headers in one answer: 512 x about 600 bytes. */
export const MAX_HEADERS_PER_ANSWER = 512
/** Headers held in memory for one branch being synchronised; longer branches come in several rounds. */
export const MAX_HEADERS_PER_ROUND = 8_192
/** Blocks in one request. */
export const MAX_BLOCKS_PER_REQUEST = 16
/** Bytes of one answer with blocks; the server stops adding blocks before it. */
export const MAX_BLOCKS_ANSWER_BYTES: number = 4 * MIB
/** Any other request or answer. */
export const MAX_REQUEST_BYTES: number = 64 * KIB
export const MAX_ANSWER_BYTES: number = MIB
/** One request of the sync or an opening. */
export const REQUEST_TIMEOUT_MS = 10_000

/** Units whose headers are remembered, to tell siblings of one ticket (BLK-3): two headers of about 600 bytes each. */
export const MAX_WATCHED_UNITS = 1_024

/** Transactions waiting for a block: 4,096, together at most 16 MiB. */
export const MAX_MEMPOOL_TRANSACTIONS = 4_096
export const MAX_MEMPOOL_BYTES: number = 16 * MIB
/** Waiting transactions of one account: bounds the work of rebuilding its queue. */
export const MAX_MEMPOOL_PER_ACCOUNT = 64

/** Steps in one request for openings; one opening is at most 256 KiB. */
export const MAX_STEPS_PER_REQUEST = 16
export const MAX_OPENINGS_ANSWER_BYTES: number = 4 * MIB + 64 * KIB

/** Clients of the event stream; each may lag by so many events before it is cut off. */
export const MAX_EVENT_CLIENTS = 64
export const MAX_EVENT_BACKLOG = 1_024
/** Blocks in one RPC answer. */
export const MAX_RPC_BLOCKS = 100
export const MAX_RPC_BODY_BYTES: number = 2 * MIB
