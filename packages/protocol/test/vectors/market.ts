/** Builds `vectors/market.json`: auction, assignment order, fading weights, fees and the paid coinbase (ECO-3 to ECO-7, JOB-2). */
import { bytesToHex, hexToBytes } from '../../src/bytes.ts'
import { mintCap, paidCoinbase } from '../../src/emission/coinbase.ts'
import { drawRanks, samplingWeights } from '../../src/market/assignment.ts'
import { callAuction } from '../../src/market/auction.ts'
import { callBandedAuction, callWeighedAuction } from '../../src/market/banded-auction.ts'
import { jobCodec } from '../../src/market/entries.ts'
import { decodeFee, promptFee } from '../../src/market/prices.ts'
import { leastPrice, nextReferencePrice } from '../../src/market/reference-price.ts'
import { fadedWork } from '../../src/market/weights.ts'
import { unitModel } from '../../src/model/synthetic.ts'
import { presets } from '../../src/params/presets.ts'
import type { Params } from '../../src/params/types.ts'

type Side = readonly (readonly [price: bigint, macs: bigint])[]
const AUCTIONS: readonly (readonly [bids: Side, asks: Side, most: number])[] = [
  [[], [], 8],
  [[[10n, 5n]], [], 8],
  [[[4n, 5n]], [[5n, 9n]], 8],
  [
    [
      [10n, 1n],
      [9n, 1n],
      [7n, 1n],
      [4n, 1n],
    ],
    [
      [5n, 1n],
      [8n, 1n],
      [3n, 1n],
    ],
    8,
  ],
  [
    [
      [5n, 1n],
      [5n, 1n],
      [5n, 1n],
    ],
    [[1n, 2n]],
    8,
  ],
  [
    [
      [9n, 10n],
      [8n, 2n],
      [7n, 1n],
    ],
    [[1n, 3n]],
    8,
  ],
  [
    [
      [9n, 2n],
      [9n, 2n],
      [8n, 2n],
    ],
    [
      [2n, 3n],
      [9n, 3n],
    ],
    2,
  ],
  [
    [[9n, 1n]],
    [
      [1n, 0n],
      [6n, 1n],
    ],
    8,
  ],
]
/** Least prices: none, one that some bids of {@link AUCTIONS} are below, one above the middle. */
const BANDS: readonly bigint[] = [0n, 6n, 9n]
const WORK: readonly (readonly bigint[])[] = [
  [30n, 60n, 0n, 0n, 0n],
  [1n, 2n, 7n],
  [0n, 0n, 0n, 0n],
]
const BEACON = '0b'.repeat(32)

const text = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each)))

const withKappa = (mintCapPpm: number): Params => ({
  ...presets.nacre,
  emission: { ...presets.nacre.emission, mintCapPpm },
})

export function marketVectors(): unknown {
  const { config } = unitModel()
  const wins = [
    { promptBurn: 1_000n, work: 10n ** 12n, drawMacs: 10 ** 9, mintable: 1n << 60n },
    { promptBurn: 1_000n, work: 10n ** 12n, drawMacs: 10 ** 9, mintable: 999n },
    { promptBurn: 1n << 60n, work: 10n ** 12n, drawMacs: 10 ** 6, mintable: (1n << 64n) - 1n },
    { promptBurn: 7n, work: 3n, drawMacs: 1000, mintable: 7n },
    { promptBurn: 7n, work: 3n, drawMacs: 0, mintable: 7n },
  ]
  return text({
    description:
      'Prices are grains per 10^9 output MACs. Auctions: positions of the bids that trade. Assignment: ranks as positions of the candidates, with room for the job everywhere unless given. Fees: preset unit and its model. Coinbases: preset nacre at height 1,000,000 with 650,226 grains deferred before.',
    auctions: AUCTIONS.map(([bids, asks, most]) => {
      const side = (list: Side) => list.map(([price, macs]) => ({ price, macs }))
      return { bids: side(bids), asks: side(asks), most, result: callAuction(side(bids), side(asks), most) }
    }),
    bandedAuctions: AUCTIONS.flatMap(([bids, asks, most]) =>
      BANDS.map((least) => {
        const side = (list: Side) => list.map(([price, macs]) => ({ price, macs }))
        const result = callBandedAuction(side(bids), side(asks), most, least)
        return { bids: side(bids), asks: side(asks), most, least, result }
      }),
    ),
    weighedAuctions: AUCTIONS.flatMap(([bids, asks, most]) =>
      BANDS.map((least) => {
        const side = (list: Side) => list.map(([price, macs]) => ({ price, macs }))
        // Every other ask is of a key with weight, from the second on.
        const offers = side(asks).map((offer, i) => ({ ...offer, hasWeight: i % 2 === 1 }))
        const result = callWeighedAuction(side(bids), offers, most, least)
        return { bids: side(bids), asks: offers, most, least, result }
      }),
    ),
    assignments: WORK.flatMap((work) =>
      ['70', '71', '72'].map((byte) => {
        const weights = samplingWeights(work, 50_000)
        const candidates = weights.map((weight) => ({ weight, room: 1n }))
        const jobId = byte.repeat(32)
        const ranks = drawRanks(candidates, 1n, 3, hexToBytes(BEACON), hexToBytes(jobId))
        return { work, newcomerSharePpm: 50_000, weights, beacon: BEACON, jobId, ranks }
      }),
    ),
    withoutRoom: [1n, 2n, 3n].map((macs) => {
      const candidates = [
        { weight: 1000n, room: 1n },
        { weight: 1n, room: 2n },
      ]
      return {
        candidates,
        macs,
        ranks: drawRanks(candidates, macs, 2, hexToBytes(BEACON), hexToBytes('70'.repeat(32))),
      }
    }),
    fading: [0, 1, 20, 3117, 2 ** 31].flatMap((blocks) =>
      [2, 20, 3117].map((weightBlocks) => ({
        work: 10n ** 30n,
        blocks,
        weightBlocks,
        left: fadedWork(10n ** 30n, blocks, weightBlocks),
      })),
    ),
    fees: [1n, 999n, 10n ** 9n, 123_456_789_012n].flatMap((price) =>
      [1, 16, 32].map((tokens) => ({
        price,
        promptTokens: tokens,
        newTokens: tokens,
        promptFee: promptFee(presets.unit, config, tokens, price),
        decodeFee: decodeFee(config, tokens, price),
      })),
    ),
    referencePrices: [
      [0n, 700n],
      [1000n, 2000n],
      [1000n, 1n],
      [1000n, 1049n],
      [3n, 100n],
      [1n, 0n],
    ].map(([reference, price]) => ({
      reference,
      clearingPrice: price,
      movePpm: 50_000,
      next: nextReferencePrice(reference!, price!, 50_000),
      least: leastPrice(reference!, 50_000),
    })),
    coinbases: [0, 500_000, 1_000_000].flatMap((mintCapPpm) =>
      wins.map((win) => ({
        mintCapPpm,
        ...win,
        cap: mintCap(withKappa(mintCapPpm), win),
        parts: paidCoinbase(withKappa(mintCapPpm), 1_000_000, 650_226n, win),
      })),
    ),
    jobRecord: bytesToHex(
      jobCodec.encode({
        client: new Uint8Array(20).fill(0xc1),
        modelId: new Uint8Array(32).fill(0x0d),
        promptTokens: 16,
        maxNewTokens: 4,
        decoding: { temperatureMilli: 700, seed: new Uint8Array(32).fill(0x5e), stopAtEos: true },
        maxPrice: 1000n,
        expiryHeight: 30,
        held: 900n,
        price: 750n,
        openedHeight: 6,
        promptBurn: 20n,
        ranks: [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)],
        delivery: { rank: 1, height: 9, newTokens: 3, traceRoot: new Uint8Array(32).fill(0x7a) },
      }),
    ),
  })
}
