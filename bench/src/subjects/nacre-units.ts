/** Whole units of the devnet on the engine, and the checks of them. */
import { commitTraceFast, createUnitEngine, type UnitEngine, type UnitResult } from '@nacre/engine'
import {
  buildTicketProof,
  checkStep,
  type KeyedHash,
  LANE_BOOTSTRAP,
  openStep,
  presets,
  type StepOpening,
  sampleSteps,
  ticketMacs,
  unitTickets,
} from '@nacre/protocol'
import type { KernelFactory } from '../../../packages/engine/src/kernels/types.ts'
import type { Measured, UnitJob, UnitWork } from '../jobs.ts'
import { timeRuns } from '../timing.ts'
import { bytes32, devnetModel, devnetModelParams, drawKeys, PROMPT_TOKENS, task } from './devnet.ts'
import { nacreRedraw, type Redraw } from './nacre-redraw.ts'

/** Steps of one unit that are opened and checked together; a verifier samples 8. */
const SAMPLED_STEPS = 32
const PARENT = 7

interface Unit {
  readonly result: UnitResult
  readonly openings: readonly StepOpening[]
}

export async function nacreUnits(
  kernels: KernelFactory,
  hash: KeyedHash,
): Promise<(job: UnitJob, budgetMs: number) => Measured> {
  const model = await devnetModel(hash)
  const modelParams = devnetModelParams
  const engine = createUnitEngine({ model, kernels, hash, lottery: modelParams })
  /** Never runs a unit, so it has no W' in memory. */
  const verifier = createUnitEngine({ model, kernels, hash, lottery: modelParams })
  const macs = ticketMacs(presets.devnet, LANE_BOOTSTRAP, model.config, modelParams)
  const steps = sampleSteps(bytes32(3), engine.generate(task(0)).shape, SAMPLED_STEPS)

  const runUnit = (i: number, parent: number): UnitResult =>
    engine.runUnit({ task: task(i), modelParams, ...drawKeys(i, parent) })

  /** A unit whose results the checks work on: executed once, checked many times. */
  const executed = (): Unit => {
    const result = runUnit(0, PARENT)
    return { result, openings: steps.map((step) => openStep(result.trace, result.commitment, step)) }
  }
  let unit: Unit | undefined
  const kept = (): Unit => {
    unit ??= executed()
    return unit
  }

  const proofOf = ({ trace, commitment, best }: UnitResult) =>
    buildTicketProof(trace, commitment.subroots, commitment.top, best!.position, modelParams.tileRows, hash)

  const verification = (by: UnitEngine): (() => void) => {
    const { result } = kept()
    // The last parent whose W' the engine has seen must be this one.
    runUnit(0, PARENT)
    const input = {
      ...{ ...drawKeys(0, PARENT), modelParams, promptTokens: PROMPT_TOKENS, ticketMacs: macs },
      ...{ traceRoot: result.traceRoot, ticket: result.best!, proof: proofOf(result), target: 1n << 255n },
    }
    return () => by.verifyTicketProof(input)
  }

  /** Times the tickets of a bootstrap unit, drawn again from the kept trace of a prompt of this length. */
  const redraws = new Map<number, Redraw>()
  const redraw = (promptTokens: number) => (): (() => unknown) => {
    const again = redraws.get(promptTokens) ?? nacreRedraw(kernels, hash, model, promptTokens)
    redraws.set(promptTokens, again)
    return () => again.draw(next++)
  }
  const perRedraw = (promptTokens: number): number =>
    unitTickets(model.config, modelParams, promptTokens) / unitTickets(model.config, modelParams, PROMPT_TOKENS)

  let next = 1
  const works: Record<UnitWork, () => () => unknown> = {
    unit: () => () => runUnit(next++, PARENT),
    'unit-new-parent': () => () => runUnit(next, PARENT + next++),
    'trace-only': () => () => commitTraceFast(engine.generate(task(next++)), hash),
    'tokens-only': () => () => engine.generate(task(next++)),
    replay: () => {
      const { tokens } = kept().result.trace
      return () => engine.replayUnit(task(0), tokens)
    },
    'commit-trace': () => {
      const { trace } = kept().result
      return () => commitTraceFast(trace, hash)
    },
    'prove-ticket': () => {
      const { result } = kept()
      return () => proofOf(result)
    },
    'verify-ticket': () => verification(verifier),
    'verify-ticket-cached': () => verification(engine),
    'open-steps': () => {
      const { trace, commitment } = kept().result
      return () => steps.map((step) => openStep(trace, commitment, step))
    },
    'check-steps': () => {
      const { result, openings } = kept()
      const { traceRoot } = result
      return () => {
        for (const opening of openings) checkStep({ model, task: task(0), traceRoot, opening, hash })
      }
    },
    'redraw-16': redraw(16),
    'redraw-64': redraw(64),
    'redraw-96': redraw(96),
  }
  const pieces: Partial<Record<UnitWork, number>> = {
    'open-steps': SAMPLED_STEPS,
    'check-steps': SAMPLED_STEPS,
    'redraw-16': perRedraw(16),
    'redraw-64': perRedraw(64),
    'redraw-96': perRedraw(96),
  }

  return ({ work }, budgetMs) => {
    const measured = timeRuns(works[work](), budgetMs)
    return { ...measured, ms: measured.ms / (pieces[work] ?? 1) }
  }
}
