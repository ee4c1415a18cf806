/** The open lane of a miner (chapter 12): matrices of its own choice, drawn by the engine's workers. */
import {
  type OpenDrawInput,
  type OpenDrawOutcome,
  type OpenPlan,
  type OpenWork,
  openPlan,
  type WorkerPort,
} from '@nacre/engine'
import type { FullNode } from '@nacre/node'
import {
  type Ancestry,
  bootstrapTask,
  type ConsensusContext,
  type KeyPair,
  type OpenRules,
  openRules,
  openUnit,
  requiredBits,
  type Ticket,
  type UnitDescriptor,
  unitId,
} from '@nacre/protocol'

/** Draws off the event loop. Rejects when `signal` aborts. */
export type OpenRunner = (input: OpenDrawInput, signal: AbortSignal) => Promise<OpenDrawOutcome>

export function engineOpenRunner(context: ConsensusContext, workers: WorkerPort): OpenRunner {
  const { modelId } = context.bootstrap.model
  return (input, signal) => workers.run({ kind: 'drawOpen', modelId, ...input }, { signal })
}

export interface OpenLaneOptions {
  readonly node: FullNode
  readonly runner: OpenRunner
  readonly keys: KeyPair
  readonly work: OpenWork
}

/** One draw: all tiles of a product, or of a model's products over some prompts. */
export interface OpenDraw {
  readonly unit: UnitDescriptor
  readonly id: Uint8Array
  readonly newTokens: number
  readonly tickets: number
  readonly won: { readonly traceRoot: Uint8Array; readonly ticket: Ticket; readonly proof: Uint8Array } | undefined
}

export class OpenLane {
  readonly work: OpenWork
  readonly #options: OpenLaneOptions
  readonly #plan: OpenPlan
  readonly #rules: OpenRules
  /** Of the operands of this process: two processes of one key never multiply the same. */
  readonly #seed: Uint8Array
  /** One for all draws, so that B and its noise serve as long as the tip stays. */
  readonly #counter: number
  #draws = 0

  constructor(options: OpenLaneOptions) {
    const { node, work } = options
    const { bootstrap, params } = node.context
    this.work = work
    this.#options = options
    this.#rules = openRules(params.open)
    this.#plan = openPlan(work, bootstrap.model.config, params.units.bootstrapPromptTokens, this.#rules)
    this.#seed = node.random.bytes(32)
    this.#counter = node.random.below(2 ** 32)
  }

  /** Draws once for the block after `parentId`. */
  async draw(parentId: Uint8Array, ancestry: Ancestry, signal: AbortSignal): Promise<OpenDraw> {
    const { node, runner, keys, work } = this.#options
    const { params, bootstrap } = node.context
    const draw = this.#draws
    this.#draws = (draw + 1) >>> 0
    // Stand-ins for what users ask: whoever mines here may execute any prompt, or none.
    const tasks = Array.from({ length: this.#plan.prompts }, () =>
      bootstrapTask(params, node.random.bytes(32), bootstrap.corpus),
    )
    const { bootstrapPromptTokens: promptTokens } = params.units
    const fixed = { seed: this.#seed, counter: this.#counter, promptTokens, rules: this.#rules }
    const minerKey = keys.publicKey
    const bits = requiredBits(node.context, ancestry)
    const { tickets, newTokens, win } = await runner({ work, parentId, minerKey, bits, draw, tasks, ...fixed }, signal)
    const unit = win?.unit ?? openUnit(parentId, this.#plan.configuration, this.#counter)
    return { unit, id: unitId(unit, minerKey), newTokens, tickets, won: win && wonTicket(win) }
  }
}

/** The place of an open ticket is in its proof; its header has zeros there. */
function wonTicket({ seedA, foldState, ticket, proof }: NonNullable<OpenDrawOutcome['win']>): OpenDraw['won'] {
  const position = { layer: 0, op: 0, tileRow: 0, tileColumn: 0 } as const
  return { traceRoot: seedA, ticket: { position, foldState, hash: ticket }, proof }
}
