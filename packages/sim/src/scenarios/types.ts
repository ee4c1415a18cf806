import type { Params, PresetName } from '@nacre/protocol'

/** A number that a scenario takes besides the protocol's parameters. */
export interface NumberParam {
  readonly kind: 'number' | 'integer'
  readonly default: number
  readonly unit: string
  readonly min: number
  readonly max: number
  readonly doc: string
}

/** One of several words that a scenario takes. */
export interface ChoiceParam {
  readonly kind: 'choice'
  readonly default: string
  readonly choices: readonly string[]
  readonly doc: string
}

export type ScenarioParam = NumberParam | ChoiceParam

/** One value for each of a scenario's parameters. */
export type ScenarioValues = Readonly<Record<string, string | number>>

/** What the values of `V` may be. */
export type ParamsOf<V extends ScenarioValues> = {
  readonly [K in keyof V]: V[K] extends number ? NumberParam : V[K] extends string ? ChoiceParam : ScenarioParam
}

/** What a figure measures and in which unit. */
export interface Quantity {
  readonly unit: string
  readonly doc: string
}

/** A curve over a grid that depends on the parameters only, so that curves of different seeds can be averaged. */
export interface SeriesQuantity extends Quantity {
  readonly xUnit: string
  /** Curves of one group share a chart. */
  readonly group: string
}

export interface Series {
  readonly x: readonly number[]
  readonly y: readonly number[]
}

/** The outcome of one run: every metric and series that the scenario declares, finite numbers only. */
export interface Outcome {
  readonly metrics: Readonly<Record<string, number>>
  readonly series: Readonly<Record<string, Series>>
}

export interface Scenario<V extends ScenarioValues = ScenarioValues> {
  readonly name: string
  readonly doc: string
  readonly preset: PresetName
  readonly params: ParamsOf<V>
  readonly metrics: Readonly<Record<string, Quantity>>
  readonly series: Readonly<Record<string, SeriesQuantity>>
  /** Throws UsageError for values that contradict each other or the protocol's parameters. */
  check(params: Params, values: V): void
  /** One run. The same arguments give the same outcome, bit for bit. */
  run(params: Params, values: V, seed: number): Outcome
}
