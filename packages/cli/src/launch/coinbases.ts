/** Coinbases of a chain block by block (ECO-3), out of what each changed in the deferred pot. */
import { bootstrapCoinbase } from '@nacre/protocol'
import type { ChainData } from './rpc.ts'

export interface ChainCoinbases {
  /** Of each block read: the miner's part of the subsidy and the release, without fees. */
  readonly rewards: readonly bigint[]
  /** Of each block read: what it got beyond what a bootstrap block of its height gets. */
  readonly blockPremiums: readonly bigint[]
  /** The deferred pot after the last block read. */
  readonly deferred: bigint
  /** Of all paid blocks together. */
  readonly premiums: bigint
  /** Heights whose change of the pot is none that the rules allow. */
  readonly wrong: readonly number[]
}

/**
 * A block adds to the pot what it withholds and takes out the release. In the paid lane the miner may have a premium, from nothing to all
 * that is withheld; in the others the change is exact.
 */
export function coinbasesOf({ params, blocks }: ChainData): ChainCoinbases {
  let deferred = 0n
  let premiums = 0n
  const wrong: number[] = []
  const blockPremiums: bigint[] = []
  const rewards = blocks.slice(1).map(({ height, lane, deferredChangeGrains }) => {
    const parts = bootstrapCoinbase(params, height, deferred)
    const premium = parts.deferred - parts.release - deferredChangeGrains
    const isRight = lane === 'paid' ? premium >= 0n && premium <= parts.deferred : premium === 0n
    if (!isRight) wrong.push(height)
    blockPremiums.push(premium)
    deferred += deferredChangeGrains
    if (lane === 'paid') premiums += premium
    return parts.minerSubsidy + parts.release + premium
  })
  return { rewards, blockPremiums, deferred, premiums, wrong }
}
