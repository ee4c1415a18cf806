/** Honest miners: audited steps of random jobs, none of which may look like fraud. */
import type { UnitEngine } from '@nacre/engine'
import {
  FIXED_STEPS,
  type KeyedHash,
  MAX_TEMPERATURE_MILLI,
  type Model,
  type Params,
  STEP_KINDS,
  type StepKind,
  sampleSteps,
  type UnitTask,
} from '@nacre/protocol'
import { Draws, seedOf } from './seeds.ts'
import { delivered, isFraud, openingBytes } from './units.ts'

export interface HonestOptions {
  readonly model: Model
  /** What miners run. */
  readonly engine: Pick<UnitEngine, 'generate'>
  readonly hash: KeyedHash
  readonly params: Params
  /** Drawn steps, at least. */
  readonly steps: number
}

export interface HonestResult {
  readonly units: number
  /** Drawn ones; those of every audit (`shape`, `input`) come on top. */
  readonly drawn: number
  readonly byKind: Readonly<Record<StepKind, number>>
  /** Steps that looked wrong. */
  readonly alarms: number
  readonly promptTokens: readonly [least: number, most: number]
  readonly newTokens: readonly [least: number, most: number]
  /** Units at a temperature above 0, and units that ended with the end-of-sequence token. */
  readonly sampled: number
  readonly stopped: number
  /** Largest encoded opening. */
  readonly maxOpeningBytes: number
}

/** A job as nobody would choose it: any tokens, any lengths that the network allows, any decoding. */
export function randomTask(model: Model, params: Params, n: number): UnitTask {
  const draws = new Draws(`job/${n}`)
  const { vocabSize, maxSeqLen } = model.config
  const promptTokens = Array.from({ length: 1 + draws.below(params.units.maxPromptTokens) }, () =>
    draws.below(vocabSize),
  )
  const room = Math.min(params.units.maxNewTokens, maxSeqLen - promptTokens.length + 1)
  const temperatures = [0, 1 + draws.below(2000), draws.below(MAX_TEMPERATURE_MILLI + 1)]
  return {
    promptTokens,
    maxNewTokens: 1 + draws.below(room),
    decoding: {
      temperatureMilli: temperatures[draws.below(3)]!,
      seed: seedOf('decoding', n),
      stopAtEos: draws.unit() < 0.5,
    },
  }
}

/** Audits random jobs until enough steps are drawn. Each opening is encoded and decoded on its way. */
export function honestRuns(options: HonestOptions): HonestResult {
  const { model, engine, hash, params } = options
  const byKind = Object.fromEntries(STEP_KINDS.map((kind) => [kind, 0])) as Record<StepKind, number>
  const [prompts, answers]: [number[], number[]] = [[], []]
  let [drawn, alarms, sampled, stopped, maxOpeningBytes] = [0, 0, 0, 0, 0]
  let units = 0
  for (; drawn < options.steps; units++) {
    const task = randomTask(model, params, units)
    const unit = delivered(model, task, engine.generate(task), hash)
    const { shape } = unit.trace
    const steps = sampleSteps(seedOf('honest', units), shape, params.audits.steps)
    for (const ref of [...FIXED_STEPS, ...steps]) {
      const bytes = openingBytes(unit, ref)
      maxOpeningBytes = Math.max(maxOpeningBytes, bytes.length)
      byKind[ref.kind]++
      if (isFraud(unit, bytes)) alarms++
    }
    drawn += steps.length
    prompts.push(shape.promptTokens)
    answers.push(shape.newTokens)
    if (task.decoding.temperatureMilli > 0) sampled++
    if (shape.newTokens < task.maxNewTokens) stopped++
  }
  const range = (values: readonly number[]): [number, number] => [Math.min(...values), Math.max(...values)]
  return {
    ...{ units, drawn, byKind, alarms, sampled, stopped, maxOpeningBytes },
    promptTokens: range(prompts),
    newTokens: range(answers),
  }
}
