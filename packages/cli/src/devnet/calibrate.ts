import { createFastHash, createKernels, createUnitEngine, type OpenWork } from '@nacre/engine'
import {
  bitsFromTarget,
  bootstrapTask,
  drawMacs,
  LANE_BOOTSTRAP,
  type Params,
  TARGET_LIMIT,
  taggedHash,
  targetFromBits,
  u32le,
} from '@nacre/protocol'
import { loadContext } from '../network-model.ts'
import { calibrateOpen } from './calibrate-open.ts'

export interface Calibration {
  /** Compact first target at which this machine finds about one block per block time. */
  readonly genesisBits: number
  /** What was measured, for people. */
  readonly text: string
}

/**
 * Part of the measured speed that miners reach once all processes share the cores. Rather too low: a target that is too easy
 * costs some early blocks until the difficulty rule has caught up, one that is too hard keeps everybody waiting.
 */
export const SHARED_SPEED = 0.6
const WARM_UP_UNITS = 3
const MEASURED_UNITS = 7

/**
 * The first target that suits this machine.
 * @param works what the miners multiply where that is their choice.
 */
export function calibrate(
  params: Params,
  activeMiners: number,
  cores: number,
  works: readonly OpenWork[],
): Promise<Calibration> {
  const isOpen = params.bindings.provenance === 'open'
  return isOpen ? calibrateOpen(params, activeMiners, cores, works) : calibrateUnits(params, activeMiners, cores)
}

/**
 * Measures units on this machine and derives the first target (BLK-6): a wrong one would make the first blocks come in a
 * burst, or not at all, until the difficulty rule has caught up.
 * @param activeMiners miners times duty cycle: how many work at once on average.
 * @param cores how many can really run at once.
 */
async function calibrateUnits(params: Params, activeMiners: number, cores: number): Promise<Calibration> {
  const hash = await createFastHash()
  const context = await loadContext(params, hash)
  const { model, params: modelParams, corpus } = context.bootstrap
  const kernels = await createKernels()
  const engine = createUnitEngine({ model, kernels, hash, lottery: modelParams })
  const unitTimes: number[] = []
  const replayTimes: number[] = []
  for (let i = 0; i < WARM_UP_UNITS + MEASURED_UNITS; i++) {
    const unitId = taggedHash('unitId', u32le(i))
    const task = bootstrapTask(params, unitId, corpus)
    const start = performance.now()
    const { trace } = engine.runUnit({
      task,
      modelParams,
      unitId,
      minerKey: unitId,
      parentBeacon: context.genesis.header.beacon,
    })
    const between = performance.now()
    engine.replayUnit(task, trace.tokens)
    if (i < WARM_UP_UNITS) continue
    unitTimes.push(between - start)
    replayTimes.push(performance.now() - between)
  }
  const unitMs = median(unitTimes)
  const atOnce = Math.min(activeMiners, cores)
  const unitsPerBlock = (params.block.timeMs / unitMs) * atOnce * SHARED_SPEED
  const macs = drawMacs(params, LANE_BOOTSTRAP, model.config, modelParams, params.units.bootstrapPromptTokens)
  const times = `${unitMs.toFixed(0)} ms with the lottery, its re-execution ${median(replayTimes).toFixed(0)} ms`
  return {
    genesisBits: bitsForWork(params, macs * unitsPerBlock),
    text: `a unit takes ${times} (${kernels.name} kernels)`,
  }
}

/** Compact target at which so many MACs find one block, as far as the parameters allow it. */
export function bitsForWork(params: Params, macsPerBlock: number): number {
  const maxTarget = targetFromBits(params.difficulty.maxTargetBits)
  const target = TARGET_LIMIT / BigInt(Math.max(1, Math.round(macsPerBlock)))
  return bitsFromTarget(target < maxTarget ? target : maxTarget)
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >>> 1]!
}
