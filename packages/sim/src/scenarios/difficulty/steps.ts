import { type Params, targetFromBits, workOfTarget } from '@nacre/protocol'
import { MiningNetwork, type SimBlock } from '../../chain/mining-network.ts'
import { Simulation } from '../../core/simulation.ts'
import type { Series } from '../types.ts'
import { HOUR_MS } from '../units.ts'
import type { DifficultyValues } from './params.ts'

/** Points of a curve over one run. */
const POINTS = 144

/** MACs per ms at which blocks of the genesis target come on schedule. */
export function baseSpeed(params: Params): number {
  return Number(workOfTarget(targetFromBits(params.difficulty.genesisBits))) / params.block.timeMs
}

/** Expected MACs of the next block over those of genesis, as they stood at points of time: a step function, sampled. */
export function difficultyCurve(chain: readonly SimBlock[], genesisWorkMacs: number, endMs: number): Series {
  const x: number[] = []
  const y: number[] = []
  let at = 0
  for (let point = 1; point <= POINTS; point++) {
    const timeMs = (point * endMs) / POINTS
    while (at + 1 < chain.length && chain[at + 1]!.foundMs <= timeMs) at++
    x.push(timeMs / HOUR_MS)
    y.push((chain[at]?.workMacs ?? genesisWorkMacs) / genesisWorkMacs)
  }
  return { x, y }
}

/** What one phase of constant hash rate looks like. */
export interface Phase {
  readonly blockTimeS: number
  /** Blocks beyond those of the schedule; negative if fewer. */
  readonly surplusBlocks: number
  /** Hours until the expected block time is first within the tolerance; the length of the phase if it never is. */
  readonly recoverHours: number
  readonly hasRecovered: boolean
  /** After recovery, how far difficulty goes beyond what suits the hash rate, in percent; chance included. */
  readonly overshootPercent: number
}

interface PhaseBounds {
  readonly fromMs: number
  readonly toMs: number
  /** Expected MACs that suit the phase's hash rate. */
  readonly suitedMacs: number
  /** +1: difficulty comes from below; -1: from above. */
  readonly direction: 1 | -1
}

function measure(params: Params, chain: readonly SimBlock[], bounds: PhaseBounds, tolerancePercent: number): Phase {
  const { fromMs, toMs, suitedMacs, direction } = bounds
  const durationMs = toMs - fromMs
  const blocks = chain.filter((block) => block.foundMs > fromMs && block.foundMs <= toMs)
  const tolerance = 1 + tolerancePercent / 100
  let recoveredMs: number | undefined
  let overshoot = 0
  for (const block of blocks) {
    const ratio = block.workMacs / suitedMacs
    // A block shows the difficulty that held since its parent.
    if (recoveredMs === undefined && (direction > 0 ? ratio * tolerance >= 1 : ratio <= tolerance))
      recoveredMs = Math.max(fromMs, block.parent!.foundMs)
    if (recoveredMs !== undefined) overshoot = Math.max(overshoot, direction > 0 ? ratio - 1 : 1 - ratio)
  }
  return {
    blockTimeS: durationMs / 1000 / Math.max(1, blocks.length),
    surplusBlocks: blocks.length - durationMs / params.block.timeMs,
    recoverHours: ((recoveredMs ?? toMs) - fromMs) / HOUR_MS,
    hasRecovered: recoveredMs !== undefined,
    overshootPercent: 100 * overshoot,
  }
}

export interface StepsResult {
  readonly steady: Phase
  readonly raised: Phase
  readonly lowered: Phase
  readonly curve: Series
}

/** Three phases: on schedule, `stepFactor` times the hash rate, and back. */
export function runSteps(params: Params, values: DifficultyValues, seed: number): StepsResult {
  const simulation = new Simulation()
  const network = new MiningNetwork(params, simulation, seed, values.propagationMs)
  const miner = network.addMiner({ name: 'steps', crowd: true })
  const speed = baseSpeed(params)
  const phaseMs = values.phaseHours * HOUR_MS
  network.setSpeed(miner, speed)
  simulation.at(phaseMs, () => network.setSpeed(miner, speed * values.stepFactor))
  simulation.at(2 * phaseMs, () => network.setSpeed(miner, speed))
  simulation.runUntil(3 * phaseMs)
  const chain = network.bestChain()
  const suitedMacs = speed * params.block.timeMs
  const phase = (index: number, factor: number, direction: 1 | -1): Phase =>
    measure(
      params,
      chain,
      { fromMs: index * phaseMs, toMs: (index + 1) * phaseMs, suitedMacs: suitedMacs * factor, direction },
      values.tolerancePercent,
    )
  return {
    steady: phase(0, 1, 1),
    raised: phase(1, values.stepFactor, 1),
    lowered: phase(2, 1, -1),
    curve: difficultyCurve(chain, suitedMacs, 3 * phaseMs),
  }
}
