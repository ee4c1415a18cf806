/** The figures of the work monitor at one height. */
import { type Concentration, concentrationOf } from './concentration.ts'
import type { MonitorOptions } from './options.ts'
import { growthOf, workRate } from './rate.ts'
import { mean, rewardPerGmac } from './reward.ts'
import type { Alarm, BlockSample, Capacity, DatedBlock, WorkRate } from './types.ts'

/** Newest blocks that figures are taken over, from short to long. */
const WINDOWS = [32, 128, 512] as const
/** Keys that a report lists. */
const LISTED_KEYS = 10

export interface WorkReport {
  /** Height of the newest block; 0 before the first. */
  readonly height: number
  /** The newest block whose time is confirmed by the blocks around it: rates and alarms of work end here. */
  readonly datedHeight: number
  readonly blockTimeMs: number
  /** Work rates over the newest 32, 128 and 512 dated blocks, or as many as there are. */
  readonly rates: readonly WorkRate[]
  /** The shortest window against the blocks of the longest before it; absent on a young chain. */
  readonly growth?: { readonly times: number; readonly lowTimes: number; readonly highTimes: number }
  readonly capacity: Capacity
  /** Work per block time by the longest window, in MACs; absent without a dated block. */
  readonly workMacsPerBlock?: number
  readonly lanes: { readonly blocks: number; readonly paidBlocks: number; readonly paidWorkShare: number }
  readonly reward?: {
    readonly blocks: number
    readonly rewardGrainsPerGmac: number
    /** What clients pay for the same work, and what mining pays over it; absent without a recent price. */
    readonly costGrainsPerGmac?: number
    readonly ratio?: number
  }
  readonly concentration: Concentration
  readonly alarms: readonly Alarm[]
  readonly test: {
    readonly blocksPerFalseAlarm: number
    readonly baselineBlocks: number
    readonly changeBlocks: number
  }
}

const NO_CAPACITY: Capacity = { asks: 0, keys: 0, declaredMacs: 0, roomMacs: 0, averageWorkMacs: 0 }

/** @param samples the newest blocks, oldest first. @param dated those of them that are dated. */
export function reportOf(
  samples: readonly BlockSample[],
  dated: readonly DatedBlock[],
  alarms: readonly Alarm[],
  options: MonitorOptions,
): WorkReport {
  const [shortest, , longest] = WINDOWS
  const recent = samples.slice(-longest)
  const end = dated.length
  const counts = [...new Set(WINDOWS.map((window) => Math.min(window, end)))].filter((count) => count > 0)
  const rates = counts.map((count) => workRate(dated, end - count, end))
  const from = Math.max(0, end - longest)
  const { blockTimeMs, blocksPerFalseAlarm, baselineBlocks, changeBlocks } = options
  return {
    height: samples.at(-1)?.height ?? 0,
    datedHeight: dated.at(-1)?.sample.height ?? 0,
    blockTimeMs,
    rates,
    ...(end - from >= 2 * shortest
      ? { growth: growthOf(workRate(dated, from, end - shortest), workRate(dated, end - shortest, end)) }
      : {}),
    capacity: samples.at(-1)?.capacity ?? NO_CAPACITY,
    ...(rates.length > 0 ? { workMacsPerBlock: (rates.at(-1)!.macsPerSecond * blockTimeMs) / 1000 } : {}),
    lanes: lanesOf(recent),
    ...(recent.length > 0 ? { reward: rewardOf(recent.slice(-shortest)) } : {}),
    concentration: concentrationOf(recent, LISTED_KEYS),
    alarms,
    test: { blocksPerFalseAlarm, baselineBlocks, changeBlocks },
  }
}

function lanesOf(samples: readonly BlockSample[]): WorkReport['lanes'] {
  const work = (of: readonly BlockSample[]): number => of.reduce((sum, { workMacs }) => sum + workMacs, 0)
  const paid = samples.filter(({ isPaid }) => isPaid)
  return {
    blocks: samples.length,
    paidBlocks: paid.length,
    paidWorkShare: paid.length === 0 ? 0 : work(paid) / work(samples),
  }
}

function rewardOf(samples: readonly BlockSample[]): NonNullable<WorkReport['reward']> {
  const rewardGrainsPerGmac = mean(samples.map(rewardPerGmac))
  const costGrainsPerGmac = samples.at(-1)!.costGrainsPerGmac
  return {
    blocks: samples.length,
    rewardGrainsPerGmac,
    ...(costGrainsPerGmac > 0 ? { costGrainsPerGmac, ratio: rewardGrainsPerGmac / costGrainsPerGmac } : {}),
  }
}
