import type { Ticket, Trace, UnitTask } from '@nacre/protocol'

/** One unit to run for the lottery. */
export interface UnitJob {
  readonly task: UnitTask
  readonly unitId: Uint8Array
  readonly minerKey: Uint8Array
  readonly parentBeacon: Uint8Array
  /** Tickets below this win; the trace comes back only then. */
  readonly threshold: bigint
}

export interface UnitOutcome {
  /** Tokens of the unit, prompt and generated. */
  readonly tokens: readonly number[]
  /** Tickets drawn. */
  readonly tickets: number
  readonly won: { readonly trace: Trace; readonly ticket: Ticket } | undefined
}

/** What the miner needs of an engine: units run off the event loop. */
export interface UnitRunner {
  /** Runs a unit with the lottery. Rejects when `signal` aborts. */
  runUnit(job: UnitJob, signal: AbortSignal): Promise<UnitOutcome>
  /** Re-executes a unit without the lottery, for openings of units that are no longer in memory. */
  replayTrace(task: UnitTask, tokens: readonly number[]): Promise<Trace>
}
