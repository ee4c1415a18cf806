import { bootstrapCoinbase, cumulativeEmission, type Params, partOf, subsidy } from '@nacre/protocol'

/** What one block pays, in grains. */
export interface Payout {
  readonly miner: number
  readonly team: number
}

/**
 * Who gets what of the block at each height; a function of parameters and height alone. Amounts are taken from the protocol
 * as exact integers and returned as numbers, for shares.
 */
export class Payouts {
  readonly #params: Params
  readonly #isSplit: boolean
  readonly #known: Payout[] = []
  #deferredGrains = 0n

  /** `isSplit`: ECO-3 with verifiers' share and deferral; otherwise the miner gets all but the team share. */
  constructor(params: Params, isSplit: boolean) {
    this.#params = params
    this.#isSplit = isSplit
  }

  /** Payout of the block at `height` >= 1. */
  at(height: number): Payout {
    for (let next = this.#known.length + 1; next <= height; next++) this.#known.push(this.#compute(next))
    return this.#known[height - 1]!
  }

  #compute(height: number): Payout {
    if (!this.#isSplit) {
      const total = subsidy(this.#params, height)
      const team = partOf(total, this.#params.emission.teamSharePpm)
      return { miner: Number(total - team), team: Number(team) }
    }
    const parts = bootstrapCoinbase(this.#params, height, this.#deferredGrains)
    this.#deferredGrains += parts.deferred - parts.release
    return { miner: Number(parts.minerSubsidy + parts.release), team: Number(parts.teamShare) }
  }
}

/** Grains that exist at `height`: emission, premine and faucet. */
export function supplyAt(params: Params, height: number): number {
  const { premineGrains, faucetGrains } = params.emission
  return Number(cumulativeEmission(params, height) + premineGrains + faucetGrains)
}
