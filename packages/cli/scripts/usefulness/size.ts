/** How large the networks are, and how fast: the same for all. */
import { type OpenWork, openPlan } from '@nacre/engine'
import {
  type ConsensusContext,
  GRAINS_PER_NCR,
  pearl,
  TICKET_OPS,
  ticketMacs,
  ticketShape,
  unitTickets,
} from '@nacre/protocol'
import { type Costs, TIMED_TOKENS, unitMs } from './costs.ts'
import type { Pace } from './machine.ts'
import type { MinerName } from './miners.ts'

export interface Size {
  /** Blocks from the first job on before anything counts: until the first wins have matured into weight. */
  readonly warmUpBlocks: number
  /** Blocks in which jobs are posted that count. */
  readonly blocks: number
  /** Jobs that clients post per block, and fake ones. */
  readonly jobsPerBlock: number
  readonly ownJobsPerBlock: number
}

export const FULL: Size = { warmUpBlocks: 25, blocks: 80, jobsPerBlock: 2, ownJobsPerBlock: 1 }
export const QUICK: Size = { warmUpBlocks: 22, blocks: 8, jobsPerBlock: 1, ownJobsPerBlock: 1 }

/** What miners ask for 10^9 output MACs, and what clients bid: a job's fee is then about a hundredth of a block's reward. */
export const ASK: bigint = 10_000n * GRAINS_PER_NCR
export const BID: bigint = (ASK * 5n) / 4n

/** Virtual time of a bootstrap unit: within the twentieth of a block's time that JOB-3 allows. */
const UNIT_VIRTUAL_MS = 200
/** So many bootstrap units could each machine run per block: an eighth of its time, so that the four of them can be played here. */
export const UNITS_PER_BLOCK = 3

export function paceOf(costs: Costs, blockTimeMs: number): Pace {
  const stretch = UNIT_VIRTUAL_MS / unitMs(costs, TIMED_TOKENS)
  return { stretch, duty: (UNITS_PER_BLOCK * UNIT_VIRTUAL_MS) / blockTimeMs }
}

/** Processor time that each machine has per block. */
export const budgetMs = (costs: Costs): number => UNITS_PER_BLOCK * unitMs(costs, TIMED_TOKENS)

/** Products that a miner's draws stand for in a millisecond of processor time, if it does nothing else. */
export function drawnMacsPerMs(name: MinerName, context: ConsensusContext, costs: Costs): number {
  const { params, bootstrap } = context
  const { model, params: modelParams } = bootstrap
  const { bootstrapPromptTokens: promptTokens } = params.units
  if (params.bindings.provenance === 'open') {
    const work = WORKS[name]
    const { shape } = openPlan(work, model.config, promptTokens)
    const columns = shape.columns.reduce((sum, n) => sum + Math.floor(n / shape.w) * shape.w, 0)
    const macs = shape.m * columns * pearl.foldedLength(shape.k, shape.rank)
    const { ms } = costs
    const products = ms['pearl: inference'] - 6 * ms.execution
    const time = { honest: ms['pearl: inference'], random: ms['pearl: random'], 'self-dealing': products }
    return macs / (name === 'first-layer' ? ms['pearl: first layer'] : time[name])
  }
  const each = ticketMacs(params, 0, model.config, modelParams)
  const whole = each * unitTickets(model.config, modelParams, promptTokens)
  const first = ticketShape(model.config, modelParams, TICKET_OPS[0]!, promptTokens)
  if (name === 'random') return whole / costs.ms['draw over kept rows']
  if (name === 'first-layer')
    return (each * first.rowTiles * first.columnTiles) / costs.ms['draw from the first product']
  return whole / costs.ms.unit
}

/** What each miner multiplies under the baseline's rules. */
export const WORKS: Readonly<Record<MinerName, OpenWork>> = {
  honest: 'inference',
  random: 'random',
  'first-layer': 'first-layer',
  'self-dealing': 'inference',
}
