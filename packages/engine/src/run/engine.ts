import {
  checkChosenToken,
  checkTask,
  claimedTrace,
  decodeMacs,
  emptyTrace,
  type KeyedHash,
  type LotteryParams,
  type Model,
  promptMacs,
  shortenTrace,
  type Ticket,
  type TicketProofInput,
  type Trace,
  type TraceCommitment,
  type UnitTask,
  verifyTicketProof,
} from '@nacre/protocol'
import type { KernelFactory, KernelName } from '../kernels/types.ts'
import { bestTicketOf } from './best-ticket.ts'
import { commitTraceFast, type PreRoots } from './commit.ts'
import { Forward, type TicketProduct } from './forward.ts'
import { type DrawKeys, NoisedProducts } from './noised-product.ts'

export interface RunUnitInput extends DrawKeys {
  readonly task: UnitTask
  readonly modelParams: LotteryParams
}

/** A trace with its commitment (TRC-2). */
export interface CommittedTrace {
  readonly trace: Trace
  readonly traceRoot: Uint8Array
  readonly commitment: TraceCommitment
}

export interface UnitResult extends CommittedTrace {
  /** The least ticket (WRK-4), the earliest among equals; undefined if the unit draws none. */
  readonly best: Ticket | undefined
  /** Tickets drawn. */
  readonly tickets: number
  /** Input and output MACs (JOB-2). */
  readonly promptMacs: number
  readonly decodeMacs: number
}

/** Executes units of one model, bit for bit as the reference does (MOD-6). Not reentrant: one call at a time. */
export interface UnitEngine {
  readonly model: Model
  readonly kernels: KernelName
  /** Executes a unit and draws its tickets (WRK). Throws UNIT_PROMPT or UNIT_SHAPE. */
  runUnit(input: RunUnitInput): UnitResult
  /** Re-executes a unit in one pass over all its tokens (BLK-4). Throws as the reference's `replayUnit`. */
  replayUnit(task: UnitTask, tokens: ArrayLike<number>): CommittedTrace
  /** Executes a unit without a draw. Throws UNIT_PROMPT or UNIT_SHAPE. */
  generate(task: UnitTask): Trace
  /** Verifies a ticket proof (WRK-7) with W' from memory if this parent is known, and returns the ticket. */
  verifyTicketProof(input: Omit<TicketProofInput, 'model'>): Uint8Array
}

export interface UnitEngineOptions {
  readonly model: Model
  readonly kernels: KernelFactory
  readonly hash: KeyedHash
}

export function createUnitEngine(options: UnitEngineOptions): UnitEngine {
  const { model, kernels, hash } = options
  const forward = new Forward(model, kernels)
  let products: NoisedProducts | undefined

  const productsFor = (params: LotteryParams): NoisedProducts => {
    if (products === undefined || !sameLottery(products.params, params)) {
      products = new NoisedProducts(model, params, kernels, hash)
    }
    return products
  }

  const execute = (task: UnitTask, ticketProduct?: TicketProduct): Trace => {
    checkTask(model.config, task)
    const { maxNewTokens, decoding } = task
    const promptTokens = task.promptTokens.length
    const trace = emptyTrace({ promptTokens, newTokens: maxNewTokens, dims: model.config })
    trace.tokens.set(task.promptTokens)
    forward.run(trace, 0, promptTokens, ticketProduct)
    for (let newTokens = 1; ; newTokens++) {
      const position = promptTokens + newTokens - 2
      const token = forward.nextToken(trace, decoding, position)
      trace.tokens[position + 1] = token
      if (newTokens === maxNewTokens) return trace
      if (decoding.stopAtEos && token === model.config.eosToken) return shortenTrace(trace, newTokens)
      forward.run(trace, position + 1, position + 2)
    }
  }

  const committed = (trace: Trace, preRoots?: PreRoots): CommittedTrace => {
    const commitment = commitTraceFast(trace, hash, preRoots)
    return { trace, traceRoot: commitment.traceRoot, commitment }
  }

  return {
    model,
    kernels: kernels.name,
    generate: (task) => execute(task),
    runUnit: (input) => {
      const { task, modelParams, unitId } = input
      const lottery = productsFor(modelParams)
      lottery.begin()
      const trace = execute(task, (...args) => lottery.product(input, ...args))
      const result = committed(trace, lottery.preRoots)
      const { states } = lottery
      const { promptTokens, newTokens } = trace.shape
      return {
        ...result,
        best: bestTicketOf(model, modelParams, promptTokens, unitId, result.traceRoot, states, hash),
        tickets: states.length / 16,
        promptMacs: promptMacs(model.config, promptTokens),
        decodeMacs: decodeMacs(model.config, newTokens),
      }
    },
    replayUnit: (task, tokens) => {
      const trace = claimedTrace(model, task, tokens)
      const { promptTokens } = trace.shape
      const last = trace.tokens.length - 1
      forward.run(trace, 0, last)
      for (let position = promptTokens - 1; position < last; position++) {
        checkChosenToken(trace, position, forward.nextToken(trace, task.decoding, position))
      }
      return committed(trace)
    },
    verifyTicketProof: (input) => {
      const cache =
        products !== undefined && sameLottery(products.params, input.modelParams) ? products.cache : undefined
      return verifyTicketProof({ ...input, model }, (side) => cache?.kept(side.parentBeacon, side.layer, side.op), hash)
    },
  }
}

function sameLottery(a: LotteryParams, b: LotteryParams): boolean {
  return a.noiseRank === b.noiseRank && a.tileRows === b.tileRows && a.tileColumns === b.tileColumns
}
