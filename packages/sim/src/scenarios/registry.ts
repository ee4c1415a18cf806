import { UsageError } from '../errors.ts'
import { difficulty } from './difficulty/difficulty.ts'
import { fairLaunch } from './fair-launch/fair-launch.ts'
import type { Scenario, ScenarioParam, ScenarioValues } from './types.ts'
import { workAnomaly } from './work-anomaly/work-anomaly.ts'

// `check` and `run` take the values of their own parameters, which `scenarioValues` makes; so the wider type is safe.
export const SCENARIOS: readonly Scenario[] = [fairLaunch, difficulty, workAnomaly] as unknown as readonly Scenario[]

/** The scenario called `name`. Throws UsageError with the names there are. */
export function scenarioByName(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name)
  if (found === undefined)
    throw new UsageError(`there is no scenario ${name}, only ${SCENARIOS.map((each) => each.name).join(', ')}`)
  return found
}

/** A scenario's values: its defaults with `name=value` settings. Throws UsageError that names the setting. */
export function scenarioValues(scenario: Scenario, settings: readonly string[]): ScenarioValues {
  const values: Record<string, string | number> = {}
  for (const [name, spec] of Object.entries(scenario.params)) values[name] = spec.default
  for (const setting of settings) {
    const at = setting.indexOf('=')
    if (at <= 0) throw new UsageError(`"${setting}" is not of the form name=value`)
    const name = setting.slice(0, at)
    const spec = Object.hasOwn(scenario.params, name) ? scenario.params[name] : undefined
    if (spec === undefined)
      throw new UsageError(
        `${scenario.name} has no parameter ${name}, only ${Object.keys(scenario.params).join(', ')}; protocol parameters have a dot and go with --set`,
      )
    values[name] = parseValue(name, spec, setting.slice(at + 1))
  }
  return values as ScenarioValues
}

function parseValue(name: string, spec: ScenarioParam, text: string): string | number {
  if (spec.kind === 'choice') {
    if (!spec.choices.includes(text)) throw new UsageError(`${name}=${text} is none of ${spec.choices.join(', ')}`)
    return text
  }
  if (!/^-?(\d+\.?\d*|\.\d+)(e-?\d+)?$/i.test(text))
    throw new UsageError(`${name} is a number (${spec.unit}), not "${text}"`)
  const value = Number(text)
  if (spec.kind === 'integer' && !Number.isInteger(value))
    throw new UsageError(`${name} is a whole number (${spec.unit}), not "${text}"`)
  if (value < spec.min || value > spec.max)
    throw new UsageError(`${name}=${text} is outside ${spec.min}..${spec.max} ${spec.unit}`)
  return value
}
