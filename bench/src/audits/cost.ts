/** What audits cost next to the inference that they check, in processor time of one thread, all kinds in turns. */
import { commitTraceFast, type UnitEngine } from '@nacre/engine'
import {
  checkHintedUnit,
  checkReceiptStep,
  commitTrace,
  executeUnit,
  FIXED_STEPS,
  type KeyedHash,
  type Model,
  openStep,
  type Params,
  replayUnit,
  type StepOpening,
  sampleSteps,
  stepAccumulators,
  stepDigest,
  stepOpeningCodec,
  type UnitTask,
  unitFreivaldsKeys,
  unitHints,
} from '@nacre/protocol'
import { ratios, type Spread, spreadOf } from '../stats.ts'
import { processorMs } from '../timing.ts'
import { seedOf } from './seeds.ts'
import { delivered } from './units.ts'

export interface CostOptions {
  readonly model: Model
  readonly engine: UnitEngine
  readonly hash: KeyedHash
  readonly params: Params
  readonly task: UnitTask
  readonly rounds: number
  /** Rounds that are not counted: compilers warm up in them. */
  readonly warmUps: number
  /** Processor time for each kind and round. */
  readonly budgetMs: number
  readonly onRound?: (round: number) => void
}

export const INFERENCE = 'inference: tokens, trace, commitment (engine)'
export const REFERENCE = 'inference: tokens, trace, commitment (reference)'
/** Kinds of checks, in the order of the table. */
export const CHECKS = {
  sampled: 'audit: 18 openings decoded and checked (16 drawn, and shape and input)',
  verdict: 'the same with the digests of its verdict',
  replay: 'whole unit: batched replay and its commitment (engine)',
  freivalds: 'whole unit: Freivalds with hints, and the commitment',
  referenceReplay: 'whole unit: replay and its commitment (reference)',
} as const
/** What others pay for that. */
export const SIDES = {
  open: 'miner: opens and encodes these 18 steps from a trace in memory',
  keys: 'verifier: Freivalds vectors and images of all weights, once for each secret',
} as const

export interface CostRow {
  readonly label: string
  readonly ms: Spread
  readonly overEngine: Spread
  readonly overReference: Spread
  readonly samples: readonly number[]
}

export interface CostResult {
  readonly rounds: number
  readonly rows: readonly CostRow[]
  readonly promptTokens: number
  readonly newTokens: number
  /** Bytes that travel: openings of one audit, hints and trace of a unit. */
  readonly openingsBytes: number
  readonly hintsBytes: number
  readonly traceBytes: number
}

/** Audits that are prepared, so that no two in a row look at the same steps. */
const PREPARED = 24

export function measureCost(options: CostOptions): CostResult {
  const { model, engine, hash, params, task, rounds } = options
  const trace = engine.generate(task)
  const unit = delivered(model, task, trace, hash)
  const secret = seedOf('cost/secret')
  const verifier = seedOf('cost/verifier')
  const audits = Array.from({ length: PREPARED }, (_, i) => {
    const refs = [...FIXED_STEPS, ...sampleSteps(seedOf('cost', i), trace.shape, params.audits.steps)]
    return { refs, openings: refs.map((ref) => stepOpeningCodec.encode(openStep(trace, unit.commitment, ref))) }
  })
  const keys = unitFreivaldsKeys(model, secret)
  const hints = unitHints(model, trace)
  let turn = 0
  const next = () => audits[turn++ % PREPARED]!
  const checked = (openings: readonly Uint8Array[]) =>
    openings.map((bytes) => checkReceiptStep(model, unit.unit, task, stepOpeningCodec.decode(bytes)))
  const unitId = seedOf('cost/unit')
  const pieces: readonly (readonly [label: string, run: () => unknown])[] = [
    [INFERENCE, () => commitTraceFast(engine.generate(task), hash)],
    [REFERENCE, () => commitTrace(executeUnit(model, task))],
    [CHECKS.sampled, () => checked(next().openings)],
    [
      CHECKS.verdict,
      () =>
        checked(next().openings)
          .slice(FIXED_STEPS.length)
          .map((view, draw) => stepDigest(verifier, secret, unitId, draw, stepAccumulators(view))),
    ],
    [CHECKS.replay, () => engine.replayUnit(task, trace.tokens)],
    [
      CHECKS.freivalds,
      () => {
        checkHintedUnit(keys, { model, task, trace, hints })
        commitTraceFast(trace, hash)
      },
    ],
    [CHECKS.referenceReplay, () => commitTrace(replayUnit(model, task, trace.tokens))],
    [
      SIDES.open,
      () =>
        next().refs.map((ref): Uint8Array => {
          const opening: StepOpening = openStep(trace, unit.commitment, ref)
          return stepOpeningCodec.encode(opening)
        }),
    ],
    [SIDES.keys, () => unitFreivaldsKeys(model, secret)],
  ]
  const samples = new Map<string, number[]>(pieces.map(([label]) => [label, []]))
  for (let round = -options.warmUps; round < rounds; round++) {
    options.onRound?.(round)
    for (let i = 0; i < pieces.length; i++) {
      // Every round begins with another kind, so that none always follows the same one.
      const [label, run] = pieces[(i + round + options.warmUps) % pieces.length]!
      const ms = processorMs(run, options.budgetMs)
      if (round >= 0) samples.get(label)!.push(ms)
    }
  }
  const rows = pieces.map(([label]): CostRow => {
    const own = samples.get(label)!
    const over = (base: string): Spread => spreadOf(ratios(own, samples.get(base)!))!
    return { label, ms: spreadOf(own)!, overEngine: over(INFERENCE), overReference: over(REFERENCE), samples: own }
  })
  const bytes = (arrays: readonly ArrayBufferView[]): number =>
    arrays.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const { shape: _, tokens, ...rowsOfTrace } = trace
  return {
    ...{ rounds, rows, promptTokens: trace.shape.promptTokens, newTokens: trace.shape.newTokens },
    openingsBytes: Math.round(audits.reduce((sum, { openings }) => sum + bytes(openings), 0) / PREPARED),
    hintsBytes: bytes([...hints.layers.flatMap(({ qkv, o, gateUp, down }) => [qkv, ...o, gateUp, down]), hints.head]),
    traceBytes: bytes([tokens, ...Object.values(rowsOfTrace).flat()]),
  }
}
