import {
  areEquivocating,
  type BlockHeader,
  blockId,
  bytesToHex,
  type DrawBindings,
  equalBytes,
  headerTicketHash,
  LANE_OPEN,
  unitId,
} from '@nacre/protocol'
import { MAX_WATCHED_UNITS } from '../limits-chain.ts'

/** Two signed headers of one miner that contradict each other: public evidence (BLK-3). */
export type Evidence = readonly [BlockHeader, BlockHeader]

/** What a header is among those of the same unit. */
export interface Sighting {
  /** Two others of its unit were seen before: it is not relayed, the evidence says everything. */
  readonly isSurplus: boolean
  /** Set when this header is the second of a contradicting pair. */
  readonly evidence: Evidence | undefined
}

/**
 * BLK-3: a node relays at most two siblings of a ticket, then only the evidence. Without this bound, one won ticket would
 * buy any number of blocks that everybody checks and forwards. Remembers the headers of recent units; the oldest go first.
 */
export class SiblingWatch {
  readonly #bindings: DrawBindings
  readonly #headers = new Map<string, BlockHeader[]>()

  /** @param bindings of the network: they say what one unit, and one ticket, is. */
  constructor(bindings: DrawBindings) {
    this.#bindings = bindings
  }

  /** @param header one whose signature and ticket have been checked. */
  see(header: BlockHeader): Sighting {
    const key = bytesToHex(this.#keyOf(header))
    const seen = this.#headers.get(key) ?? []
    const id = blockId(header)
    if (seen.some((other) => equalBytes(blockId(other), id))) return { isSurplus: false, evidence: undefined }
    if (seen.length >= 2) return { isSurplus: true, evidence: undefined }
    const other = seen[0]
    seen.push(header)
    this.#headers.set(key, seen)
    if (this.#headers.size > MAX_WATCHED_UNITS) this.#headers.delete(this.#headers.keys().next().value!)
    const isPair = other !== undefined && areEquivocating(other, header, this.#bindings)
    return { isSurplus: false, evidence: isPair ? [other, header] : undefined }
  }

  /** Open work has any number of tickets under one unit, each for work of its own (chapter 12): there siblings share a ticket. */
  #keyOf(header: BlockHeader): Uint8Array {
    if (header.unit.lane === LANE_OPEN) return headerTicketHash(header, this.#bindings)
    return unitId(header.unit, header.minerKey, this.#bindings.singleUse)
  }
}
