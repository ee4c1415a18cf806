/** Parameters of a case: the preset `unit` with room for many jobs, and premiums frequent enough to be counted. */
import {
  createContext,
  drawMacs,
  LANE_BOOTSTRAP,
  overrideParams,
  type Params,
  presets,
  unitCorpus,
  unitModel,
} from '@nacre/protocol'
import { bitsForWork } from '../../src/devnet/calibrate.ts'
import type { SelfDealingCase } from './cases.ts'
import { UNITS_PER_BLOCK } from './virtual-stage.ts'

/** Products of an open draw of random matrices; four of them per block and miner. */
const OPEN_DRAW_MACS = 256 * 512 * 2048
const OPEN_DRAWS_PER_BLOCK = 4

/** What every case changes in the preset `unit`, and why. */
export const COMMON: readonly string[] = [
  'block.timeMs=4000', // several units fit a block, so that few are stale
  'block.maxFutureMs=20000',
  'difficulty.halfLifeMs=64000',
  'units.bootstrapPromptTokens=32', // whole tiles of the open lane
  'jobs.maxAsksPerModel=16',
  'jobs.maxOpenPerModel=64',
  'jobs.maxClearedPerModel=32',
  'jobs.weightBlocks=240', // as on devnet: a weight is the mean of many wins
]

/**
 * A paid ticket counts as much as a bootstrap ticket: a unit's expected premium does not depend on it, and a twentieth of it would
 * leave too few premiums to count.
 */
const PAID_DRAWS = 'jobs.paidDrawPpm=1000000'

/** Open work has neither unit nor trace: as in the preset `pearl`. */
const OPEN: readonly string[] = [
  ...['jobs.paidDrawPpm=0', 'block.winnerCheck=none'],
  ...['assignedInputs', 'registeredWeights', 'operandBeforeNoise', 'completionBeforeDraw', 'singleUse', 'checked'].map(
    (binding) => `bindings.${binding}=off`,
  ),
]

export function paramsOf({ provenance, burnPpm, miners, overrides = [] }: SelfDealingCase): Params {
  const isOpen = provenance === 'open'
  const lines = [
    ...[...COMMON, `bindings.provenance=${provenance}`, `fees.burnPpm=${burnPpm}`],
    ...(isOpen ? OPEN : [PAID_DRAWS]),
    ...overrides,
  ]
  const params = overrideParams(presets.unit, lines)
  const { model, params: modelParams } = createContext(params, unitModel(), unitCorpus()).bootstrap
  const unitMacs = drawMacs(params, LANE_BOOTSTRAP, model.config, modelParams, params.units.bootstrapPromptTokens)
  const macs = isOpen ? miners * OPEN_DRAWS_PER_BLOCK * OPEN_DRAW_MACS : UNITS_PER_BLOCK * unitMacs
  return overrideParams(params, [`difficulty.genesisBits=${bitsForWork(params, macs)}`])
}
