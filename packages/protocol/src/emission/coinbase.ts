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
  /** Of `minerSubsidy`, what a paid block earns on top of a bootstrap block. */
  readonly premium: bigint
  /** Withheld from the miner, into the state entry `deferred`. */
  readonly deferred: bigint
  /** Paid to the miner out of `deferred` as it stood before this block. */
  readonly release: bigint
}

/** What the premium of a paid block depends on (ECO-3). */
export interface PaidWin {
  /** Grains that the unit's prompt fee burned. */
  readonly promptBurn: bigint
  /** Expected work of the block in MACs: floor(2^256 / (target + 1)). */
  readonly work: bigint
  /** MACs that the unit's tickets stand for (WRK-4). */
  readonly drawMacs: number
  /** Grains that premiums may still mint: what all prompts' burns allowed, less all premiums so far. */
  readonly mintable: bigint
}

/**
 * The coinbase of a bootstrap block: R = subsidy less verifiers' and team share, floor(w R) to the miner, the rest
 * deferred; release = floor(deferredBefore / curveBlocks). Throws BLOCK_HEIGHT.
 */
export function bootstrapCoinbase(params: Params, height: number, deferredBefore: bigint): CoinbaseParts {
  return divideSubsidy(params, height, deferredBefore, () => 0n)
}

/**
 * The coinbase of a paid block: the miner has a premium on top of what a bootstrap block pays, at most what is withheld there,
 * at most {@link mintCap}, and at most what premiums may still mint. Throws BLOCK_HEIGHT.
 */
export function paidCoinbase(params: Params, height: number, deferredBefore: bigint, win: PaidWin): CoinbaseParts {
  const cap = mintCap(params, win)
  const most = cap < win.mintable ? cap : win.mintable
  return divideSubsidy(params, height, deferredBefore, (withheld) => (most < withheld ? most : withheld))
}

/** floor(kappa * promptBurn): what a prompt's burn adds to what premiums may mint (ECO-3). */
export function mintableOf(params: Params, promptBurn: bigint): bigint {
  return partOf(promptBurn, params.emission.mintCapPpm)
}

/**
 * floor(kappa * promptBurn * work / drawMacs): a unit wins with probability drawMacs / work, so the expected premium is at most
 * kappa times what the unit burned. 0 for a unit that draws nothing.
 */
export function mintCap(params: Params, win: Omit<PaidWin, 'mintable'>): bigint {
  const { promptBurn, work, drawMacs } = win
  if (drawMacs === 0) return 0n
  return (BigInt(params.emission.mintCapPpm) * promptBurn * work) / (PPM * BigInt(drawMacs))
}

/** @param premiumOf the miner's premium, from what would be withheld; never more than that. */
function divideSubsidy(
  params: Params,
  height: number,
  deferredBefore: bigint,
  premiumOf: (withheld: bigint) => bigint,
): CoinbaseParts {
  const { emission } = params
  const total = subsidy(params, height)
  const verifierShare = partOf(total, emission.verifierSharePpm)
  const teamShare = partOf(total, emission.teamSharePpm)
  const reward = total - verifierShare - teamShare
  const base = partOf(reward, emission.bootstrapFactorPpm)
  const premium = premiumOf(reward - base)
  const minerSubsidy = base + premium
  return {
    subsidy: total,
    verifierShare,
    teamShare,
    minerSubsidy,
    premium,
    deferred: reward - minerSubsidy,
    release: deferredBefore / BigInt(emission.curveBlocks),
  }
}
