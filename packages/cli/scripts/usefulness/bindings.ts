/**
 * What each binding is worth: a cheat that it closes, made and judged by everything that a node checks, with the binding and without it; and
 * how much less a draw costs that cheat on the devnet's model than it costs a miner that executes its units.
 */
import { availableParallelism, cpus } from 'node:os'
import { commitTraceFast, createUnitEngine } from '@nacre/engine'
import {
  bootstrapTask,
  type DrawBindings,
  decodeMacs,
  type ErrorCode,
  type GeneratedDims,
  generatedModel,
  generatedModelId,
  merkleTree,
  ProtocolError,
  presets,
  promptMacs,
  taggedHash,
  ticketKey,
  u32le,
  unitTickets,
} from '@nacre/protocol'
import { CHEATS } from '../../../protocol/test/bindings/cheats.ts'
import { networkOf, validate } from '../../../protocol/test/bindings/network.ts'
import { median } from '../../src/devnet/calibrate.ts'
import { CliError } from '../../src/errors.ts'
import { type Lab, openLab } from './lab.ts'
import { processorMs } from './measure.ts'
import { FirstLayer, keptRowsDraw, madeUpRows, placeRows } from './nacre-cheats.ts'

export interface BindingRow {
  readonly binding: string
  readonly does: string
  readonly off: readonly string[]
  /** What a node says to the cheat's block where the binding holds, and where it is off: undefined, it is valid. */
  readonly refusedOn: string | undefined
  readonly refusedOff: string | undefined
}

export interface CheatCost {
  readonly name: string
  /** Which bindings have to be off for it. */
  readonly off: readonly string[]
  /** Processor time for as many draws as a unit has, or draws that stand for as many products: median, least and most of the rounds. */
  readonly ms: number
  readonly lowMs: number
  readonly highMs: number
  /** Draws for the same time, an honest miner's being 1. */
  readonly gain: number
  /** Products really multiplied for these draws, an honest unit's being 1. */
  readonly products: number
}

export interface BindingResults {
  readonly date: string
  readonly machine: string
  readonly kernels: string
  readonly rounds: number
  readonly rows: readonly BindingRow[]
  readonly costs: readonly CheatCost[]
  /** Dimensions of the generated model that draws most in a given time, of those that were tried. */
  readonly bestModel: GeneratedDims
}

const ROUNDS = 9
const BUDGET_MS = 40

export async function measureBindings(signal: AbortSignal): Promise<BindingResults> {
  const rows = CHEATS.map(({ binding, does, off, both, make }): BindingRow => {
    if (signal.aborted) throw new CliError('interrupted', 130, 'INTERRUPTED')
    const judge = (...lines: readonly string[]): ErrorCode | undefined => {
      const network = networkOf(...both, ...lines)
      try {
        validate(network, make(network))
        return undefined
      } catch (error) {
        if (error instanceof ProtocolError) return error.code
        throw error
      }
    }
    return { binding, does, off, refusedOn: judge(), refusedOff: judge(...off) }
  })
  const lab = await openLab(presets.devnet)
  const { pieces, bestModel } = piecesOf(lab)
  const samples = pieces.map(() => [] as number[])
  for (let round = -1; round < ROUNDS; round++) {
    for (const [i, { run, scale }] of pieces.entries()) {
      if (signal.aborted) throw new CliError('interrupted', 130, 'INTERRUPTED')
      const ms = processorMs(run, BUDGET_MS) * scale
      if (round >= 0) samples[i]!.push(ms)
    }
  }
  const honestMs = median(samples[0]!)
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores, Node ${process.versions.node}`,
    ...{ kernels: lab.kernels.name, rounds: ROUNDS, rows, bestModel },
    costs: pieces.map(({ name, off, products }, i) => {
      const ms = median(samples[i]!)
      const [lowMs, highMs] = [Math.min(...samples[i]!), Math.max(...samples[i]!)]
      return { name, off, ms, lowMs, highMs, gain: honestMs / ms, products: products / pieces[0]!.products }
    }),
  }
}

interface Piece {
  readonly name: string
  readonly off: readonly string[]
  readonly run: () => unknown
  /** Times the run is needed for as much chance as a unit of the registered model has. */
  readonly scale: number
  /** Products multiplied for that. */
  readonly products: number
}

/** Dimensions of generated models that are tried: few layers, little attention, wide feed-forward. */
const TRIED: readonly GeneratedDims[] = [
  { dModel: 128, nLayers: 1, nHeads: 1, nKvHeads: 1, headDim: 16, ffnDim: 1024 },
  { dModel: 192, nLayers: 1, nHeads: 1, nKvHeads: 1, headDim: 16, ffnDim: 1536 },
  { dModel: 256, nLayers: 1, nHeads: 1, nKvHeads: 1, headDim: 16, ffnDim: 1024 },
  { dModel: 384, nLayers: 1, nHeads: 1, nKvHeads: 1, headDim: 16, ffnDim: 768 },
  { dModel: 512, nLayers: 1, nHeads: 1, nKvHeads: 1, headDim: 16, ffnDim: 512 },
]

function piecesOf(lab: Lab): { readonly pieces: readonly Piece[]; readonly bestModel: GeneratedDims } {
  const { context, engine, hash, kernels } = lab
  const { params, bootstrap } = context
  const { model, params: modelParams, corpus } = bootstrap
  const { config } = model
  const { bootstrapPromptTokens: prompt, bootstrapNewTokens: answer } = params.units
  let n = 0
  const name32 = (i: number): Uint8Array => taggedHash('unitId', u32le(i))
  const task = () => bootstrapTask(params, name32(++n), corpus)
  const draw = (bindings: DrawBindings = params.bindings) => ({ unitId: name32(++n), minerKey: name32(0), bindings })
  const unitOf = (of: typeof engine) => () =>
    of.runUnit({ ...{ task: task(), modelParams, parentBeacon: name32(0) }, ...draw() })
  const tickets = unitTickets(config, modelParams, prompt)
  const whole = promptMacs(config, prompt)
  const perLayer = config.dModel * ((config.nHeads + 2 * config.nKvHeads) * config.headDim + 2 * config.ffnDim)
  const ticketProducts = prompt * config.nLayers * perLayer
  const firstProducts = prompt * config.dModel * (config.nHeads + 2 * config.nKvHeads) * config.headDim

  const kept = lab.drawer('all')
  kept.setParent(name32(0))
  const trace = engine.generate(task())
  placeRows(kept, trace)
  const keptRoot = commitTraceFast(trace, hash).traceRoot

  const made = lab.drawer('all')
  made.setParent(name32(0))
  const madeUp = madeUpRows(lab, made, 'bindings')
  made.multiply(draw())
  const grind = (): unknown => {
    const subroots = madeUp.subroots.with(-1, name32(++n))
    const { root } = merkleTree(subroots, hash)
    return made.best(ticketKey({ unitId: name32(0), traceRoot: root, bindings: params.bindings }))
  }
  const again = { ...params.bindings, singleUse: 'off' } as const
  const redraw = (): unknown =>
    made.best(ticketKey({ unitId: name32(0), traceRoot: keptRoot, counter: ++n, bindings: again }))

  const early = new FirstLayer(lab)
  early.drawer.setParent(name32(0))
  const before = { ...params.bindings, completionBeforeDraw: 'off' } as const

  const models = TRIED.map((dims) => {
    const of = generatedModel(generatedModelId({ ...dims, seed: new Uint8Array(16) }), config)
    const macs = promptMacs(of.config, prompt)
    const run = unitOf(createUnitEngine({ model: of, kernels, hash, lottery: modelParams }))
    run()
    return { dims, run, scale: whole / macs, products: (whole / macs) * (macs + decodeMacs(of.config, answer)) }
  })
  const best = models.toSorted((a, b) => processorMs(a.run) * a.scale - processorMs(b.run) * b.scale)[0]!
  const honest = whole + decodeMacs(config, answer)
  const { dModel, ffnDim } = best.dims
  return {
    bestModel: best.dims,
    pieces: [
      { name: 'executes its units', off: [], run: unitOf(engine), scale: 1, products: honest },
      {
        ...{ name: 'one prompt of its own, executed once, its rows drawn over for every unit', off: ['B1'] },
        ...{ run: () => keptRowsDraw(kept, draw(), keptRoot), scale: 1, products: ticketProducts },
      },
      {
        ...{ name: `a model of its own: one layer, width ${dModel}, feed-forward ${ffnDim}`, off: ['B2'] },
        ...{ run: best.run, scale: best.scale, products: best.products },
      },
      {
        ...{ name: 'noise that is known beforehand, over the unit’s own prompt', off: ['B3'] },
        run: () =>
          engine.runUnit({
            ...{ task: task(), modelParams, parentBeacon: name32(0) },
            ...draw({ ...params.bindings, operandBeforeNoise: 'off' }),
          }),
        ...{ scale: 1, products: honest },
      },
      {
        ...{ name: 'the first product of each unit alone', off: ['B4'] },
        ...{ run: () => early.draw(draw(before), task()), scale: tickets / early.drawer.tickets },
        products: firstProducts * (tickets / early.drawer.tickets),
      },
      { name: 'one trace, drawn again under another counter', off: ['B5'], run: redraw, scale: 1, products: 0 },
      {
        ...{ name: 'random rows multiplied, nothing executed', off: ['B6'] },
        ...{ run: () => keptRowsDraw(made, draw(), madeUp.traceRoot), scale: 1, products: ticketProducts },
      },
      { name: 'random rows, drawn again under another trace root', off: ['B6'], run: grind, scale: 1, products: 0 },
    ],
  }
}
