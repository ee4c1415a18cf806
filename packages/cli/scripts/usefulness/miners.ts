/** The four miners under each network's rules: how each uses its machine. */
import { commitTraceFast, type OpenWork } from '@nacre/engine'
import type { ExecutedUnit, OpenRunner, UnitJob, UnitOutcome, UnitRunner } from '@nacre/miner'
import { bytesToHex, emptyTrace, ticketMacs, type UnitTask } from '@nacre/protocol'
import { type Costs, executionMs, newParentMs, TIMED_TOKENS, unitMs } from './costs.ts'
import type { Lab } from './lab.ts'
import type { Machine, Purpose } from './machine.ts'
import { type Cheat, fillEmbeddings, fillRows, firstLayerOnly, keptPrompt, randomRows } from './nacre-cheats.ts'

export const MINERS = ['honest', 'random', 'first-layer', 'self-dealing'] as const
export type MinerName = (typeof MINERS)[number]

/** What a miner did, beyond what the chain tells. */
export interface Account {
  /** Products that its draws stand for. */
  drawnMacs: number
  /** Tokens generated. */
  tokens: number
  /** Under `open`: of each block it won, by the trace root in its header, the part of its products that were a client's prompts. */
  readonly usefulParts: Map<string, number>
}

export interface Trade {
  readonly lab: Lab
  readonly costs: Costs
  readonly machine: Machine
  readonly account: Account
  /** Whether a task is a job of the self-dealer's own. */
  readonly isOwnJob: (task: UnitTask) => boolean
  /**
   * What whoever executes nothing delivers for jobs: answers of zeros, with a trace of random rows, or of the embeddings and nothing else.
   * Undefined: it does not ask for jobs.
   */
  readonly garbage: 'random rows' | 'embeddings' | undefined
  readonly seed: string
}

const isWon = ({ won }: UnitOutcome): boolean => won !== undefined

/**
 * Executes what it is given, whole: jobs, and in between units of the bootstrap lane.
 * @param isDealer the fake jobs are its own and have one prompt: it keeps answer and rows, so that only draws cost anything.
 */
export function wholeUnits(
  { lab, costs, machine, account, isOwnJob }: Trade,
  isDealer = false,
): (runner: UnitRunner) => UnitRunner {
  let parent = ''
  let isKept = false
  const executed = (task: UnitTask, tokens: readonly number[]): { ms: number; purpose: Purpose } => {
    const newTokens = tokens.length - task.promptTokens.length
    const isOwn = isOwnJob(task)
    account.tokens += isOwn ? 0 : newTokens
    const ms = isOwn && isKept ? 0 : executionMs(costs, newTokens)
    isKept ||= isOwn && isDealer
    return { ms, purpose: isOwn ? 'own jobs' : 'clients' }
  }
  return (runner) => ({
    ...runner,
    executeUnit: (modelId, task, signal) =>
      machine.work(
        () => runner.executeUnit(modelId, task, signal),
        ({ tokens }) => {
          const { ms, purpose } = executed(task, tokens)
          return { beforeMs: ms, purpose }
        },
        () => false,
        signal,
      ),
    runUnit: (job, signal) =>
      machine.work(
        () => runner.runUnit(job, signal),
        ({ tokens, tickets }) => {
          const { task, wantTrace } = job
          const newTokens = tokens.length - task.promptTokens.length
          const tip = bytesToHex(job.parentBeacon)
          const freshMs = tip === parent ? 0 : newParentMs(costs, 'unit')
          parent = tip
          const isPaid = wantTrace === true
          account.drawnMacs += tickets * macsOf(lab, isPaid)
          if (!isPaid) {
            account.tokens += newTokens
            return { beforeMs: freshMs + unitMs(costs, newTokens), purpose: 'chain prompts' }
          }
          const { ms, purpose } = executed(task, tokens)
          const drawMs =
            ms === 0 ? costs.ms['draw over kept rows'] : unitMs(costs, newTokens) - executionMs(costs, newTokens)
          return { beforeMs: freshMs + ms + drawMs, purpose }
        },
        isWon,
        signal,
      ),
  })
}

/** Products that a ticket stands for (WRK-4). */
function macsOf({ context }: Lab, isPaid: boolean): number {
  const { params, bootstrap } = context
  return ticketMacs(params, isPaid ? 1 : 0, bootstrap.model.config, bootstrap.params)
}

/** An answer of which all tokens are charged, and for which nothing was executed. */
function garbageFor({ lab, garbage, seed }: Trade, { promptTokens, maxNewTokens }: UnitTask): ExecutedUnit {
  const shape = { promptTokens: promptTokens.length, newTokens: maxNewTokens, dims: lab.context.bootstrap.model.config }
  const trace = emptyTrace(shape)
  trace.tokens.set(promptTokens)
  if (garbage === 'random rows') fillRows(trace, seed)
  else fillEmbeddings(trace, lab.context.bootstrap.model)
  return { tokens: [...trace.tokens], traceRoot: commitTraceFast(trace, lab.hash).traceRoot, trace }
}

/** Delivers garbage at once, at no cost; everything else as `runner` does it. */
const sellingGarbage = (trade: Trade, runner: UnitRunner): UnitRunner => ({
  ...runner,
  executeUnit: async (_, task) => garbageFor(trade, task),
  runUnit: async (job, signal) =>
    job.wantTrace === true
      ? { ...garbageFor(trade, job.task), tickets: 0, won: undefined }
      : runner.runUnit(job, signal),
})

/** Draws with a cheat and executes nothing that does not win. */
function cheating(trade: Trade, cheat: Cheat, work: 'kept rows' | 'first product'): (runner: UnitRunner) => UnitRunner {
  const { lab, costs, machine, account } = trade
  const drawMs = work === 'kept rows' ? costs.ms['draw over kept rows'] : costs.ms['draw from the first product']
  const drawing = (runner: UnitRunner): UnitRunner => ({
    ...runner,
    runUnit: async (job: UnitJob, signal) => {
      const { outcome } = await machine.work(
        () => cheat(job, signal),
        ({ outcome: { tickets }, isNewParent, isExecuted }) => {
          account.drawnMacs += tickets * macsOf(lab, false)
          const freshMs = isNewParent ? newParentMs(costs, work) : 0
          const executedMs = isExecuted ? executionMs(costs, TIMED_TOKENS) : 0
          return { beforeMs: freshMs + drawMs + executedMs, purpose: 'draws without inference' }
        },
        (done) => isWon(done.outcome),
        signal,
      )
      return outcome
    },
  })
  return (runner) => (trade.garbage !== undefined ? sellingGarbage(trade, drawing(runner)) : drawing(runner))
}

/** How each miner runs units under Nacre's rules. */
export function nacreRunner(name: MinerName, trade: Trade): (runner: UnitRunner) => UnitRunner {
  const { lab, seed } = trade
  const isPromptFree = lab.context.params.bindings.assignedInputs === 'off'
  switch (name) {
    case 'honest':
      return wholeUnits(trade)
    case 'self-dealing':
      return wholeUnits(trade, true)
    case 'random':
      // Where it may choose the prompt it has rows that are even true.
      return (runner) =>
        cheating(trade, isPromptFree ? keptPrompt(lab, runner) : randomRows(lab, seed), 'kept rows')(runner)
    case 'first-layer':
      return (runner) => cheating(trade, firstLayerOnly(lab, runner), 'first product')(runner)
  }
}

export interface OpenMiner {
  readonly work: OpenWork
  readonly runner: (runner: UnitRunner) => UnitRunner
  readonly openRunner: (runner: OpenRunner) => OpenRunner
}

/** How each miner draws under the rules of the baseline. */
export function pearlMiner(name: MinerName, trade: Trade): OpenMiner {
  switch (name) {
    case 'honest':
      return inferenceMiner(trade)
    case 'self-dealing':
      return ownPrompts(trade)
    case 'random':
      return plainDraws(trade, 'random', 'pearl: random')
    case 'first-layer':
      return plainDraws(trade, 'first-layer', 'pearl: first layer')
  }
}

type OpenPiece = 'pearl: random' | 'pearl: inference' | 'pearl: first layer'

/** What the first draw on a new tip costs in addition. */
function freshOf(costs: Costs, piece: OpenPiece): (parentId: Uint8Array) => number {
  let parent = ''
  return (parentId) => {
    const tip = bytesToHex(parentId)
    const ms = tip === parent ? 0 : newParentMs(costs, piece)
    parent = tip
    return ms
  }
}

function plainDraws(trade: Trade, work: OpenWork, piece: OpenPiece): OpenMiner {
  const { costs, machine, account } = trade
  const fresh = freshOf(costs, piece)
  return {
    work,
    runner: trade.garbage !== undefined ? (runner) => sellingGarbage(trade, runner) : wholeUnits(trade),
    openRunner: (runner) => (input, signal) =>
      machine.work(
        () => runner(input, signal),
        ({ macs }) => {
          account.drawnMacs += macs
          return { beforeMs: costs.ms[piece] + fresh(input.parentId), purpose: 'draws without inference' }
        },
        ({ win }) => win !== undefined,
        signal,
      ),
  }
}

/** Noised products of a draw of inference, without the inference. */
const productsMs = (costs: Costs, prompts: number): number =>
  Math.max(0, costs.ms['pearl: inference'] - prompts * costs.ms.execution)

/**
 * Executes the jobs that clients gave it and draws over their activations, which it has anyway; places in a draw that no job fills have
 * prompts that nobody asked for. The inference for a draw is done before the tip of the draw is chosen, since it does not depend on it.
 */
function inferenceMiner(trade: Trade): OpenMiner {
  const { lab, costs, machine, account } = trade
  const { bootstrapPromptTokens } = lab.context.params.units
  const fresh = freshOf(costs, 'pearl: inference')
  const executed: UnitTask[] = []
  const whole = wholeUnits(trade)
  return {
    work: 'inference',
    runner: (runner) => {
      const inner = whole(runner)
      return {
        ...inner,
        executeUnit: async (modelId, task, signal) => {
          const done = await inner.executeUnit(modelId, task, signal)
          // Operands have as many rows as the network's tiles ask for.
          if (task.promptTokens.length === bootstrapPromptTokens) executed.push(task)
          return done
        },
      }
    },
    openRunner: (runner) => (input, signal) => {
      const jobs = executed.splice(0, input.tasks.length)
      const tasks = [...jobs, ...input.tasks.slice(jobs.length)]
      const others = tasks.length - jobs.length
      return machine.work(
        () => runner({ ...input, tasks }, signal),
        ({ macs, win }) => {
          account.drawnMacs += macs
          account.tokens += others * TIMED_TOKENS
          if (win !== undefined) account.usefulParts.set(bytesToHex(win.seedA), jobs.length / tasks.length)
          return {
            beforeMs: productsMs(costs, tasks.length) + fresh(input.parentId),
            purpose: 'draws without inference',
            after: { ms: others * costs.ms.execution, purpose: 'own prompts' },
          }
        },
        ({ win }) => win !== undefined,
        signal,
      )
    },
  }
}

/**
 * Is its own client: it has executed prompts of its own once, keeps their activations, and draws over them again and again. Another counter
 * is another header to the baseline, and so another lottery over the same work.
 */
function ownPrompts(trade: Trade): OpenMiner {
  const { costs, machine, account } = trade
  let own: readonly UnitTask[] | undefined
  return {
    work: 'inference',
    runner: wholeUnits(trade),
    openRunner: (runner) => (input, signal) => {
      const isFirst = own === undefined
      own ??= input.tasks
      const tasks = own
      return machine.work(
        () => runner({ ...input, tasks, counter: (input.counter + input.draw) >>> 0 }, signal),
        ({ macs }) => {
          account.drawnMacs += macs
          // Each header has other noise for the weights too.
          const drawMs = productsMs(costs, tasks.length) + newParentMs(costs, 'pearl: inference')
          const inferenceMs = isFirst ? tasks.length * costs.ms.execution : 0
          const after = { ms: inferenceMs, purpose: 'own prompts' } as const
          return { beforeMs: drawMs, purpose: 'draws without inference', after }
        },
        ({ win }) => win !== undefined,
        signal,
      )
    },
  }
}
