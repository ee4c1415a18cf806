/** ECO-7: the call auction within the price band, who sets its price, and which price the reference follows. Pure arithmetic. */
import { type Bid, type Clearing, callAuction, type Offer } from './auction.ts'

export interface BandedCall {
  readonly clearing: Clearing
  /** What the reference price moves towards; 0 where it stays. */
  readonly followed: bigint
}

/**
 * The call among the bids from `least` on; what is below waits. The reference follows its price, unless a call among all bids would
 * trade more than twice its volume: then it follows the price of that one. So a falling market does not stick to a reference that
 * nobody bids any more, and a small job at a high price does not hold up what many others bid less for.
 * @param most bids that may be filled. @param least see `leastPrice`.
 */
export function callBandedAuction(
  bids: readonly Bid[],
  offers: readonly Offer[],
  most: number,
  least: bigint,
): BandedCall {
  const clearing = callAuction(bids, offers, most, least)
  if (bids.every(({ price }) => price >= least)) return { clearing, followed: clearing.price }
  const all = callAuction(bids, offers, most)
  return { clearing, followed: all.volumeMacs > 2n * clearing.volumeMacs ? all.price : clearing.price }
}

/** An offer, and whether its miner has weight (ECO-6). */
export interface WeighedOffer extends Offer {
  readonly hasWeight: boolean
}

/**
 * The banded call among the offers of keys with weight; among all offers only if that one fills nothing. A key without weight costs a
 * bond that returns: if its ask counted beside others, an ask of next to nothing would pull the price below what they ask, and make
 * it the only candidate for jobs that it need not deliver. It is drawn at their price (ECO-6).
 */
export function callWeighedAuction(
  bids: readonly Bid[],
  offers: readonly WeighedOffer[],
  most: number,
  least: bigint,
): BandedCall {
  const weighty = offers.filter(({ hasWeight }) => hasWeight)
  const first = callBandedAuction(bids, weighty, most, least)
  if (first.clearing.filled.length > 0 || weighty.length === offers.length) return first
  return callBandedAuction(bids, offers, most, least)
}
