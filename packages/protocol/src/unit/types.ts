/** A unit of work (UNT-1): what one miner executes once, on one branch. */

export const LANE_BOOTSTRAP = 0
export const LANE_PAID = 1
/** Work over matrices that the miner brings (chapter 12): only under provenance `open`. */
export const LANE_OPEN = 2
export type Lane = typeof LANE_BOOTSTRAP | typeof LANE_PAID | typeof LANE_OPEN
/** Names of the lanes by number, in state entries and answers. */
export const LANE_NAMES = ['bootstrap', 'paid', 'open'] as const
export type LaneName = (typeof LANE_NAMES)[Lane]

export interface UnitDescriptor {
  readonly lane: Lane
  /** Zero in the open lane. */
  readonly modelId: Uint8Array
  /** The mined block's parent (bootstrap), or the block whose beacon opened the assignment (paid). */
  readonly parentId: Uint8Array
  /** Zero in the bootstrap lane; in the open lane the configuration of the product. */
  readonly jobId: Uint8Array
  /** Zero in the paid lane. */
  readonly counter: number
}

/** How tokens are chosen (MOD-5). `temperatureMilli` 0 is greedy. */
export interface Decoding {
  readonly temperatureMilli: number
  /** 32 bytes; only read when the temperature is above 0. */
  readonly seed: Uint8Array
  /** False in the bootstrap lane, where end of sequence is ignored (UNT-3). */
  readonly stopAtEos: boolean
}

/** Everything that determines a unit's execution apart from weights. */
export interface UnitTask {
  readonly promptTokens: readonly number[]
  readonly maxNewTokens: number
  readonly decoding: Decoding
}
