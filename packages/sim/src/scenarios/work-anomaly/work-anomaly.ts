/** A private kernel against the work monitor: how soon is it found, and how often is an honest chain accused? */
import { type AlarmCode, type BlockSample, WorkMonitor } from '@nacre/node/monitor'
import type { Params } from '@nacre/protocol'
import { MiningNetwork, type SimBlock } from '../../chain/mining-network.ts'
import type { RandomStream } from '../../core/random.ts'
import { Simulation } from '../../core/simulation.ts'
import { baseSpeed } from '../difficulty/steps.ts'
import type { Outcome, Scenario, Series } from '../types.ts'
import { HOUR_MS } from '../units.ts'
import { checkWorkAnomaly, WORK_ANOMALY_PARAMS, type WorkAnomalyValues } from './params.ts'

/** A miner's index where the work is the kernel's and wins under a key of its own. */
const OWN_KEY = -1
/** Points of the curve. */
const POINTS = 100

interface Plan {
  readonly changeMs: number
  readonly endMs: number
  /** Speed of all miners before the kernel, in MACs per ms, and how many times that afterwards. */
  readonly speed: number
  readonly growthTimes: number
  readonly kernelMiners: number
}

function planOf(params: Params, values: WorkAnomalyValues): Plan {
  const { miners, speedUp, kernelShare, quietBlocks, watchBlocks } = values
  const kernelMiners = Math.max(1, Math.round(kernelShare * miners))
  return {
    changeMs: quietBlocks * params.block.timeMs,
    endMs: (quietBlocks + watchBlocks) * params.block.timeMs,
    speed: baseSpeed(params),
    growthTimes: 1 + ((speedUp - 1) * kernelMiners) / miners,
    kernelMiners,
  }
}

/** Whose block it is, in proportion to speed. */
function winner(stream: RandomStream, values: WorkAnomalyValues, plan: Plan, hasKernel: boolean): number {
  const { miners, speedUp, keys } = values
  const additional = hasKernel ? (speedUp - 1) * plan.kernelMiners : 0
  const at = stream.uniform() * (miners + additional)
  if (at < miners) return Math.floor(at)
  return keys === 'known' ? Math.floor((at - miners) / (speedUp - 1)) : OWN_KEY
}

function mine(params: Params, values: WorkAnomalyValues, plan: Plan, seed: number): SimBlock[] {
  const simulation = new Simulation()
  const network = new MiningNetwork(params, simulation, seed, values.propagationMs)
  const all = network.addMiner({
    name: 'miners',
    crowd: true,
    member: (stream) => winner(stream, values, plan, simulation.nowMs > plan.changeMs),
  })
  network.setSpeed(all, plan.speed)
  simulation.at(plan.changeMs, () => network.setSpeed(all, plan.speed * plan.growthTimes))
  simulation.runUntil(plan.endMs)
  return network.bestChain()
}

/** A block as a node would sample it. There are no prices here, so nothing is said of reward and cost. */
function sampleOf(params: Params, values: WorkAnomalyValues, plan: Plan, block: SimBlock): BlockSample {
  const { miners, asks, keys, speedUp } = values
  const hasKernel = block.foundMs > plan.changeMs
  const perMiner = (plan.speed * params.block.timeMs) / miners
  const declaredBy = (member: number): number => {
    if (asks === 'none') return 0
    const factor = asks === 'all' && hasKernel && keys === 'known' && member < plan.kernelMiners ? speedUp : 1
    return member === OWN_KEY ? 0 : factor * perMiner
  }
  const times = asks === 'all' && hasKernel ? plan.growthTimes : 1
  const declaredMacs = asks === 'none' ? 0 : times * miners * perMiner
  const keysWithAsks = asks === 'none' ? 0 : miners
  return {
    height: block.height,
    id: String(block.height),
    timeMs: block.timeMs,
    workMacs: block.workMacs,
    minerKey: block.member === OWN_KEY ? (keys === 'new' ? 'new' : `fresh ${block.height}`) : `miner ${block.member}`,
    isPaid: false,
    rewardGrains: 0,
    costGrainsPerGmac: 0,
    minerDeclaredMacs: declaredBy(block.member),
    capacity: { asks: keysWithAsks, keys: keysWithAsks, declaredMacs, roomMacs: declaredMacs, averageWorkMacs: 0 },
  }
}

interface Watched {
  /** Blocks and hours from the kernel to the first alarm of a code. */
  readonly found: ReadonlyMap<AlarmCode, { readonly blocks: number; readonly hours: number }>
  /** Alarms that started before it. */
  readonly falseAlarms: number
  readonly blocksAfter: number
  readonly curve: Series
}

function watch(params: Params, values: WorkAnomalyValues, plan: Plan, chain: readonly SimBlock[]): Watched {
  const monitor = new WorkMonitor({ blockTimeMs: params.block.timeMs })
  const found = new Map<AlarmCode, { blocks: number; hours: number }>()
  const before = chain.filter((block) => block.foundMs <= plan.changeMs).length
  let standing = new Set<AlarmCode>()
  let falseAlarms = 0
  const x: number[] = []
  const y: number[] = []
  const drawUpTo = (timeMs: number): void => {
    while (x.length < POINTS && ((x.length + 1) * plan.endMs) / POINTS <= timeMs) {
      const newest = monitor.report().rates[0]
      x.push(((x.length + 1) * plan.endMs) / POINTS / HOUR_MS)
      y.push(newest === undefined ? 0 : newest.macsPerSecond / (1000 * plan.speed))
    }
  }
  for (const block of chain) {
    drawUpTo(block.foundMs)
    monitor.push(sampleOf(params, values, plan, block))
    const codes = new Set(monitor.alarms().map(({ code }) => code))
    for (const code of codes) {
      if (standing.has(code)) continue
      if (block.foundMs <= plan.changeMs) falseAlarms++
      else if (!found.has(code))
        found.set(code, { blocks: block.height - before, hours: (block.foundMs - plan.changeMs) / HOUR_MS })
    }
    standing = codes
  }
  drawUpTo(plan.endMs)
  return { found, falseAlarms, blocksAfter: chain.length - before, curve: { x, y } }
}

function run(params: Params, values: WorkAnomalyValues, seed: number): Outcome {
  const plan = planOf(params, values)
  const { found, falseAlarms, blocksAfter, curve } = watch(params, values, plan, mine(params, values, plan, seed))
  const blocksUntil = (code: AlarmCode): number => found.get(code)?.blocks ?? blocksAfter
  const hoursUntil = (code: AlarmCode): number => found.get(code)?.hours ?? (plan.endMs - plan.changeMs) / HOUR_MS
  const percent = (code: AlarmCode): number => (found.has(code) ? 100 : 0)
  return {
    metrics: {
      growthTimes: plan.growthTimes,
      outgrowsFoundPercent: percent('WORK_OUTGROWS_CAPACITY'),
      outgrowsBlocks: blocksUntil('WORK_OUTGROWS_CAPACITY'),
      outgrowsHours: hoursUntil('WORK_OUTGROWS_CAPACITY'),
      jumpFoundPercent: percent('WORK_JUMP'),
      jumpBlocks: blocksUntil('WORK_JUMP'),
      keyFoundPercent: percent('KEY_OUTWORKS_DECLARED'),
      keyBlocks: blocksUntil('KEY_OUTWORKS_DECLARED'),
      falseAlarms,
      blocksAfter,
    },
    series: { workRate: curve },
  }
}

export const workAnomaly: Scenario<WorkAnomalyValues> = {
  name: 'work-anomaly',
  doc: 'A private kernel against the work monitor of a node: how soon is it found, and how often is an honest chain accused?',
  preset: 'nacre',
  params: WORK_ANOMALY_PARAMS,
  metrics: {
    growthTimes: { unit: 'times', doc: 'work of the whole network with the kernel over before' },
    outgrowsFoundPercent: { unit: '%', doc: 'runs with WORK_OUTGROWS_CAPACITY after the kernel' },
    outgrowsBlocks: { unit: 'blocks', doc: 'blocks from the kernel to that alarm; all there are if it never came' },
    outgrowsHours: { unit: 'h', doc: 'the same as time' },
    jumpFoundPercent: { unit: '%', doc: 'runs with WORK_JUMP after the kernel' },
    jumpBlocks: { unit: 'blocks', doc: 'blocks from the kernel to that alarm; all there are if it never came' },
    keyFoundPercent: { unit: '%', doc: 'runs with KEY_OUTWORKS_DECLARED after the kernel' },
    keyBlocks: { unit: 'blocks', doc: 'blocks from the kernel to that alarm; all there are if it never came' },
    falseAlarms: { unit: 'alarms', doc: 'alarms of any kind that started before the kernel' },
    blocksAfter: { unit: 'blocks', doc: 'blocks found with the kernel' },
  },
  series: {
    workRate: {
      unit: 'of before',
      xUnit: 'hours',
      group: 'work',
      doc: 'work rate that the newest 32 blocks imply, over the true one before the kernel',
    },
  },
  check: checkWorkAnomaly,
  run,
}
