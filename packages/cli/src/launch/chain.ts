/** Who got what on a running chain, and whether it kept to the schedule. */

import type { PresetDifference } from '@nacre/node/rpc-client'
import {
  blockWork,
  cumulativeEmission,
  type DifficultyHeader,
  emittedBy,
  MEDIAN_TIME_SPAN,
  medianTimePast,
  nextBits,
} from '@nacre/protocol'
import { coinbasesOf } from './coinbases.ts'
import { gini, nakamoto } from './concentration.ts'
import { DAY_MS } from './format.ts'
import { type PublishedAudit, publishedOf } from './published.ts'
import type { ChainBlock, ChainData } from './rpc.ts'

/** First blocks whose winners are looked at on their own; those longer than the chain are left out. */
const WINDOWS = [10, 100, 1000] as const

export interface MinerRow {
  readonly minerKey: string
  readonly blocks: number
  readonly blocksPercent: number
  /** Part of subsidies and release of the deferred pot, without fees. */
  readonly rewardGrains: bigint
}

/** Concentration over the first blocks. All keys that won any block read are the population. */
export interface WindowRow {
  readonly label: string
  readonly blocks: number
  /** Keys that won a block of the window. */
  readonly keys: number
  /** Blocks of the key with the most, in percent. */
  readonly largestPercent: number
  readonly giniBlocks: number
  readonly giniReward: number
  readonly nakamotoBlocks: number
  readonly nakamotoReward: number
}

export interface BlockTimes {
  readonly targetMs: number
  readonly meanMs: number
  readonly medianMs: number
  readonly p90Ms: number
  readonly count: number
}

export interface ChainAudit {
  readonly rpc: string
  readonly chainId: string
  readonly difference: PresetDifference
  /** Height of the tip. */
  readonly height: number
  /** Blocks read after genesis. */
  readonly blocksRead: number
  /** Read blocks of each lane. */
  readonly lanes: Readonly<Record<ChainBlock['lane'], number>>
  /** What paid blocks got beyond a bootstrap block's coinbase, and heights whose coinbase is not by the rules (ECO-3). */
  readonly premiumGrains: bigint
  readonly wrongCoinbases: readonly number[]
  readonly published: PublishedAudit
  /** Most blocks first. */
  readonly miners: readonly MinerRow[]
  readonly windows: readonly WindowRow[]
  /** Time from the first allowed moment to the first block; absent without blocks. */
  readonly firstBlockDelayMs: number | undefined
  /** Between blocks read, from the first one on; absent for fewer than two. */
  readonly blockTimes: BlockTimes | undefined
  /** Grains by the protocol and by `/status`, at the tip. */
  readonly supply: {
    readonly scheduledGrains: bigint
    readonly emittedGrains: bigint
    /** The deferred pot by the coinbases; absent unless every block up to the tip is read. */
    readonly computedDeferredGrains: bigint | undefined
    readonly deferredGrains: bigint
  }
  /** Heights whose target, or time, is not what the rules ask for. */
  readonly wrongBits: readonly number[]
  readonly wrongTimes: readonly number[]
  readonly series: ChainSeries
}

/** One value per block read, from height 1 on. */
export interface ChainSeries {
  /** Days since the first block. */
  readonly days: readonly number[]
  readonly workMacs: readonly number[]
  /** Since the block before; the first entry is 0. */
  readonly intervalMs: readonly number[]
  /** Emission in grains. */
  readonly emitted: readonly number[]
}

export function auditChain(data: ChainData): ChainAudit {
  const { params, status, blocks } = data
  const mined = blocks.slice(1)
  const lanes = { bootstrap: 0, paid: 0, open: 0 }
  for (const { lane } of mined) lanes[lane]++
  const { rewards, deferred, premiums, wrong } = coinbasesOf(data)
  const miners = minersOf(mined, rewards)
  const keys = miners.map(({ minerKey }) => minerKey)
  const launchMs = params.network.genesisTimeMs + params.network.launchDelayMs
  const sizes = [...WINDOWS.filter((size) => size < mined.length), ...(mined.length > 0 ? [mined.length] : [])]
  const isWhole = mined.length === status.height
  return {
    rpc: data.rpc,
    chainId: status.chainId,
    difference: data.difference,
    height: status.height,
    blocksRead: mined.length,
    lanes,
    premiumGrains: premiums,
    wrongCoinbases: wrong,
    published: publishedOf(data),
    miners,
    windows: sizes.map((size) => windowOf(size, size === mined.length, mined, rewards, keys)),
    firstBlockDelayMs: mined[0] === undefined ? undefined : mined[0].timeMs - launchMs,
    blockTimes: blockTimesOf(mined, params.block.timeMs),
    supply: {
      scheduledGrains: emittedBy(params, status.height),
      emittedGrains: status.emittedGrains,
      computedDeferredGrains: isWhole ? deferred : undefined,
      deferredGrains: status.deferredGrains,
    },
    ...wrongHeights(data),
    series: seriesOf(data, mined),
  }
}

function minersOf(mined: readonly ChainBlock[], rewards: readonly bigint[]): MinerRow[] {
  const byKey = new Map<string, { blocks: number; rewardGrains: bigint }>()
  for (const [i, { minerKey }] of mined.entries()) {
    const before = byKey.get(minerKey) ?? { blocks: 0, rewardGrains: 0n }
    byKey.set(minerKey, { blocks: before.blocks + 1, rewardGrains: before.rewardGrains + rewards[i]! })
  }
  return [...byKey]
    .map(([minerKey, sum]) => ({ minerKey, ...sum, blocksPercent: (100 * sum.blocks) / mined.length }))
    .sort((a, b) => b.blocks - a.blocks || (a.minerKey < b.minerKey ? -1 : 1))
}

function windowOf(
  size: number,
  isAll: boolean,
  mined: readonly ChainBlock[],
  rewards: readonly bigint[],
  keys: readonly string[],
): WindowRow {
  const winners = minersOf(mined.slice(0, size), rewards)
  const rows = new Map(winners.map((row) => [row.minerKey, row]))
  const blocks = keys.map((key) => BigInt(rows.get(key)?.blocks ?? 0))
  const reward = keys.map((key) => rows.get(key)?.rewardGrains ?? 0n)
  return {
    label: isAll ? 'all' : `first ${size}`,
    blocks: size,
    keys: rows.size,
    largestPercent: winners[0]!.blocksPercent,
    giniBlocks: gini(blocks),
    giniReward: gini(reward),
    nakamotoBlocks: nakamoto(blocks),
    nakamotoReward: nakamoto(reward),
  }
}

function blockTimesOf(mined: readonly ChainBlock[], targetMs: number): BlockTimes | undefined {
  if (mined.length < 2) return undefined
  const intervals = mined.slice(1).map(({ timeMs }, i) => timeMs - mined[i]!.timeMs)
  const sorted = [...intervals].sort((a, b) => a - b)
  const quantile = (part: number): number => sorted[Math.ceil(part * sorted.length) - 1]!
  return {
    targetMs,
    meanMs: (mined.at(-1)!.timeMs - mined[0]!.timeMs) / intervals.length,
    medianMs: quantile(0.5),
    p90Ms: quantile(0.9),
    count: intervals.length,
  }
}

/** Blocks whose bits or time break BLK-6 or the launch delay, by the protocol's own rules. */
function wrongHeights({ params, blocks }: ChainData): { wrongBits: number[]; wrongTimes: number[] } {
  const launchMs = params.network.genesisTimeMs + params.network.launchDelayMs
  const headers = blocks.map(({ height, timeMs, bits }): DifficultyHeader => ({ height, timeMs, bits: Number(bits) }))
  const wrongBits: number[] = []
  const wrongTimes: number[] = []
  for (let height = 1; height < headers.length; height++) {
    const { bits, timeMs } = headers[height]!
    const recent = headers.slice(Math.max(0, height - MEDIAN_TIME_SPAN), height)
    const anchor = height > recent.length && headers[1] !== undefined ? [headers[1]] : []
    if (!isBitsRight(params, [...anchor, ...recent], bits)) wrongBits.push(height)
    if (timeMs < launchMs || timeMs <= medianTimePast(recent.map((each) => each.timeMs))) wrongTimes.push(height)
  }
  return { wrongBits, wrongTimes }
}

/** A node that reports bits that are no target breaks the rule with them. */
function isBitsRight(params: ChainData['params'], ancestors: readonly DifficultyHeader[], bits: number): boolean {
  try {
    return nextBits(params, ancestors) === bits
  } catch {
    return false
  }
}

function seriesOf({ params }: ChainData, mined: readonly ChainBlock[]): ChainSeries {
  const workOf = (bits: string): number => {
    try {
      return Number(blockWork(Number(bits)))
    } catch {
      return 0
    }
  }
  return {
    days: mined.map(({ timeMs }) => (timeMs - mined[0]!.timeMs) / DAY_MS),
    workMacs: mined.map(({ bits }) => workOf(bits)),
    intervalMs: mined.map(({ timeMs }, i) => (i === 0 ? 0 : timeMs - mined[i - 1]!.timeMs)),
    emitted: mined.map(({ height }) => Number(cumulativeEmission(params, height))),
  }
}
