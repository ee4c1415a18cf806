import {
  check,
  checkChosenToken,
  checkTask,
  claimedTrace,
  decodeMacs,
  emptyTrace,
  FOLD_WORDS,
  type KeyedHash,
  type LotteryParams,
  type Model,
  promptMacs,
  shortenTrace,
  TICKET_OPS,
  type Ticket,
  type TicketProofInput,
  type TileInput,
  type Trace,
  type TraceCommitment,
  ticketKey,
  type UnitTask,
  verifyTicketProof,
} from '@nacre/protocol'
import { type KernelFactory, type KernelMemory, type KernelName, MAX_NOISED_K } from '../kernels/types.ts'
import {
  type EmbedOperand,
  type InferWithOperands,
  OpenDrawer,
  type OpenDrawInput,
  type OpenDrawOutcome,
} from '../open/draw.ts'
import { bestTicketOf } from './best-ticket.ts'
import { commitTraceFast, type PreRoots } from './commit.ts'
import { Forward, type TicketProduct } from './forward.ts'
import { engineLayout } from './layout.ts'
import { type DrawKeys, Lottery } from './lottery.ts'
import { type ControlPlace, SharedControl } from './shared-control.ts'
import { packModel } from './weights.ts'

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
  /** Draws in the open lane (chapter 12). Throws as {@link OpenDrawer.draw}. */
  drawOpen(input: OpenDrawInput): OpenDrawOutcome
  /** Verifies a ticket proof (WRK-7) with W' from memory if this parent is known, and returns the ticket. */
  verifyTicketProof(input: Omit<TicketProofInput, 'model'>): Uint8Array
}

/** A memory that several threads' engines work on, one engine each. */
export interface SharedEngineMemory {
  readonly memory: KernelMemory
  /** This engine's number among `threads`. */
  readonly thread: number
  readonly threads: number
}

export interface UnitEngineOptions {
  readonly model: Model
  readonly kernels: KernelFactory
  readonly hash: KeyedHash
  /**
   * The lottery that the memory is laid out for. With another one, or with none, the first unit that draws lays out a new memory.
   */
  readonly lottery?: LotteryParams | undefined
  /** By default the engine has a memory of its own. */
  readonly shared?: SharedEngineMemory
}

/** A memory for {@link SharedEngineMemory}, and where its marks are. Throws RangeError if there is none of this size. */
export function createSharedMemory(
  model: Model,
  kernels: KernelFactory,
  lottery: LotteryParams | undefined,
  threads: number,
): { memory: KernelMemory; control: ControlPlace } {
  const { bytes, shared } = engineLayout(model.config, lottery, threads, kernels)
  return { memory: kernels.memory(bytes, true), control: shared.control }
}

/** An engine's parts on one memory. */
interface Placed {
  readonly forward: Forward
  readonly lottery: Lottery | undefined
  /** The memory that both work on. */
  readonly memory: Int8Array
}

/**
 * Throws RangeError where a memory of the model's size cannot be had, PARAM_CONTRADICTION where a model is too wide to draw or its noise
 * rank does not divide its width.
 */
export function createUnitEngine(options: UnitEngineOptions): UnitEngine {
  const { model, kernels, hash, shared } = options
  let placed = place(options, options.lottery, shared)

  const lotteryFor = (params: LotteryParams): Lottery => {
    const { lottery } = placed
    if (lottery !== undefined && sameLottery(lottery.params, params)) return lottery
    placed = place(options, params, undefined)
    return placed.lottery!
  }

  /** The task has been checked. */
  const execute = (task: UnitTask, ticketProduct?: TicketProduct): Trace => {
    const { forward } = placed
    const { maxNewTokens, decoding } = task
    const promptTokens = task.promptTokens.length
    const trace = emptyTrace({ promptTokens, newTokens: maxNewTokens, dims: model.config })
    trace.tokens.set(task.promptTokens)
    forward.run(trace, 0, promptTokens, ticketProduct)
    for (let newTokens = 1; ; newTokens++) {
      const position = promptTokens + newTokens - 2
      forward.nextTokens(decoding, position, position + 1, (token) => {
        trace.tokens[position + 1] = token
      })
      if (newTokens === maxNewTokens) return trace
      const isLast = decoding.stopAtEos && trace.tokens[position + 1] === model.config.eosToken
      if (isLast) return shortenTrace(trace, newTokens)
      forward.run(trace, position + 1, position + 2)
    }
  }

  const committed = (trace: Trace, preRoots?: PreRoots): CommittedTrace => {
    const commitment = commitTraceFast(trace, hash, preRoots)
    return { trace, traceRoot: commitment.traceRoot, commitment }
  }

  const generate = (task: UnitTask): Trace => {
    checkTask(model.config, task)
    return execute(task)
  }
  /** A unit whose ticket operations are shown their operands as they are computed. */
  const inferred: InferWithOperands = (task, use) => {
    checkTask(model.config, task)
    const { memory } = placed
    return execute(task, ({ layer, op, rows, a, lda }) => {
      use(TICKET_OPS.length * layer + op, { memory, at: a, stride: lda, rows })
      return false
    })
  }
  const embedded: EmbedOperand = (task, use) => {
    checkTask(model.config, task)
    const { memory, forward } = placed
    const promptTokens = task.promptTokens.length
    const trace = emptyTrace({ promptTokens, newTokens: task.maxNewTokens, dims: model.config })
    trace.tokens.set(task.promptTokens)
    const { rows, a, lda } = forward.firstOperand(trace, promptTokens)
    use({ memory, at: a, stride: lda, rows })
  }
  /** Made when it is first needed: it has a memory of its own. */
  let open: OpenDrawer | undefined

  return {
    model,
    kernels: kernels.name,
    generate,
    runUnit: (input) => {
      const { task, modelParams } = input
      checkTask(model.config, task)
      const lottery = lotteryFor(modelParams)
      return lottery.unit(input.parentBeacon, () => {
        const trace = execute(task, (call) => lottery.product(input, call))
        const result = committed(trace, lottery.preRoots)
        const { states } = lottery
        const { promptTokens, newTokens } = trace.shape
        const key = ticketKey({ ...input, traceRoot: result.traceRoot })
        return {
          ...result,
          best: bestTicketOf(model, modelParams, promptTokens, key, states, hash),
          tickets: states.length / FOLD_WORDS,
          promptMacs: promptMacs(model.config, promptTokens),
          decodeMacs: decodeMacs(model.config, newTokens),
        }
      })
    },
    replayUnit: (task, tokens) => {
      const trace = claimedTrace(model, task, tokens)
      const { promptTokens } = trace.shape
      const last = trace.tokens.length - 1
      placed.forward.run(trace, 0, last)
      placed.forward.nextTokens(task.decoding, promptTokens - 1, last, (token, position) =>
        checkChosenToken(trace, position, token),
      )
      return committed(trace)
    },
    drawOpen: (input) => {
      open ??= new OpenDrawer(model, options.kernels, hash, inferred, embedded)
      return open.draw(input)
    },
    verifyTicketProof: (input) => {
      const { lottery } = placed
      const isLaidOut = lottery !== undefined && sameLottery(lottery.params, input.modelParams)
      const fold = isLaidOut ? (tile: TileInput) => lottery.foldTile(tile) : undefined
      return verifyTicketProof({ ...input, model }, undefined, hash, fold)
    },
  }
}

function place(
  { model, kernels: factory, hash }: UnitEngineOptions,
  params: LotteryParams | undefined,
  given: SharedEngineMemory | undefined,
): Placed {
  const { thread, threads } = given ?? { thread: 0, threads: 1 }
  const { dModel } = model.config
  check(
    params === undefined || dModel <= MAX_NOISED_K,
    'PARAM_CONTRADICTION',
    `the engine draws with models of width up to ${MAX_NOISED_K}, not ${dModel}`,
  )
  const layout = engineLayout(model.config, params, threads, factory)
  const memory = given?.memory ?? factory.memory(layout.bytes)
  if (memory.buffer.byteLength < layout.bytes) {
    throw new RangeError(`a memory of ${memory.buffer.byteLength} bytes, the engine needs ${layout.bytes}`)
  }
  const { shared } = layout
  const places = layout.threads[thread]!
  const kernels = factory.attach(memory, places.scratch, layout.limits)
  const control = new SharedControl(memory.buffer, shared.control)
  control.packWeights(thread, () => packModel(model, shared, kernels))
  return {
    memory: new Int8Array(memory.buffer),
    forward: new Forward(model, kernels, shared, places),
    lottery:
      params === undefined ? undefined : new Lottery({ model, params, kernels, hash, shared, places, control, thread }),
  }
}

function sameLottery(a: LotteryParams, b: LotteryParams): boolean {
  return a.noiseRank === b.noiseRank && a.tileRows === b.tileRows && a.tileColumns === b.tileColumns
}
