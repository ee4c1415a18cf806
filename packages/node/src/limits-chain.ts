/** Bounds of the chain, sync and RPC parts of the node: local policy, never consensus. */
import { MAX_GOSSIP_BYTES, MAX_HEADER_BYTES, MAX_TICKET_PROOF_BYTES, MAX_UNIT_TOKENS } from '@nacre/protocol'

const KIB = 1024
const MIB = 1024 * KIB

/** Blocks that wait for validation in each class (BLK-4): 64 x 1 MiB. */
export const MAX_WAITING_BLOCKS = 64

/** Side blocks above maturity taken in by gossip that were never re-executed: 64 x 1 MiB on disk for each maturity. */
export const MAX_UNPROVEN_BLOCKS = 64
/** Keys remembered because a block of theirs failed. */
export const MAX_FAILED_KEYS = 1_024

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
/**
 * Branches fetched at once, and how many of them from peers that never brought a valid block, and from those that did: neither can take
 * all places, since names are free and so are the blocks of others.
 */
export const MAX_PARALLEL_SYNCS = 4
export const MAX_UNPROVEN_SYNCS = 2
export const MAX_PROVEN_SYNCS = 3
/** While others wait, a peer has its place for so long, and for the request under way. Honest ones bring hundreds of blocks by then. */
export const SYNC_TURN_MS = 20_000
/** Peers whose record in synchronisation is remembered. */
export const MAX_SYNC_RECORDS = 1_024
/** One request of the sync or an opening. */
export const REQUEST_TIMEOUT_MS = 10_000

/** Units whose headers are remembered, to tell siblings of one ticket (BLK-3): two headers of about 600 bytes each. */
export const MAX_WATCHED_UNITS = 1_024

/** Transactions waiting for a block: 4,096, together at most 16 MiB. */
export const MAX_MEMPOOL_TRANSACTIONS = 4_096
export const MAX_MEMPOOL_BYTES: number = 16 * MIB
/** Waiting transactions of one account: bounds the work of rebuilding its queue. */
export const MAX_MEMPOOL_PER_ACCOUNT = 64
/** Waiting jobs, asks and receipts that a change of the tip looks at again: about 0.1 ms each, on the event loop. */
export const MAX_RECHECKED_TRANSACTIONS = 512
/** Transactions that a node's own account wants on the chain: as many may wait, and a few of them behind a full queue. */
export const MAX_WANTED_TRANSACTIONS = 256
/** Each transaction and each token in a body, and each of these two lists, has a length or a value of 4 bytes (CNV-1). */
export const LIST_ITEM_BYTES = 4
/**
 * Transactions that a miner puts into one block, with their length prefixes. A block with its proof travels as one gossip
 * message (NET-2), so this is what is left of 1 MiB next to the largest header, ticket proof and token list:
 * 1,048,576 - 1,024 - 262,144 - 4 x 65,536 - 2 x 4 = 523,256 bytes.
 */
export const MAX_BLOCK_TRANSACTION_BYTES: number =
  MAX_GOSSIP_BYTES - MAX_HEADER_BYTES - MAX_TICKET_PROOF_BYTES - LIST_ITEM_BYTES * MAX_UNIT_TOKENS - 2 * LIST_ITEM_BYTES

/** Steps in one request for openings; one opening is at most 256 KiB. */
export const MAX_STEPS_PER_REQUEST = 16
export const MAX_OPENINGS_ANSWER_BYTES: number = 4 * MIB + 64 * KIB

/** Clients of the event stream; each may lag by so many events before it is cut off. */
export const MAX_EVENT_CLIENTS = 64
export const MAX_EVENT_BACKLOG = 1_024
/** Connections of the RPC, those of the event stream among them: descriptors that peers and the store need are not for strangers to take. */
export const MAX_RPC_CONNECTIONS = 512
/** Blocks in one RPC answer. */
export const MAX_RPC_BLOCKS = 100
/** Heights in one answer at which grains of an account mature: one small read each, on `nacre` there are 445. */
export const MAX_RPC_IMMATURE_HEIGHTS = 2_048
/** Blocks whose undo journals one answer about an account's transactions looks through: 50 ms where all are full. */
export const MAX_RPC_HISTORY_BLOCKS = 500
/** Those among them that touch the account, which are decoded: 100 ms where all are full. */
export const MAX_RPC_HISTORY_DECODED = 32
/** Miners in one answer: two small reads each. */
export const MAX_RPC_MINERS = 512
/** Verifiers in one answer: two small reads each. */
export const MAX_RPC_VERIFIERS = 512
/** Jobs that one change of the tip tells the clients of the event stream about; those of several full blocks. */
export const MAX_JOB_EVENTS = 1_024
/** Requests for openings that the RPC forwards at once, and how long one may take. Audits of the same node wait behind them. */
export const MAX_RPC_OPENINGS = 2
export const RPC_OPENINGS_MS = 15_000
export const MAX_RPC_BODY_BYTES: number = 2 * MIB
