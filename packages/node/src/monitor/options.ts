/** Windows and thresholds of the work monitor. Counts of blocks, so that they suit any block time. */
export interface MonitorOptions {
  /** `block.timeMs`: what turns capacity per block into a rate. */
  readonly blockTimeMs: number
  /** Blocks that a change is compared with, and how few will do on a young chain. */
  readonly baselineBlocks: number
  readonly leastBaselineBlocks: number
  /** How long ago a change may have happened. After that many blocks the changed rate is the one to compare with. */
  readonly changeBlocks: number
  /** Each test of the work rate is false at most once in so many blocks, on average. */
  readonly blocksPerFalseAlarm: number
  /** WORK_JUMP: work may grow by this factor. */
  readonly jumpTimes: number
  /** WORK_OUTGROWS_CAPACITY: the work of known keys may grow by this factor beyond what asks explain. */
  readonly growthTimes: number
  /** MACs of work that one MAC of added capacity explains at most: miners may declare less than they have. */
  readonly understatedTimes: number
  /** KEY_OUTWORKS_DECLARED: a key may do this many times the work that it declares. */
  readonly keyTimes: number
  /** REWARD_ABOVE_COST and REWARD_BELOW_COST: the factor between reward and cost, in each of so many blocks. */
  readonly rewardTimes: number
  readonly rewardBlocks: number
  /** An alarm ends when so many blocks have brought no evidence. */
  readonly holdBlocks: number
  /** How far back the beginning of an alarm is looked for. */
  readonly historyBlocks: number
}

export const MONITOR_DEFAULTS: Omit<MonitorOptions, 'blockTimeMs'> = {
  baselineBlocks: 512,
  leastBaselineBlocks: 64,
  changeBlocks: 512,
  blocksPerFalseAlarm: 1_000_000,
  jumpTimes: 2,
  growthTimes: 1.25,
  understatedTimes: 4,
  keyTimes: 2,
  rewardTimes: 4,
  rewardBlocks: 64,
  holdBlocks: 32,
  historyBlocks: 1024,
}

/** Blocks on either side whose times confirm a block's time: the span of the median-time rule (BLK-6). */
export const DATING_RADIUS = 5

/** Newest blocks that every figure and alarm depends on: what is kept in memory, about 300 bytes each. */
export function ringBlocks(options: MonitorOptions): number {
  return options.baselineBlocks + options.changeBlocks + options.historyBlocks + 2 * DATING_RADIUS + 1
}
