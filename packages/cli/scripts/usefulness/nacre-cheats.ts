/** How miners cheat under Nacre's rules: what they draw over instead of executing the unit, and what they then say. */
import { commitTraceFast, compareLittleEndian } from '@nacre/engine'
import type { UnitJob, UnitOutcome, UnitRunner, WinningUnit } from '@nacre/miner'
import { seededRandom } from '@nacre/node'
import {
  buildTicketProof,
  type DrawBindings,
  embedRow,
  emptyTrace,
  type MerkleTree,
  type Model,
  merkleTree,
  OP_QKV,
  residualRow,
  subrootPre,
  TARGET_LIMIT,
  TICKET_OPS,
  type Ticket,
  type Trace,
  ticketKey,
  type UnitTask,
} from '@nacre/protocol'
import type { Lab } from './lab.ts'
import type { OperandRow, RowDraw, RowDrawer } from './row-drawer.ts'

/** A trace that nobody computed, placed in a drawer, and the root under which its rows open. */
export interface MadeUp {
  readonly trace: Trace
  readonly traceRoot: Uint8Array
  readonly subroots: readonly Uint8Array[]
  readonly top: MerkleTree
}

/** A trace whose residual rows are random numbers, in `drawer`. */
export function madeUpRows(lab: Lab, drawer: RowDrawer, seed: string): MadeUp {
  const { context, hash } = lab
  const { model } = context.bootstrap
  const { bootstrapPromptTokens: promptTokens, bootstrapNewTokens: newTokens } = context.params.units
  const trace = emptyTrace({ promptTokens, newTokens, dims: model.config })
  fillRows(trace, seed)
  placeRows(drawer, trace)
  return { trace, ...commitTraceFast(trace, hash) }
}

/** Random numbers in all residual rows. */
export function fillRows(trace: Trace, seed: string): void {
  const random = seededRandom(seed)
  for (const rows of [...trace.h, ...trace.x]) {
    const bytes = random.bytes(rows.length)
    for (let i = 0; i < rows.length; i++) rows[i] = bytes[i]! - 127.5
  }
}

/** The rows that enter the first layer, of all positions. */
export function fillEmbeddings(trace: Trace, model: Model): void {
  const { dModel } = model.config
  const last = trace.h[0]!.length / dModel
  for (let i = 0; i < last; i++) trace.h[0]!.set(embedRow(model, trace.tokens[i]!), i * dModel)
}

/** Puts the prompt's rows of a trace into a drawer over all operations. */
export function placeRows(drawer: RowDrawer, trace: Trace): void {
  const { nLayers } = trace.shape.dims
  for (let layer = 0; layer < nLayers; layer++) {
    for (const op of TICKET_OPS) {
      const index = TICKET_OPS.length * layer + op
      const { promptTokens } = trace.shape
      const rows = Array.from({ length: promptTokens }, (_, i) => drawer.row(index, residualRow(trace, layer, op, i)))
      drawer.setRows(index, rows)
    }
  }
}

/** One draw of all tickets over rows that stay. */
export function keptRowsDraw(
  drawer: RowDrawer,
  draw: RowDraw & { readonly counter?: number },
  traceRoot: Uint8Array,
): Ticket {
  drawer.multiply(draw)
  return drawer.best(ticketKey({ ...draw, traceRoot }))
}

/** Sub-roots with the tree over them. */
type Roots = Omit<MadeUp, 'trace'>

/** The beginning of units: embeddings of their prompts and the first product over them. A token's row is made once. */
export class FirstLayer {
  readonly drawer: RowDrawer
  readonly #lab: Lab
  readonly #rows = new Map<number, OperandRow>()
  readonly #nothing: readonly Uint8Array[]

  constructor(lab: Lab) {
    const { context, hash } = lab
    const { bootstrapPromptTokens: promptTokens, bootstrapNewTokens: newTokens } = context.params.units
    const dims = context.bootstrap.model.config
    this.#lab = lab
    this.drawer = lab.drawer('first')
    this.#nothing = commitTraceFast(emptyTrace({ promptTokens, newTokens, dims }), hash).subroots
  }

  /**
   * Draws from it. `roots` are of a trace with these embeddings and nothing else: the tickets' key where that has to be the root of a trace
   * (B4), which this unit does not have yet.
   */
  draw(draw: RowDraw, { promptTokens }: UnitTask): { readonly ticket: Ticket; readonly roots: Roots | undefined } {
    const { context, hash } = this.#lab
    const preRoot = this.drawer.setRows(
      0,
      promptTokens.map((token) => this.#row(token)),
    )
    this.drawer.multiply(draw)
    if (draw.bindings.completionBeforeDraw === 'off') {
      const key = ticketKey({ ...draw, traceRoot: preRoot })
      return { ticket: this.drawer.best(key), roots: undefined }
    }
    const subroots = this.#nothing.with(subrootPre(context.bootstrap.model.config, 0, OP_QKV), preRoot)
    const top = merkleTree(subroots, hash)
    const ticket = this.drawer.best(ticketKey({ ...draw, traceRoot: top.root }))
    return { ticket, roots: { subroots, top, traceRoot: top.root } }
  }

  #row(token: number): OperandRow {
    const row = this.#rows.get(token) ?? this.drawer.row(0, embedRow(this.#lab.context.bootstrap.model, token))
    this.#rows.set(token, row)
    return row
  }
}

/** What a draw found, and whether W' had to be made for it. */
export interface CheatOutcome {
  readonly outcome: UnitOutcome
  readonly isNewParent: boolean
  /** A whole unit was executed after the win. */
  readonly isExecuted: boolean
}

export type Cheat = (job: UnitJob, signal: AbortSignal) => Promise<CheatOutcome>

const bindingsOf = (job: UnitJob): DrawBindings => job.bindings!

/**
 * Multiplies matrices of random rows in place of the model's, and says that they are the unit's trace. The prompt is the assigned one; what
 * it generates is nothing but zeros.
 */
export function randomRows(lab: Lab, seed: string): Cheat {
  const drawer = lab.drawer('all')
  const made = madeUpRows(lab, drawer, seed)
  return async (job) => {
    const isNewParent = drawer.setParent(job.parentBeacon)
    const ticket = keptRowsDraw(drawer, { ...job, bindings: bindingsOf(job) }, made.traceRoot)
    const tokens = [...job.task.promptTokens, ...Array<number>(job.task.maxNewTokens).fill(0)]
    const won = isWon(job, ticket) ? wonWith(lab, made, ticket) : undefined
    return { isNewParent, isExecuted: false, outcome: outcomeOf(tokens, made.traceRoot, drawer, won) }
  }
}

/**
 * Draws from the first product of each unit and executes the rest of those that win, so that tokens and rows are true and only the root that
 * it drew under is not (B4).
 */
export function firstLayerOnly(lab: Lab, runner: UnitRunner): Cheat {
  const early = new FirstLayer(lab)
  const { drawer } = early
  return async (job, signal) => {
    const isNewParent = drawer.setParent(job.parentBeacon)
    const { ticket, roots } = early.draw({ ...job, bindings: bindingsOf(job) }, job.task)
    const lost = outcomeOf(job.task.promptTokens, job.unitId, drawer, undefined)
    if (!isWon(job, ticket)) return { isNewParent, isExecuted: false, outcome: lost }
    const { trace, tokens } = await runner.executeUnit(job.modelId, job.task, signal)
    const made = { trace, ...(roots ?? commitTraceFast(trace, lab.hash)) }
    const outcome = outcomeOf(tokens, made.traceRoot, drawer, wonWith(lab, made, ticket))
    return { isNewParent, isExecuted: true, outcome }
  }
}

/**
 * Executes one prompt of its own once and draws over its trace again for each unit: the prompt is not the assigned one (B1).
 */
export function keptPrompt(lab: Lab, runner: UnitRunner): Cheat {
  const drawer = lab.drawer('all')
  let kept: (MadeUp & { readonly tokens: readonly number[] }) | undefined
  return async (job, signal) => {
    let isExecuted = false
    if (kept === undefined) {
      // Any prompt will do; the first one that is assigned is as good as another.
      const { trace, tokens } = await runner.executeUnit(job.modelId, job.task, signal)
      placeRows(drawer, trace)
      kept = { trace, tokens, ...commitTraceFast(trace, lab.hash) }
      isExecuted = true
    }
    const isNewParent = drawer.setParent(job.parentBeacon)
    const ticket = keptRowsDraw(drawer, { ...job, bindings: bindingsOf(job) }, kept.traceRoot)
    const won = isWon(job, ticket) ? wonWith(lab, kept, ticket) : undefined
    return { isNewParent, isExecuted, outcome: outcomeOf(kept.tokens, kept.traceRoot, drawer, won) }
  }
}

function outcomeOf(
  tokens: readonly number[],
  traceRoot: Uint8Array,
  drawer: RowDrawer,
  won: WinningUnit | undefined,
): UnitOutcome {
  return { tokens, traceRoot, tickets: drawer.tickets, won, trace: undefined }
}

function wonWith({ context, hash }: Lab, made: MadeUp, ticket: Ticket): WinningUnit {
  const { trace, subroots, top, traceRoot } = made
  const { tileRows } = context.bootstrap.params
  return { trace, traceRoot, ticket, proof: buildTicketProof(trace, subroots, top, ticket.position, tileRows, hash) }
}

function isWon({ threshold }: UnitJob, ticket: Ticket): boolean {
  const bound = new Uint8Array(32)
  let rest = threshold < TARGET_LIMIT ? threshold : TARGET_LIMIT - 1n
  for (let i = 0; i < 32; i++, rest >>= 8n) bound[i] = Number(rest & 0xffn)
  return compareLittleEndian(ticket.hash, bound) < 0
}
