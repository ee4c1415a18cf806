/** What the gateway needs to know of the market (ECO-7): who asks what for a model. */
import { readAsks, readMarket } from '@nacre/node/rpc-client'

export interface MarketAsk {
  /** Hex. */
  readonly minerKey: string
  /** For 10^9 output MACs. */
  readonly priceGrains: bigint
  /** What it can still take per block. */
  readonly roomMacs: bigint
}

export interface MarketQuote {
  readonly asks: readonly MarketAsk[]
  /** The moving price of the model; 0 before its first. A bid well below it waits until it has come down. */
  readonly referenceGrains: bigint
}

export interface MarketSource {
  /** What a model costs now. Rejects with RpcError, within the deadline of an RPC request. */
  quote(modelId: string): Promise<MarketQuote>
}

export interface BidNeeds {
  /** MACs of all units together. */
  readonly macs: bigint
  /** Jobs that had better go to different miners. */
  readonly jobs: number
  /** Most that may be paid for 10^9 output MACs. */
  readonly maxPriceGrains: bigint
  /** What a bid exceeds the last ask that it needs by, so that asks and rivals may move a little. */
  readonly marginPercent: number
}

/**
 * The bid that reaches enough asks: their rooms hold all units, and there is one for each job if there are so many. The price is the middle
 * between bid and ask, and only asks at or below it are drawn from, so a low bid costs less and a wider one reaches more miners.
 * It is no lower than the reference price, where the highest price allows that: a lower one may have to wait. Undefined if nobody asks at
 * most `maxPriceGrains`.
 */
export function bidFor({ asks, referenceGrains }: MarketQuote, needs: BidNeeds): bigint | undefined {
  const usable = asks.filter(({ priceGrains, roomMacs }) => roomMacs > 0n && priceGrains <= needs.maxPriceGrains)
  usable.sort((a, b) => (a.priceGrains < b.priceGrains ? -1 : a.priceGrains > b.priceGrains ? 1 : 0))
  let room = 0n
  let miners = 0
  let last: bigint | undefined
  for (const { priceGrains, roomMacs } of usable) {
    if (room >= needs.macs && miners >= needs.jobs) break
    last = priceGrains
    room += roomMacs
    miners++
  }
  if (last === undefined) return undefined
  // Rounded up, so that a price of a few grains has a margin too.
  const reaching = last + (last * BigInt(needs.marginPercent) + 99n) / 100n
  const bid = reaching > referenceGrains ? reaching : referenceGrains
  return bid < needs.maxPriceGrains ? bid : needs.maxPriceGrains
}

/** Quotes from memory for a moment, so that many requests at once are one question to the node. */
export function cachedMarket(source: MarketSource, maxAgeMs: number, nowMs: () => number): MarketSource {
  const known = new Map<string, { readonly atMs: number; readonly quote: Promise<MarketQuote> }>()
  return {
    quote: (modelId) => {
      const found = known.get(modelId)
      if (found !== undefined && nowMs() - found.atMs < maxAgeMs) return found.quote
      const quote = source.quote(modelId)
      const entry = { atMs: nowMs(), quote }
      known.set(modelId, entry)
      quote.catch(() => {
        if (known.get(modelId) === entry) known.delete(modelId)
      })
      return quote
    },
  }
}

/** The market as a node shows it. */
export const nodeMarket = (rpcUrl: string): MarketSource => ({
  quote: async (modelId) => {
    const [asks, { models }] = await Promise.all([readAsks(rpcUrl, modelId), readMarket(rpcUrl)])
    return {
      asks: asks.map(({ minerKey, priceGrains, roomMacs }) => ({
        minerKey,
        priceGrains: BigInt(priceGrains),
        roomMacs: BigInt(roomMacs),
      })),
      referenceGrains: BigInt(models.find((model) => model.modelId === modelId)?.referenceGrains ?? '0'),
    }
  },
})
