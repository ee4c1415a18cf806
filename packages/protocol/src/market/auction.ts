/** ECO-7: one uniform-price call auction per model and block. Pure arithmetic; ties go to the earlier position. */

export interface Bid {
  /** Most grains per 10^9 output MACs. */
  readonly price: bigint
  /** MACs of the whole unit: it is bought whole or not at all. */
  readonly macs: bigint
}
export interface Offer {
  /** Least grains per 10^9 output MACs. */
  readonly price: bigint
  /** MACs per block. */
  readonly macs: bigint
}
export interface Clearing {
  /** Positions of the bids that trade, best price first. */
  readonly filled: readonly number[]
  /** The one price of all of them; 0 if nothing trades. */
  readonly price: bigint
  readonly volumeMacs: bigint
  /** Lowest bid that trades and highest ask that is needed, or best bid and best ask if nothing trades; 0 for none. */
  readonly bidPrice: bigint
  readonly askPrice: bigint
}

/**
 * Bids in the order of price and position are filled as long as the offers at or below the bid's price hold them together
 * with those filled before; one that does not fit is passed over. The price is the middle between the lowest bid filled
 * and the highest ask needed, rounded down, or `least` if that is higher, so no bid pays more and no ask gets less than it said.
 * @param most bids that may be filled. @param least bids below it wait.
 */
export function callAuction(bids: readonly Bid[], offers: readonly Offer[], most: number, least = 0n): Clearing {
  const asks = offers.filter(({ macs }) => macs > 0n).sort((a, b) => compare(a.price, b.price))
  const order = bids.map((_, index) => index).sort((a, b) => compare(bids[b]!.price, bids[a]!.price) || a - b)
  const filled: number[] = []
  let volumeMacs = 0n
  // Supply at the price of the bid in turn: bids fall, so offers leave from the end.
  let last = asks.length - 1
  let supply = asks.reduce((sum, { macs }) => sum + macs, 0n)
  for (const index of order) {
    if (filled.length === most) break
    const { price, macs } = bids[index]!
    if (price < least) break
    for (; last >= 0 && asks[last]!.price > price; last--) supply -= asks[last]!.macs
    if (last < 0) break
    if (volumeMacs + macs > supply) continue
    volumeMacs += macs
    filled.push(index)
  }
  if (filled.length === 0) {
    const bidPrice = order.length === 0 ? 0n : bids[order[0]!]!.price
    return { filled, price: 0n, volumeMacs, bidPrice, askPrice: asks[0]?.price ?? 0n }
  }
  const bidPrice = bids[filled.at(-1)!]!.price
  const askPrice = priceOfSupply(asks, volumeMacs)
  const middle = (bidPrice + askPrice) / 2n
  return { filled, price: middle > least ? middle : least, volumeMacs, bidPrice, askPrice }
}

/** Price of the ask that completes `macs`, asks in the order of their prices. */
function priceOfSupply(asks: readonly Offer[], macs: bigint): bigint {
  let sum = 0n
  return asks.find((ask) => {
    sum += ask.macs
    return sum >= macs
  })!.price
}

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)
