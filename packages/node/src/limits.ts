/**
 * Every bound of the node on one page: what it is, why it has this value, and the memory it admits at worst.
 * Consensus limits (block size, transaction size) live in the protocol package; these are local policy.
 */

const KIB = 1024
const MIB = 1024 * KIB

/** Limits of one {@link KeyedLimiter}: how much work runs at once and how much may wait. */
export interface WorkLimits {
  readonly activePerPeer: number
  readonly activeTotal: number
  readonly waitingPerPeer: number
  readonly waitingTotal: number
  readonly waitingBytesPerPeer: number
  readonly waitingBytesTotal: number
}

// ---- gossip -------------------------------------------------------------------------------------------------------

/** Largest gossip message (NET-2). A quarter of gossipsub's 4 MiB frame cap, above which messages vanish without an error (G5). */
export const MAX_GOSSIP_BYTES: number = MIB

/** Gossip being judged. The validator is the cheap stage, so a long queue means a flood. At worst 32 + 32 = 64 MiB. */
export const GOSSIP_LIMITS: WorkLimits = {
  activePerPeer: 8,
  activeTotal: 32,
  waitingPerPeer: 512,
  waitingTotal: 2048,
  waitingBytesPerPeer: 4 * MIB,
  waitingBytesTotal: 32 * MIB,
}

/** A validator slower than this counts as 'ignore', so that one that hangs cannot hold its slot for good. */
export const GOSSIP_VALIDATION_MS = 5_000

/** How long a message id is remembered; a verdict is final for this long (G8). About 100 B each: see MAX_SEEN_MESSAGES. */
export const GOSSIP_SEEN_MS = 120_000

/** Transactions that entered here and are told again while they wait, and how many of them at a time. */
export const MAX_ANNOUNCED_TRANSACTIONS = 4_096
export const MAX_REPEATED_TRANSACTIONS = 64

/** Message ids remembered by the in-memory network, about 10 MiB. (gossipsub bounds its own cache by time alone.) */
export const MAX_SEEN_MESSAGES = 65_536

/** Unsent gossip to one peer before its stream is reset: one full 4 MiB frame and as much again. 8 MiB per peer. */
export const MAX_GOSSIP_SEND_BUFFER: number = 8 * MIB

// ---- requests -----------------------------------------------------------------------------------------------------

/** Requests we have sent. Eight per peer stay far below libp2p's 32 streams per protocol (G14). At worst 64 × the caller's `maxResponseBytes`. */
export const REQUEST_LIMITS: WorkLimits = {
  activePerPeer: 8,
  activeTotal: 64,
  waitingPerPeer: 256,
  waitingTotal: 1024,
  waitingBytesPerPeer: 4 * MIB,
  waitingBytesTotal: 32 * MIB,
}

/** Requests we answer, from the start of the handler to the last byte of the answer. At worst 64 × the largest answer plus 32 MiB. */
export const SERVE_LIMITS: WorkLimits = {
  activePerPeer: 8,
  activeTotal: 64,
  waitingPerPeer: 64,
  waitingTotal: 512,
  waitingBytesPerPeer: 4 * MIB,
  waitingBytesTotal: 32 * MIB,
}

/** Streams one peer may hold open towards our handlers, all protocols together; each buffers at most `maxRequestBytes`. */
export const MAX_INBOUND_STREAMS_PER_PEER = 64

/** A client that has not finished sending its request by then is cut off: slots are for work, not for waiting. */
export const READ_REQUEST_MS = 5_000

/** How long a request may wait for a slot, and again how long its handler may take. */
export const SERVE_REQUEST_MS = 20_000

/** How long the asker may take to read the answer: 8 MiB at 800 kB/s. */
export const WRITE_ANSWER_MS = 10_000

/** lpStream buffers whole frames: its second limit needs room for the length prefix and one muxer chunk (G7). */
export const FRAME_SLACK_BYTES: number = 64 * KIB

// ---- peers --------------------------------------------------------------------------------------------------------

/** Peers whose addresses we remember: 1,024 × 4 addresses × 256 B = 1 MiB. */
export const MAX_KNOWN_PEERS = 1_024

/** Never-reached peers one source may add, so that one liar cannot fill the address book. */
export const MAX_KNOWN_PEERS_PER_SOURCE = 64

/** A host has a few interfaces; more addresses are padding. */
export const MAX_ADDRESSES_PER_PEER = 4

/** Longest multiaddr we parse: a DNS name of 253 characters with port and peer id fits. */
export const MAX_ADDRESS_CHARS = 384

/** Addresses in one peer-exchange answer: 32 × 384 B = 12 KiB. */
export const MAX_EXCHANGED_ADDRESSES = 32

/** Dials under way at once, so that a flood of addresses is worked off slowly. */
export const MAX_PARALLEL_DIALS = 8

/** One dial, DNS and handshake included. */
export const DIAL_MS = 5_000

/** Failed dials in a row after which a peer that is not a bootstrap peer is forgotten. */
export const MAX_DIAL_FAILURES = 20

/** Bootstrap peers are always kept connected, hence few. */
export const MAX_BOOTSTRAP_PEERS = 16

// ---- standing -----------------------------------------------------------------------------------------------------

/** Penalty points at which a peer is banned. */
export const BAN_SCORE = 100

/** How long a banned peer is refused. */
export const BAN_MS = 600_000

/** Points for one gossip message judged 'reject': the fifth in a row bans. */
export const REJECT_POINTS = 20

/** Points for not reading the answer to one's own request in time. */
export const SLOW_READER_POINTS = 10

/** Points forgiven per minute without a new fault: an honest peer with a rare fault never reaches the ban. */
export const FORGIVEN_POINTS_PER_MINUTE = 2

/** Peers with a standing, and banned peers, remembered: 4,096 × about 200 B = 1 MiB. */
export const MAX_STANDINGS = 4_096

// ---- in-memory network --------------------------------------------------------------------------------------------

/** Messages under way in one direction of an in-memory connection; more are dropped. */
export const MAX_IN_FLIGHT_PER_LINK = 4_096

/** stop() gives graceful closing this long, then aborts connections and waits half of it again. */
export const STOP_MS = 2_000
