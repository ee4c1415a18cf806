import { taggedHash } from '../hash.ts'

/**
 * BLK-2: beacon = H(parent's beacon, winning ticket). The ticket does not depend on the block's content, so neither does
 * the beacon: a miner can only withhold a block it has won.
 */
export function nextBeacon(parentBeacon: Uint8Array, ticketHash: Uint8Array): Uint8Array {
  return taggedHash('beacon', parentBeacon, ticketHash)
}
