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
  readonly dutyCycle: number
  /** What was measured, for people. */
  readonly text: string
}

/**
 * Part of the measured speed that miners reach once all processes share the cores. Rather too low: a target that is too easy
 * costs some early blocks until the difficulty rule has caught up, one that is too hard keeps everybody waiting.
 */
export const SHARED_SPEED = 0.6
/** Units that nobody paid for, of all miners together, where clients ask for many: fewer than what those ask in a block time. */
const BOOTSTRAP_UNITS_PER_BLOCK = 4
const WARM_UP_UNITS = 3
const MEASURED_UNITS = 7

export interface CalibrationInput {
  readonly params: Params
  readonly miners: number
  /** Undefined: chosen here. */
  readonly dutyCycle: number | undefined
  /** Whether miners have paid units, which need no pause, so that few others suffice. */
  readonly isPaid: boolean
  /** How many can really run at once. */
  readonly cores: number
  /** What the miners multiply where that is their choice. */
  readonly works: readonly OpenWork[]
}

/** Part of the time that each miner can work, so that all share the machine. */
export const sharedDuty = (miners: number, cores: number): number =>
  Math.min(0.9, Math.max(0.05, (0.6 * cores) / Math.max(1, miners)))

/** The first target that suits this machine, and the duty cycle it is for. */
export async function calibrate(input: CalibrationInput): Promise<Calibration> {
  const { params, miners, cores, works } = input
  if (params.bindings.provenance !== 'open') return calibrateUnits(input)
  const dutyCycle = input.dutyCycle ?? sharedDuty(miners, cores)
  return { ...(await calibrateOpen(params, miners * dutyCycle, cores, works)), dutyCycle }
}

/**
 * Measures units on this machine and derives the first target (BLK-6): a wrong one would make the first blocks come in a
 * burst, or not at all, until the difficulty rule has caught up.
 */
async function calibrateUnits({ params, miners, dutyCycle, isPaid, cores }: CalibrationInput): Promise<Calibration> {
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
  const shared = sharedDuty(miners, cores)
  const few = (BOOTSTRAP_UNITS_PER_BLOCK * unitMs) / (params.block.timeMs * miners)
  const duty = dutyCycle ?? (isPaid ? Math.min(shared, few) : shared)
  const atOnce = Math.min(miners * duty, cores)
  const unitsPerBlock = (params.block.timeMs / unitMs) * atOnce * SHARED_SPEED
  const macs = drawMacs(params, LANE_BOOTSTRAP, model.config, modelParams, params.units.bootstrapPromptTokens)
  const times = `${unitMs.toFixed(0)} ms with the lottery, its re-execution ${median(replayTimes).toFixed(0)} ms`
  return {
    genesisBits: bitsForWork(params, macs * unitsPerBlock),
    dutyCycle: duty,
    text: `a unit takes ${times} (${kernels.name} kernels); duty cycle of the miners ${duty.toPrecision(2)}`,
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
