/** What worker threads do, and how: the same code runs inline and behind a thread boundary. */
import {
  buildTicketProof,
  bytesToHex,
  generatedModel,
  isGeneratedModelId,
  type KeyedHash,
  MAX_GENERATED_MODELS,
  type Model,
  type OpenClaim,
  openStep,
  ProtocolError,
  type StepOpening,
  type StepRef,
  type Ticket,
  type TicketProof,
  type TicketProofInput,
  type Trace,
  type UnitTask,
  verifyOpenProof,
} from '@nacre/protocol'
import type { OpenDrawInput, OpenDrawOutcome } from '../open/draw.ts'
import { compareLittleEndian } from '../run/best-ticket.ts'
import { commitTraceFast } from '../run/commit.ts'
import type { RunUnitInput, UnitEngine } from '../run/engine.ts'

/** Executes a unit and draws its tickets. */
export interface RunUnitJob extends RunUnitInput {
  readonly kind: 'runUnit'
  readonly modelId: Uint8Array
  /** 256-bit little-endian: a unit whose best ticket is below it comes back with its trace. Without it, none does. */
  readonly winBelow?: Uint8Array
  /** Its trace comes back whether it wins or not: somebody may ask for openings of a paid unit. */
  readonly wantTrace?: boolean
}

export interface RunUnitOutcome {
  /** All P + G tokens. */
  readonly tokens: Uint32Array
  readonly traceRoot: Uint8Array
  /** Undefined if the unit draws no ticket. */
  readonly best: Ticket | undefined
  readonly tickets: number
  readonly promptMacs: number
  readonly decodeMacs: number
  /** Only for a ticket below `winBelow`: what a block and its openings need. */
  readonly win: { readonly trace: Trace; readonly proof: TicketProof } | undefined
  /** Only if `wantTrace`. */
  readonly trace: Trace | undefined
}

/** Executes a unit without a draw: a paid unit that makes no block. */
export interface ExecuteUnitJob {
  readonly kind: 'executeUnit'
  readonly modelId: Uint8Array
  readonly task: UnitTask
}

export interface ExecuteUnitOutcome {
  readonly traceRoot: Uint8Array
  readonly trace: Trace
}

/** Re-executes a unit (BLK-4). Rejects with BLOCK_TOKENS or BLOCK_REPLAY_TOKENS. */
export interface ReplayUnitJob {
  readonly kind: 'replayUnit'
  readonly modelId: Uint8Array
  readonly task: UnitTask
  /** P + G tokens. */
  readonly tokens: ArrayLike<number>
  readonly wantTrace?: boolean
  /** For others, not on the way of a block: openings of a unit whose block is in the chain already (AUD-3). */
  readonly service?: true
}

export interface ReplayUnitOutcome {
  readonly traceRoot: Uint8Array
  /** Only if `wantTrace`. */
  readonly trace: Trace | undefined
}

/** Verifies a ticket proof (WRK-7). Rejects with TICKET_*. The outcome is the ticket, 32 bytes. */
export interface VerifyTicketProofJob extends Omit<TicketProofInput, 'model'> {
  readonly kind: 'verifyTicketProof'
  readonly modelId: Uint8Array
}

/** Verifies the plain proof of a block of the open lane (chapter 12). Rejects with PEARL_* and TICKET_STATE_MISMATCH. */
export interface VerifyOpenProofJob {
  readonly kind: 'verifyOpenProof'
  readonly claim: OpenClaim
  readonly proof: Uint8Array
}

/** Draws in the open lane (chapter 12). */
export interface DrawOpenJob extends OpenDrawInput {
  readonly kind: 'drawOpen'
  readonly modelId: Uint8Array
}

/** Opens steps of a trace, a service to others (AUD-3). Rejects with STEP_OUT_OF_RANGE. */
export interface OpenStepsJob {
  readonly kind: 'openSteps'
  readonly trace: Trace
  readonly steps: readonly StepRef[]
}

export type EngineJob =
  | RunUnitJob
  | ExecuteUnitJob
  | ReplayUnitJob
  | VerifyTicketProofJob
  | VerifyOpenProofJob
  | DrawOpenJob
  | OpenStepsJob

export interface JobOutcomes {
  readonly runUnit: RunUnitOutcome
  readonly executeUnit: ExecuteUnitOutcome
  readonly replayUnit: ReplayUnitOutcome
  readonly verifyTicketProof: Uint8Array
  /** The ticket, 32 bytes. */
  readonly verifyOpenProof: Uint8Array
  readonly drawOpen: OpenDrawOutcome
  readonly openSteps: readonly StepOpening[]
}

export type JobKind = keyof JobOutcomes
export type JobOutcome<J extends EngineJob> = JobOutcomes[J['kind']]

/**
 * `validation` is on the way of a block and goes first. `service` is work that others ask for and that no block waits for: it
 * must never delay validation (BLK-4), whoever asks how often. `mining` runs units.
 */
export const JOB_PRIORITIES = ['validation', 'service', 'mining'] as const
export type JobPriority = (typeof JOB_PRIORITIES)[number]

export function priorityOf(job: EngineJob): JobPriority {
  switch (job.kind) {
    case 'runUnit':
    case 'executeUnit':
    case 'drawOpen':
      return 'mining'
    case 'openSteps':
      return 'service'
    case 'replayUnit':
      return job.service === true ? 'service' : 'validation'
    case 'verifyTicketProof':
    case 'verifyOpenProof':
      return 'validation'
  }
}

export type JobRunner = <J extends EngineJob>(job: J) => JobOutcome<J>

/** Makes the engine of a generated model (B2 off), which draws like the first model. */
export type EngineFactory = (model: Model) => UnitEngine

/**
 * Runs jobs on the engines of some models. Throws what the engines throw, and MODEL_UNREGISTERED for another model.
 * @param engineFor for generated models, of which the engines of the latest are kept; without it they are unregistered too.
 */
export function createJobRunner(
  engines: readonly UnitEngine[],
  hash: KeyedHash,
  engineFor?: EngineFactory | undefined,
): JobRunner {
  const generated = new Map<string, UnitEngine>()
  const engineOfGenerated = (modelId: Uint8Array, make: EngineFactory): UnitEngine => {
    const hex = bytesToHex(modelId)
    const engine = generated.get(hex) ?? make(generatedModel(modelId, engines[0]!.model.config))
    generated.delete(hex)
    generated.set(hex, engine)
    if (generated.size > MAX_GENERATED_MODELS) generated.delete(generated.keys().next().value!)
    return engine
  }
  const byId = new Map(engines.map((engine) => [bytesToHex(engine.model.modelId), engine]))
  const engineOf = (modelId: Uint8Array): UnitEngine => {
    const engine = byId.get(bytesToHex(modelId))
    if (engine === undefined && engineFor !== undefined && isGeneratedModelId(modelId))
      return engineOfGenerated(modelId, engineFor)
    if (engine === undefined) throw new ProtocolError('MODEL_UNREGISTERED', `no model ${bytesToHex(modelId)} is loaded`)
    return engine
  }
  const run = (job: EngineJob): JobOutcomes[JobKind] => {
    switch (job.kind) {
      case 'runUnit':
        return runUnit(engineOf(job.modelId), job, hash)
      case 'executeUnit': {
        const trace = engineOf(job.modelId).generate(job.task)
        return { traceRoot: commitTraceFast(trace, hash).traceRoot, trace }
      }
      case 'replayUnit': {
        const { traceRoot, trace } = engineOf(job.modelId).replayUnit(job.task, job.tokens)
        return { traceRoot, trace: job.wantTrace === true ? trace : undefined }
      }
      case 'verifyTicketProof':
        return engineOf(job.modelId).verifyTicketProof(job)
      case 'verifyOpenProof':
        // The baseline's own compression function is faster for single blocks than a call into another module for each.
        return verifyOpenProof(job.claim, job.proof).ticket
      case 'drawOpen':
        return engineOf(job.modelId).drawOpen(job)
      case 'openSteps': {
        const commitment = commitTraceFast(job.trace, hash)
        return job.steps.map((step) => openStep(job.trace, commitment, step))
      }
    }
  }
  return run as JobRunner
}

function runUnit(engine: UnitEngine, job: RunUnitJob, hash: KeyedHash): RunUnitOutcome {
  if (job.winBelow !== undefined && job.winBelow.length !== 32) throw new RangeError('winBelow has 32 bytes')
  const { trace, commitment, traceRoot, best, tickets, promptMacs, decodeMacs } = engine.runUnit(job)
  const { winBelow, modelParams } = job
  const wins = best !== undefined && winBelow !== undefined && compareLittleEndian(best.hash, winBelow) < 0
  const win = wins
    ? {
        trace,
        proof: buildTicketProof(trace, commitment.subroots, commitment.top, best.position, modelParams.tileRows, hash),
      }
    : undefined
  const wanted = job.wantTrace === true ? trace : undefined
  return { tokens: trace.tokens, traceRoot, best, tickets, promptMacs, decodeMacs, win, trace: wanted }
}

/** The buffers of an outcome that are worth moving instead of copying. */
export function transfersOf(outcome: JobOutcomes[JobKind]): ArrayBuffer[] {
  // What a draw of the open lane returns is small.
  if (outcome instanceof Uint8Array || Array.isArray(outcome) || 'drawMs' in outcome) return []
  const { trace = 'win' in outcome ? outcome.win?.trace : undefined } = outcome as Exclude<
    JobOutcomes[JobKind],
    Uint8Array | readonly StepOpening[] | OpenDrawOutcome
  >
  if (trace === undefined) return []
  const arrays = [trace.h, trace.x, trace.k, trace.v, trace.kScale, trace.vScale, trace.o, trace.oScale].flat()
  // Tokens stay: the outcome may hold them twice.
  return arrays.map((array) => array.buffer as ArrayBuffer)
}
