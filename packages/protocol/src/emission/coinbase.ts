/** ECO-3: how the subsidy of a block is divided. */
import type { Params } from '../params/types.ts'
import { subsidy } from './subsidy.ts'

/** Parts per million in one. */
export const PPM: bigint = 1_000_000n

/** floor(amount * ppm / 10^6). */
export function partOf(amount: bigint, ppm: number): bigint {
  return (amount * BigInt(ppm)) / PPM
}

/** The division of one block's subsidy, in grains: subsidy = verifierShare + teamShare + minerSubsidy + deferred. */
export interface CoinbaseParts {
  readonly subsidy: bigint
  /** Into the verifier pool. */
  readonly verifierShare: bigint
  readonly teamShare: bigint
  /** The miner's part of the subsidy, without fees and release. */
  readonly minerSubsidy: bigint
  /** Withheld from the miner, into the state entry `deferred`. */
  readonly deferred: bigint
  /** Paid to the miner out of `deferred` as it stood before this block. */
  readonly release: bigint
}

/**
 * The coinbase of a bootstrap block: R = subsidy less verifiers' and team share, floor(w R) to the miner, the rest
 * deferred; release = floor(deferredBefore / curveBlocks). Throws BLOCK_HEIGHT.
 */
export function bootstrapCoinbase(params: Params, height: number, deferredBefore: bigint): CoinbaseParts {
  const { emission } = params
  const total = subsidy(params, height)
  const verifierShare = partOf(total, emission.verifierSharePpm)
  const teamShare = partOf(total, emission.teamSharePpm)
  const reward = total - verifierShare - teamShare
  const minerSubsidy = partOf(reward, emission.bootstrapFactorPpm)
  return {
    subsidy: total,
    verifierShare,
    teamShare,
    minerSubsidy,
    deferred: reward - minerSubsidy,
    release: deferredBefore / BigInt(emission.curveBlocks),
  }
}
