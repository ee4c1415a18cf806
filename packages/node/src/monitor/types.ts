/** What the work monitor reads of each block, what it finds, and what it reports. Plain numbers: nothing here is consensus. */

/** Standing asks at one height (ECO-6, ECO-7), over all models. */
export interface Capacity {
  readonly asks: number
  /** Keys with an ask. */
  readonly keys: number
  /** MACs per block that the asks declare. */
  readonly declaredMacs: number
  /** MACs per block that count: bounded by what the keys have mined. */
  readonly roomMacs: number
  /** Average matured work per block of the keys with an ask, in MACs. */
  readonly averageWorkMacs: number
}

/** One block of the best chain, with what the state said right after it. */
export interface BlockSample {
  readonly height: number
  /** Block id in hex. */
  readonly id: string
  /** Time of the header. */
  readonly timeMs: number
  /** Expected work of the block in MACs (BLK-5). */
  readonly workMacs: number
  /** Public key in hex. */
  readonly minerKey: string
  readonly isPaid: boolean
  /** What the block pays its miner: subsidy, release and fees. */
  readonly rewardGrains: number
  /** What a client pays for a unit of the bootstrap's shape, per 10^9 of its prompt MACs; 0 without a recent price. */
  readonly costGrainsPerGmac: number
  /** MACs per block that the block's miner declares in its asks; 0 without any. */
  readonly minerDeclaredMacs: number
  readonly capacity: Capacity
}

/** A block whose time later blocks have confirmed. */
export interface DatedBlock {
  readonly sample: BlockSample
  /** Time since the block before it over its expected work, in ms per MAC: at a work rate R, R times this has mean 1. */
  readonly exposure: number
}

export const ALARM_CODES = [
  'WORK_JUMP',
  'WORK_OUTGROWS_CAPACITY',
  'KEY_OUTWORKS_DECLARED',
  'REWARD_ABOVE_COST',
  'REWARD_BELOW_COST',
] as const
export type AlarmCode = (typeof ALARM_CODES)[number]

/** A rate of work with its interval at 95 %. */
export interface WorkRate {
  readonly fromHeight: number
  readonly toHeight: number
  readonly blocks: number
  readonly macsPerSecond: number
  readonly lowMacsPerSecond: number
  readonly highMacsPerSecond: number
}

/** Work after a split height against work before it. */
export interface GrowthEvidence {
  /** The first block after the change, where it most likely happened. */
  readonly splitHeight: number
  readonly splitId: string
  readonly before: WorkRate
  readonly after: WorkRate
  /** Blocks after the change by keys that won in the baseline too, its newest quarter left out, and the number of these keys. */
  readonly knownKeyBlocks: number
  readonly knownKeys: number
  /** How many times the work before: of all keys for WORK_JUMP, of known keys for WORK_OUTGROWS_CAPACITY. */
  readonly growthTimes: number
  /** How many times would be no anomaly. */
  readonly allowedTimes: number
  /** Bounded capacity of standing asks in MACs per block: the mean before, and at the newest block. */
  readonly roomBeforeMacs: number
  readonly roomAfterMacs: number
  /** Natural logarithm of the likelihood ratio, and what it must reach. */
  readonly logLikelihood: number
  readonly logThreshold: number
}

/** Wins of one key against what it declares. */
export interface KeyEvidence {
  readonly minerKey: string
  readonly fromHeight: number
  readonly toHeight: number
  readonly wins: number
  /** Wins to be expected at the declared capacity. */
  readonly expectedWins: number
  readonly declaredMacsPerBlock: number
  /** Work of the key per block time, estimated from its wins, in MACs. */
  readonly workMacsPerBlock: number
  readonly logLikelihood: number
  readonly logThreshold: number
}

/** What mining pays against what clients pay, over all of the blocks named. */
export interface RewardEvidence {
  readonly fromHeight: number
  readonly toHeight: number
  readonly rewardGrainsPerGmac: number
  readonly costGrainsPerGmac: number
  /** Reward over cost; the block closest to 1. */
  readonly leastRatio: number
  readonly factor: number
}

/** An anomaly seen at one block. */
export type Finding =
  | { readonly code: 'WORK_JUMP' | 'WORK_OUTGROWS_CAPACITY'; readonly evidence: GrowthEvidence }
  | { readonly code: 'KEY_OUTWORKS_DECLARED'; readonly evidence: KeyEvidence }
  | { readonly code: 'REWARD_ABOVE_COST' | 'REWARD_BELOW_COST'; readonly evidence: RewardEvidence }

/** A finding that stands: seen at `sinceHeight` first and at `lastHeight` last; the evidence is the last one. */
export type Alarm = Finding & {
  readonly sinceHeight: number
  readonly lastHeight: number
  /** The same for a person, in one line. */
  readonly message: string
}

/** A key's part of recent blocks, with its interval at 95 %. */
export interface KeyShare {
  readonly minerKey: string
  readonly blocks: number
  readonly share: number
  readonly lowShare: number
  readonly highShare: number
  /** What it declares in its asks, as of its last win. */
  readonly declaredMacsPerBlock: number
}
