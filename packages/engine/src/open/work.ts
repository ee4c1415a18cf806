/** What a miner of the open lane multiplies (chapter 12): matrices at random, structured ones, real inference, or the beginning of it. */
import {
  DEPLOYED_RULES,
  type KeyedHash,
  type Model,
  type ModelDims,
  type OpenRules,
  pearl,
  TICKET_OPS,
  type TicketOp,
  ticketMatrix,
} from '@nacre/protocol'
import { batchOf } from '../hashing/batch-hash.ts'
import { ticketColumns } from '../run/layout.ts'
import { randomBytes } from '../run/noise.ts'
import type { OpenProductShape } from './product.ts'

export const OPEN_WORKS = ['random', 'structured', 'inference', 'first-layer'] as const
/**
 * `random`: two matrices at random, one entry after the other of A changed for each draw. `structured`: all rows of A equal, B zero.
 * `inference`: prompts' activations times the model's weights. `first-layer`: of these only the first product, over the prompts' embeddings;
 * nothing else is executed.
 */
export type OpenWork = (typeof OPEN_WORKS)[number]
/** Work over matrices that no model has anything to do with. */
export type FreeWork = 'random' | 'structured'

export const isFreeWork = (work: OpenWork): work is FreeWork => work === 'random' || work === 'structured'

/** Tiles of 16 x 16: the largest there are, so that the proof has the fewest rows for its products. */
const TILE_SIDE = 16
/** A product that any machine has done in a fraction of a second, at the least k for this rank. */
const FREE_SHAPE = { m: 256, n: 512, k: 2048, rank: 128 } as const
/** Largest rank that the least k allows; the rank penalty asks for a larger one, and so for more prompts at once. */
const INFERENCE_RANK = 64

const consecutive = (length: number): pearl.Pattern =>
  pearl.patternOfIndices(
    Array.from({ length }, (_, i) => i),
    length,
  ).pattern

/** Products of one draw, all of one configuration. */
export interface OpenPlan {
  readonly configuration: pearl.Configuration
  readonly shape: OpenProductShape
  /** Prompts that one draw takes; 0 for work without a model. */
  readonly prompts: number
}

/**
 * The products of one draw. Inference: for each ticket operation of each layer one product of `promptTokens` rows, in which the
 * activations of several prompts lie side by side along k and the weights are repeated below one another: a model's width is far
 * below Pearl's least k. Every product that Pearl counts is then one that the model needs.
 */
export function openPlan(
  work: OpenWork,
  dims: ModelDims,
  promptTokens: number,
  { rankPenalty }: Pick<OpenRules, 'rankPenalty'> = DEPLOYED_RULES,
): OpenPlan {
  const [h, w] = [TILE_SIDE, TILE_SIDE]
  const modelRank = rankPenalty ? pearl.PENALTY_BASE_RANK : INFERENCE_RANK
  const prompts = isFreeWork(work) ? 0 : promptsOf(dims.dModel, modelRank)
  const { m, k, rank } = isFreeWork(work) ? FREE_SHAPE : { m: promptTokens, k: prompts * dims.dModel, rank: modelRank }
  const columns = isFreeWork(work) ? [FREE_SHAPE.n] : drawnPlaces(work, dims).map(({ op }) => ticketColumns(dims, op))
  const configuration = { k, rank, rows: consecutive(h), columns: consecutive(w) }
  pearl.checkConfiguration(configuration)
  return { configuration, shape: { m, k, rank, h, w, columns }, prompts }
}

/** The fewest prompts whose widths add up to a k that Pearl allows at a rank, and that the rank divides. */
function promptsOf(dModel: number, rank: number): number {
  let prompts = Math.ceil(Math.max(pearl.MIN_K, 16 * rank) / dModel)
  while ((prompts * dModel) % pearl.K_STEP !== 0 || (prompts * dModel) % rank !== 0) prompts++
  return prompts
}

/** The ticket operations whose products a draw over a model has: those of all layers in their order, or the first one. */
export function drawnPlaces(
  work: Exclude<OpenWork, FreeWork>,
  dims: ModelDims,
): { readonly layer: number; readonly op: TicketOp }[] {
  const all = Array.from({ length: dims.nLayers }, (_, layer) => TICKET_OPS.map((op) => ({ layer, op }))).flat()
  return work === 'first-layer' ? all.slice(0, 1) : all
}

/** B of a ticket operation: its weights repeated along k, n x k values. */
export function repeatedWeights(model: Model, layer: number, op: TicketOp, prompts: number): Int8Array {
  const { dModel } = model.config
  const { q } = ticketMatrix(model, layer, op)
  const n = q.length / dModel
  const out = new Int8Array(n * prompts * dModel)
  for (let j = 0; j < n; j++) {
    const row = q.subarray(j * dModel, (j + 1) * dModel)
    for (let p = 0; p < prompts; p++) out.set(row, (j * prompts + p) * dModel)
  }
  return out
}

/** Rows of an operand in a memory: `rows` of them, `stride` bytes apart from byte `at`. */
export interface OperandView {
  readonly memory: Int8Array
  readonly at: number
  readonly stride: number
  readonly rows: number
}

/** Puts the operand of one prompt beside those of the others: A is rows x (prompts dModel). */
export function joinOperand(a: Int8Array, view: OperandView, prompt: number, prompts: number, dModel: number): void {
  const { memory, at, stride, rows } = view
  for (let i = 0; i < rows; i++) {
    const from = at + i * stride
    a.set(memory.subarray(from, from + dModel), (i * prompts + prompt) * dModel)
  }
}

const OPERAND_LABEL = 'open operand'

/** `length` values in [-63, 63] out of a seed of 32 bytes. @param slot 0 for A, 1 for B. */
function randomOperand(seed: Uint8Array, slot: number, length: number, hash: KeyedHash): Int8Array {
  const bytes = randomBytes(OPERAND_LABEL, seed, slot, length, batchOf(hash))
  const out = new Int8Array(length)
  for (let i = 0; i < length; i++) out[i] = ((bytes[i]! * 127) >>> 8) - 63
  return out
}

/** Both operands of work that is not inference. @param seed 32 bytes. */
export function freeOperands(
  work: FreeWork,
  shape: OpenProductShape,
  seed: Uint8Array,
  hash: KeyedHash,
): { readonly a: Int8Array; readonly b: Int8Array } {
  const { m, k, columns } = shape
  const n = columns[0]!
  if (work === 'random') return { a: randomOperand(seed, 0, m * k, hash), b: randomOperand(seed, 1, n * k, hash) }
  const row = randomOperand(seed, 0, k, hash)
  const a = new Int8Array(m * k)
  for (let i = 0; i < m; i++) a.set(row, i * k)
  return { a, b: new Int8Array(n * k) }
}

/** Values of an operand as digits of a draw's number. */
const DIGITS = 5
const BASE = 127

/**
 * Writes the number of a draw into the first entries of A, so that it is another A. Structured operands get it in every row, so that
 * their rows stay equal.
 */
export function numberOperand(a: Int8Array, k: number, draw: number, work: FreeWork): void {
  const last = work === 'structured' ? a.length : k
  for (let row = 0; row < last; row += k) {
    for (let i = 0, rest = draw; i < DIGITS; i++, rest = Math.floor(rest / BASE)) a[row + i] = (rest % BASE) - 63
  }
}
