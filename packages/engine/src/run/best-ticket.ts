import {
  FOLD_WORDS,
  type KeyedHash,
  type LotteryParams,
  type Model,
  TICKET_OPS,
  type Ticket,
  ticketKey,
  ticketShape,
} from '@nacre/protocol'

/** Order of 256-bit little-endian integers: negative, zero or positive. */
export function compareLittleEndian(a: Uint8Array, b: Uint8Array): number {
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return a[i]! - b[i]!
  return 0
}

/**
 * Hashes all tickets of a finished trace (WRK-4) and returns the least, the earliest among equals; undefined without tickets.
 * @param states 16 words for each ticket in drawing order: layer, operation, tile row, tile column.
 */
export function bestTicketOf(
  model: Model,
  params: LotteryParams,
  promptTokens: number,
  unitId: Uint8Array,
  traceRoot: Uint8Array,
  states: Uint32Array,
  hash: KeyedHash,
): Ticket | undefined {
  const key = ticketKey(unitId, traceRoot)
  const message = new Uint8Array(4 * FOLD_WORDS + 16)
  const view = new DataView(message.buffer)
  let best: Ticket | undefined
  let at = 0
  for (let layer = 0; layer < model.config.nLayers; layer++) {
    for (const op of TICKET_OPS) {
      const { rowTiles, columnTiles } = ticketShape(model.config, params, op, promptTokens)
      view.setUint32(64, layer, true)
      view.setUint32(68, op, true)
      for (let tile = 0; tile < rowTiles * columnTiles; tile++, at += FOLD_WORDS) {
        const tileRow = Math.floor(tile / columnTiles)
        const tileColumn = tile % columnTiles
        for (let i = 0; i < FOLD_WORDS; i++) view.setUint32(4 * i, states[at + i]!, true)
        view.setUint32(72, tileRow, true)
        view.setUint32(76, tileColumn, true)
        const ticket = hash(key, message)
        if (best !== undefined && compareLittleEndian(ticket, best.hash) >= 0) continue
        const foldState = states.slice(at, at + FOLD_WORDS)
        best = { position: { layer, op, tileRow, tileColumn }, foldState, hash: ticket }
      }
    }
  }
  return best
}
