import { overrideParams, type Params, presetByName } from '@nacre/protocol'
import { UsageError } from '../errors.ts'
import { scenarioByName, scenarioValues } from '../scenarios/registry.ts'
import type { Outcome, ScenarioValues } from '../scenarios/types.ts'

/** Everything that determines one run; survives structured cloning and JSON. */
export interface Job {
  readonly scenario: string
  readonly preset: string
  /** Overrides of protocol parameters, `path=value`. */
  readonly set: readonly string[]
  /** Settings of the scenario, `name=value`. */
  readonly param: readonly string[]
  readonly seed: number
}

/** The protocol's parameters and the scenario's values of a job. Throws UsageError for anything that cannot be run. */
export function resolveJob(job: Job): { params: Params; values: ScenarioValues } {
  const scenario = scenarioByName(job.scenario)
  const values = scenarioValues(scenario, job.param)
  let params: Params
  try {
    params = overrideParams(presetByName(job.preset), job.set)
  } catch (error) {
    if (!(error instanceof Error && error.name === 'ProtocolError')) throw error
    throw new UsageError(error.message)
  }
  scenario.check(params, values)
  return { params, values }
}

/** Runs one job. The same job gives the same outcome, bit for bit. Throws UsageError, or Error for a figure that is no number. */
export function runJob(job: Job): Outcome {
  const { params, values } = resolveJob(job)
  const scenario = scenarioByName(job.scenario)
  const outcome = scenario.run(params, values, job.seed)
  for (const [name, value] of Object.entries(outcome.metrics))
    if (!Number.isFinite(value)) throw new Error(`${job.scenario} seed ${job.seed}: ${name} is ${value}`)
  return outcome
}
