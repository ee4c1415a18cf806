import type { Params } from '@nacre/protocol'
import { MiningNetwork } from '../../chain/mining-network.ts'
import { Simulation } from '../../core/simulation.ts'
import type { Series } from '../types.ts'
import { HOUR_MS } from '../units.ts'
import type { DifficultyValues } from './params.ts'
import { baseSpeed, difficultyCurve } from './steps.ts'

export interface HoppingResult {
  readonly blockTimeS: number
  /** The hoppers' part of the blocks. */
  readonly blocksPercent: number
  /** The hoppers' part of the work done. */
  readonly workPercent: number
  /** The hoppers' part of the expected blocks less their part of the work. Expected blocks: chance of finding left out. */
  readonly stolenPercent: number
  /** Expected blocks per work of the hoppers over those of the honest miners; 1 if the hoppers never worked. */
  readonly yieldRatio: number
  readonly visits: number
  readonly curve: Series
}

/** Honest miners of constant speed, and hoppers that work only while difficulty is low. */
export function runHopping(params: Params, values: DifficultyValues, seed: number): HoppingResult {
  const simulation = new Simulation()
  const network = new MiningNetwork(params, simulation, seed, values.propagationMs)
  const speed = baseSpeed(params)
  const suitedMacs = speed * params.block.timeMs
  const endMs = values.hopHours * HOUR_MS
  let isWorking = false
  let visits = 0
  const decide = (workMacs: number): void => {
    const ratio = workMacs / suitedMacs
    const wasWorking = isWorking
    isWorking = wasWorking ? ratio <= values.leaveAbove : ratio < values.enterBelow
    if (isWorking === wasWorking) return
    if (isWorking) visits++
    network.setSpeed(hopper, isWorking ? speed * values.hopperFactor : 0)
  }
  const honest = network.addMiner({ name: 'honest', crowd: true })
  const hopper = network.addMiner({
    name: 'hoppers',
    crowd: false,
    onTip: (_tip, nextWorkMacs) => decide(nextWorkMacs),
  })
  network.setSpeed(honest, speed)
  decide(suitedMacs)
  simulation.runUntil(endMs)

  const chain = network.bestChain()
  const hopperBlocks = chain.filter((block) => block.miner === hopper).length
  const ours = network.effortOf(hopper)
  const theirs = network.effortOf(honest)
  const workPercent = (100 * ours.macs) / (ours.macs + theirs.macs)
  return {
    blockTimeS: endMs / 1000 / Math.max(1, chain.length),
    blocksPercent: (100 * hopperBlocks) / Math.max(1, chain.length),
    workPercent,
    stolenPercent: (100 * ours.expectedBlocks) / (ours.expectedBlocks + theirs.expectedBlocks) - workPercent,
    yieldRatio: ours.macs === 0 ? 1 : ours.expectedBlocks / ours.macs / (theirs.expectedBlocks / theirs.macs),
    visits,
    curve: difficultyCurve(chain, suitedMacs, endMs),
  }
}
