import { createFastHash, createKernels, createUnitEngine, type OpenWork, openPlan } from '@nacre/engine'
import { bootstrapTask, openRules, type Params, taggedHash, u32le } from '@nacre/protocol'
import { loadContext } from '../network-model.ts'
import { bitsForWork, type Calibration, median, SHARED_SPEED } from './calibrate.ts'

const WARM_UP_DRAWS = 3
const MEASURED_DRAWS = 7

/** Measures draws of the open lane (chapter 12) on this machine: the miners take the kinds in turns, so their mean speed counts. */
export async function calibrateOpen(
  params: Params,
  activeMiners: number,
  cores: number,
  works: readonly OpenWork[],
): Promise<Omit<Calibration, 'dutyCycle'>> {
  const hash = await createFastHash()
  const context = await loadContext(params, hash)
  const { model, corpus } = context.bootstrap
  const kernels = await createKernels()
  const engine = createUnitEngine({ model, kernels, hash })
  const promptTokens = params.units.bootstrapPromptTokens
  const rules = openRules(params.open)
  const macsPerMs = new Map<OpenWork, number>()
  for (const work of new Set(works)) {
    const { prompts } = openPlan(work, model.config, promptTokens, rules)
    const rates: number[] = []
    for (let draw = 0; draw < WARM_UP_DRAWS + MEASURED_DRAWS; draw++) {
      const tasks = Array.from({ length: prompts }, (_, i) =>
        bootstrapTask(params, taggedHash('unitId', u32le(draw), u32le(i)), corpus),
      )
      const id = context.genesis.id
      // The hardest target: no draw is cut short by a win.
      const fixed = { parentId: id, minerKey: id, bits: HARDEST_BITS, counter: 0, seed: id, promptTokens, rules }
      const { macs, drawMs } = engine.drawOpen({ work, draw, tasks, ...fixed })
      if (draw >= WARM_UP_DRAWS) rates.push(macs / drawMs)
    }
    macsPerMs.set(work, median(rates))
  }
  const mean = works.reduce((sum, work) => sum + macsPerMs.get(work)!, 0) / works.length
  const atOnce = Math.min(activeMiners, cores)
  const speeds = [...macsPerMs].map(([work, rate]) => `${work} ${(rate / 1e6).toFixed(1)}`).join(', ')
  return {
    genesisBits: bitsForWork(params, params.block.timeMs * mean * atOnce * SHARED_SPEED),
    text: `billion products per second: ${speeds} (${kernels.name} kernels)`,
  }
}

const HARDEST_BITS = 0x01010000
