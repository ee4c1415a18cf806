import { createFastHash, createKernels, createUnitEngine } from '@nacre/engine'
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

export interface Calibration {
  /** Compact first target at which this machine finds about one block per block time. */
  readonly genesisBits: number
  readonly unitMs: number
  readonly replayMs: number
  readonly kernels: string
}

/**
 * Part of the measured speed that miners reach once all processes share the cores. Rather too low: a target that is too easy
 * costs some early blocks until the difficulty rule has caught up, one that is too hard keeps everybody waiting.
 */
const SHARED_SPEED = 0.6
const WARM_UP_UNITS = 3
const MEASURED_UNITS = 7

/**
 * Measures units on this machine and derives the first target (BLK-6): a wrong one would make the first blocks come in a
 * burst, or not at all, until the difficulty rule has caught up.
 * @param activeMiners miners times duty cycle: how many work at once on average.
 * @param cores how many can really run at once.
 */
export async function calibrate(params: Params, activeMiners: number, cores: number): Promise<Calibration> {
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
  const maxTarget = targetFromBits(params.difficulty.maxTargetBits)
  const target = TARGET_LIMIT / BigInt(Math.max(1, Math.round(macs * unitsPerBlock)))
  return {
    genesisBits: bitsFromTarget(target < maxTarget ? target : maxTarget),
    unitMs,
    replayMs: median(replayTimes),
    kernels: kernels.name,
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >>> 1]!
}
