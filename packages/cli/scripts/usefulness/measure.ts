/** Times the pieces of work of costs.ts on this machine, in turns. */
import { availableParallelism, cpus } from 'node:os'
import { openPlan } from '@nacre/engine'
import { bootstrapTask, presets, taggedHash, type UnitTask, u32le } from '@nacre/protocol'
import { median } from '../../src/devnet/calibrate.ts'
import { CliError } from '../../src/errors.ts'
import { type Costs, PIECES, type PieceName } from './costs.ts'
import { type Lab, openLab } from './lab.ts'
import { FirstLayer, keptRowsDraw, madeUpRows } from './nacre-cheats.ts'

const ROUNDS = 11
const BUDGET_MS = 60
/** No draw is cut short by a win. */
const HARDEST_BITS = 0x01010000

const name32 = (i: number): Uint8Array => taggedHash('unitId', u32le(i))

export async function measureCosts(signal: AbortSignal): Promise<Costs> {
  const lab = await openLab(presets.devnet)
  const pieces = piecesOf(lab)
  const samples = new Map<PieceName, number[]>(PIECES.map((piece) => [piece, []]))
  for (let round = -1; round < ROUNDS; round++) {
    for (const piece of PIECES) {
      if (signal.aborted) throw new CliError('interrupted', 130, 'INTERRUPTED')
      const ms = processorMs(pieces[piece])
      if (round >= 0) samples.get(piece)!.push(ms)
    }
  }
  return {
    machine: `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores, Node ${process.versions.node}`,
    kernels: lab.kernels.name,
    date: new Date().toISOString().slice(0, 10),
    rounds: ROUNDS,
    ms: Object.fromEntries(
      PIECES.map((piece) => [piece, Number(median(samples.get(piece)!).toFixed(3))]),
    ) as Costs['ms'],
  }
}

function piecesOf(lab: Lab): Record<PieceName, () => unknown> {
  const { context, engine } = lab
  const { params, bootstrap } = context
  const { model, params: modelParams, corpus } = bootstrap
  let n = 0
  const task = (change: Partial<UnitTask> = {}): UnitTask => ({
    ...bootstrapTask(params, name32(++n), corpus),
    ...change,
  })
  const one = { maxNewTokens: 1 }
  const unit = (parent: number, change: Partial<UnitTask> = {}): unknown =>
    engine.runUnit({
      ...{ task: task(change), modelParams, unitId: name32(n), minerKey: name32(0), parentBeacon: name32(parent) },
    })
  const [kept, keptOn] = [lab.drawer('all'), lab.drawer('all')]
  const [first, firstOn] = [new FirstLayer(lab), lab.drawer('first')]
  kept.setParent(name32(0))
  first.drawer.setParent(name32(0))
  const made = madeUpRows(lab, kept, 'measure')
  const draw = () => ({ unitId: name32(++n), minerKey: name32(0), bindings: params.bindings })
  const open = (work: 'random' | 'inference' | 'first-layer', isNew: boolean) => (): unknown => {
    const { prompts } = openPlan(work, model.config, params.units.bootstrapPromptTokens)
    const tasks = Array.from({ length: prompts }, () => task())
    const parentId = name32(isNew ? n : 0)
    const fixed = { minerKey: name32(0), bits: HARDEST_BITS, counter: 0, seed: name32(1) }
    return engine.drawOpen({
      ...{ work, tasks, draw: ++n, parentId, promptTokens: params.units.bootstrapPromptTokens, ...fixed },
    })
  }
  return {
    unit: () => unit(0),
    'unit, 1 token': () => unit(0, one),
    'unit on a new parent': () => unit(n),
    execution: () => engine.generate(task()),
    'execution, 1 token': () => engine.generate(task(one)),
    'draw over kept rows': () => keptRowsDraw(kept, draw(), made.traceRoot),
    'kept rows, new parent': () => keptOn.setParent(name32(++n)),
    'draw from the first product': () =>
      first.draw({ ...draw(), bindings: { ...params.bindings, completionBeforeDraw: 'off' } }, task()),
    'first product, new parent': () => firstOn.setParent(name32(++n)),
    'pearl: random': open('random', false),
    'pearl: random, new parent': open('random', true),
    'pearl: inference': open('inference', false),
    'pearl: inference, new parent': open('inference', true),
    'pearl: first layer': open('first-layer', false),
    'pearl: first layer, new parent': open('first-layer', true),
  }
}

/** Processor time of one run on this thread: it does not grow when others wait for the cores. */
export function processorMs(run: () => unknown, budgetMs: number = BUDGET_MS): number {
  const busyMs = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  const startMs = busyMs()
  let runs = 0
  for (let batch = 1; busyMs() - startMs < budgetMs; batch *= 2) {
    for (let i = 0; i < batch; i++) run()
    runs += batch
  }
  return (busyMs() - startMs) / runs
}
