import type { WorkerPort } from '@nacre/engine'
import {
  type ConsensusContext,
  type DrawBindings,
  registeredModel,
  type StepOpening,
  type StepRef,
  TARGET_LIMIT,
  type Ticket,
  type TicketProof,
  type Trace,
  type UnitTask,
} from '@nacre/protocol'

/** One unit to run for the lottery. */
export interface UnitJob {
  readonly modelId: Uint8Array
  readonly task: UnitTask
  readonly unitId: Uint8Array
  readonly minerKey: Uint8Array
  readonly parentBeacon: Uint8Array
  /** Of the unit, and what the network's tickets commit to (B3 to B5). */
  readonly counter?: number
  readonly bindings?: DrawBindings
  /** Tickets below this win; trace and proof come back only then. */
  readonly threshold: bigint
  /** The trace comes back in any case. */
  readonly wantTrace?: boolean
}

/** What a block needs of a winning unit. */
export interface WinningUnit {
  readonly trace: Trace
  readonly traceRoot: Uint8Array
  readonly ticket: Ticket
  readonly proof: TicketProof
}

export interface UnitOutcome {
  /** Tokens of the unit, prompt and generated. */
  readonly tokens: readonly number[]
  readonly traceRoot: Uint8Array
  /** Tickets drawn. */
  readonly tickets: number
  readonly won: WinningUnit | undefined
  /** Only if `wantTrace`. */
  readonly trace: Trace | undefined
}

/** A unit executed without the lottery. */
export interface ExecutedUnit {
  /** Prompt and generated. */
  readonly tokens: readonly number[]
  readonly traceRoot: Uint8Array
  readonly trace: Trace
}

/** A unit executed again with the tokens that it is said to have. */
export type ReplayedUnit = Pick<ExecutedUnit, 'trace' | 'traceRoot'>

/** What the miner needs of an engine: units run off the event loop. */
export interface UnitRunner {
  /** Runs a unit with the lottery. Rejects when `signal` aborts. */
  runUnit(job: UnitJob, signal: AbortSignal): Promise<UnitOutcome>
  /** Executes a unit without the lottery. Rejects when `signal` aborts. */
  executeUnit(modelId: Uint8Array, task: UnitTask, signal: AbortSignal): Promise<ExecutedUnit>
  /** Re-executes a unit without the lottery, for openings of units that are no longer in memory. Yields to validation. */
  replayTrace(modelId: Uint8Array, task: UnitTask, tokens: readonly number[]): Promise<ReplayedUnit>
  /** Opens steps of a trace. Yields to validation. Rejects with ProtocolError STEP_OUT_OF_RANGE. */
  openSteps(trace: Trace, steps: readonly StepRef[]): Promise<readonly StepOpening[]>
}

/** Units of every registered model on an engine's workers. */
export function engineUnitRunner(context: ConsensusContext, workers: WorkerPort): UnitRunner {
  return {
    runUnit: async ({ threshold, ...job }, signal) => {
      const { params: modelParams } = registeredModel(context, job.modelId)
      const winBelow = toLittleEndian(threshold)
      const outcome = await workers.run({ kind: 'runUnit', modelParams, winBelow, ...job }, { signal })
      const { tokens, tickets, traceRoot, best, win, trace } = outcome
      const won = best === undefined || win === undefined ? undefined : { ...win, traceRoot, ticket: best }
      return { tokens: [...tokens], traceRoot, tickets, won, trace }
    },
    executeUnit: async (modelId, task, signal) => {
      const { traceRoot, trace } = await workers.run({ kind: 'executeUnit', modelId, task }, { signal })
      return { tokens: [...trace.tokens], traceRoot, trace }
    },
    replayTrace: async (modelId, task, tokens) => {
      const job = { kind: 'replayUnit', modelId, task, tokens, wantTrace: true, service: true } as const
      const { trace, traceRoot } = await workers.run(job)
      return { trace: trace!, traceRoot }
    },
    openSteps: (trace, steps) => workers.run({ kind: 'openSteps', trace, steps }),
  }
}

/** A threshold below 2^256 as 32 little-endian bytes. */
function toLittleEndian(threshold: bigint): Uint8Array {
  const out = new Uint8Array(32)
  let rest = threshold < TARGET_LIMIT ? threshold : TARGET_LIMIT - 1n
  for (let i = 0; i < 32; i++, rest >>= 8n) out[i] = Number(rest & 0xffn)
  return out
}
