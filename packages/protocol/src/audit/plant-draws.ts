/** AUD-8: which units a secret draws as plants, and when what belongs to an epoch of plants may be in a block. */
import { bigintFromLe, u32le } from '../bytes.ts'
import { PPM } from '../emission/coinbase.ts'
import { taggedHash } from '../hash.ts'
import { windowBlocks } from '../market/post-job.ts'
import type { Params } from '../params/types.ts'

/** What a miner commits to: H[plantSecret](public key | u32 epoch | secret). */
export function plantCommitment(minerKey: Uint8Array, epoch: number, secret: Uint8Array): Uint8Array {
  return taggedHash('plantSecret', minerKey, u32le(epoch), secret)
}

/** Whether a secret draws a unit as a plant. @param secret, unitId 32 bytes. */
export function drawsPlant({ audits }: Params, secret: Uint8Array, unitId: Uint8Array): boolean {
  const draw = bigintFromLe(taggedHash('plantDraw', secret, unitId).subarray(0, 8))
  return draw * PPM < BigInt(audits.plantPpm) << 64n
}

/** Heights of what belongs to the plants of one epoch, that of the block that opened the assignment. */
export interface PlantWindows {
  /** First height of the blocks that may contain the commitment, and the first after them. */
  readonly commitFrom: number
  readonly from: number
  /** First height of the reveals: all receipts of the epoch's units are in, and the proofs of its verifiers. */
  readonly revealFrom: number
  /** First height after the reveals: what has not been shown to be a plant by then is fraud. */
  readonly revealEnd: number
  /** First height at which none of the units is left whose payment was not late. */
  readonly end: number
}

export function plantWindows(params: Params, epoch: number): PlantWindows {
  const { epochBlocks, verdictBlocks, accusationDelayBlocks, responseBlocks } = params.audits
  const from = epoch * epochBlocks
  const windows = windowBlocks(params)
  const revealFrom = from + epochBlocks + Math.max(verdictBlocks + accusationDelayBlocks, windows)
  return {
    commitFrom: from - epochBlocks,
    from,
    revealFrom,
    revealEnd: revealFrom + responseBlocks,
    end: from + epochBlocks + windows + params.block.maturityBlocks,
  }
}

/** The epoch whose window `which` is at this height, if one is. */
export function plantEpochWith(params: Params, which: 'revealEnd' | 'end', height: number): number | undefined {
  const epoch = (height - plantWindows(params, 0)[which]) / params.audits.epochBlocks
  return Number.isInteger(epoch) && epoch >= 0 ? epoch : undefined
}

/** Whether a network has planted faults, so that a receipt's trace may be wrong on purpose. */
export function hasPlants({ audits }: Params): boolean {
  return audits.mode === 'on' && audits.plantPpm > 0
}
