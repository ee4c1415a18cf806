import {
  FOLD_WORDS,
  type KeyedHash,
  type LotteryParams,
  type Model,
  TICKET_OPS,
  type Ticket,
  type TicketPosition,
  ticketShape,
} from '@nacre/protocol'
import { batchOf } from '../hashing/batch-hash.ts'

const TICKET_BYTES = 32
const MESSAGE_BYTES: number = 4 * FOLD_WORDS + 16
/** Bounds the messages in memory. */
const TICKETS_AT_ONCE = 512

/** Order of 256-bit little-endian integers: negative, zero or positive. */
export function compareLittleEndian(a: Uint8Array, b: Uint8Array): number {
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return a[i]! - b[i]!
  return 0
}

/**
 * Hashes all tickets of a finished trace (WRK-4) and returns the least, the earliest among equals; undefined without tickets.
 * @param key see `ticketKey`. @param states 16 words for each ticket in drawing order: layer, operation, tile row, tile column.
 */
export function bestTicketOf(
  model: Model,
  params: LotteryParams,
  promptTokens: number,
  key: Uint8Array,
  states: Uint32Array,
  hash: KeyedHash,
): Ticket | undefined {
  const batch = batchOf(hash)
  const positions = ticketPositions(model, params, promptTokens)
  const messages = new Uint8Array(Math.min(TICKETS_AT_ONCE, positions.length) * MESSAGE_BYTES)
  let best: Ticket | undefined
  for (let first = 0; first < positions.length; first += TICKETS_AT_ONCE) {
    const count = Math.min(TICKETS_AT_ONCE, positions.length - first)
    for (let i = 0; i < count; i++) {
      writeMessage(messages, i * MESSAGE_BYTES, states, (first + i) * FOLD_WORDS, positions[first + i]!)
    }
    const hashes = batch.many(key, messages.subarray(0, count * MESSAGE_BYTES), count, MESSAGE_BYTES)
    for (let i = 0; i < count; i++) {
      const ticket = hashes.subarray(i * TICKET_BYTES, (i + 1) * TICKET_BYTES)
      if (best !== undefined && compareLittleEndian(ticket, best.hash) >= 0) continue
      const at = (first + i) * FOLD_WORDS
      best = { position: positions[first + i]!, foldState: states.slice(at, at + FOLD_WORDS), hash: ticket.slice() }
    }
  }
  return best
}

/** Places of all tickets of a unit in drawing order: layer, operation, tile row, tile column. */
function ticketPositions(model: Model, params: LotteryParams, promptTokens: number): TicketPosition[] {
  const positions: TicketPosition[] = []
  for (let layer = 0; layer < model.config.nLayers; layer++) {
    for (const op of TICKET_OPS) {
      const { rowTiles, columnTiles } = ticketShape(model.config, params, op, promptTokens)
      for (let tileRow = 0; tileRow < rowTiles; tileRow++) {
        for (let tileColumn = 0; tileColumn < columnTiles; tileColumn++) {
          positions.push({ layer, op, tileRow, tileColumn })
        }
      }
    }
  }
  return positions
}

/** What a ticket is the hash of, see `ticketHash`. */
function writeMessage(
  messages: Uint8Array,
  offset: number,
  states: Uint32Array,
  from: number,
  { layer, op, tileRow, tileColumn }: TicketPosition,
): void {
  const view = new DataView(messages.buffer, offset, MESSAGE_BYTES)
  for (let i = 0; i < FOLD_WORDS; i++) view.setUint32(4 * i, states[from + i]!, true)
  const end = 4 * FOLD_WORDS
  view.setUint32(end, layer, true)
  view.setUint32(end + 4, op, true)
  view.setUint32(end + 8, tileRow, true)
  view.setUint32(end + 12, tileColumn, true)
}
