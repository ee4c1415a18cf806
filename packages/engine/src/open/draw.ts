/** Draws of the open lane (chapter 12): commit to both operands, multiply, hash all tiles, open the one that wins. */
import {
  DEPLOYED_RULES,
  equalBytes,
  FOLD_WORDS,
  type KeyedHash,
  type Model,
  type OpenRules,
  openPearlHeader,
  openUnit,
  pearl,
  type Trace,
  targetFromBits,
  type UnitDescriptor,
  type UnitTask,
} from '@nacre/protocol'
import { batchOf } from '../hashing/batch-hash.ts'
import type { KernelFactory } from '../kernels/types.ts'
import { compareLittleEndian } from '../run/best-ticket.ts'
import { OpenProduct } from './product.ts'
import {
  drawnPlaces,
  freeOperands,
  isFreeWork,
  joinOperand,
  numberOperand,
  type OpenPlan,
  type OpenWork,
  type OperandView,
  openPlan,
  repeatedWeights,
} from './work.ts'

export interface OpenDrawInput {
  readonly work: OpenWork
  /** The mined block's parent, its miner, and the bits that it requires. */
  readonly parentId: Uint8Array
  readonly minerKey: Uint8Array
  readonly bits: number
  /** Of the unit: one is enough for a parent, another one means other noise for B. */
  readonly counter: number
  /** 32 bytes from which operands that are not inference are made. */
  readonly seed: Uint8Array
  /** Number of this draw: no two of a seed and a parent have the same operands. Below 2^32. */
  readonly draw: number
  /** Rows of A for work over a model. */
  readonly promptTokens: number
  /** What inference executes, or begins with: as many prompts as the plan says, `promptTokens` long. */
  readonly tasks: readonly UnitTask[]
  /** Of the network. Default: those deployed. */
  readonly rules?: OpenRules
}

export interface OpenWin {
  readonly unit: UnitDescriptor
  readonly seedA: Uint8Array
  /** 16 words. */
  readonly foldState: Uint32Array
  /** 32 bytes. */
  readonly ticket: Uint8Array
  /** The bytes of the plain proof. */
  readonly proof: Uint8Array
}

export interface OpenDrawOutcome {
  readonly tickets: number
  /** Products that the tickets count for. */
  readonly macs: number
  /** Tokens generated. */
  readonly newTokens: number
  /** Time of all of it, and of the inference in it. */
  readonly drawMs: number
  readonly inferenceMs: number
  readonly win: OpenWin | undefined
}

/**
 * Executes a task and shows the operand of each ticket operation of the prompt, numbered by layer and operation, before it is
 * multiplied. Throws UNIT_PROMPT and UNIT_SHAPE.
 */
export type InferWithOperands = (task: UnitTask, use: (slot: number, view: OperandView) => void) => Trace
/** Shows the operand of a task's first ticket operation and executes nothing. Throws as the other. */
export type EmbedOperand = (task: UnitTask, use: (view: OperandView) => void) => void

/** Both operands of one product; the B is the one of the plan's `slot`. */
interface Operands {
  readonly slot: number
  readonly a: Int8Array
  readonly b: Int8Array
}

/** What is kept for one kind of work: its memory, and B' under the last header. */
interface Place {
  readonly plan: OpenPlan
  readonly product: OpenProduct
  readonly bs: readonly Int8Array[]
  readonly a: Int8Array | undefined
  readonly seed: Uint8Array
  readonly rules: OpenRules
  jobKey: Uint8Array
  roots: readonly Uint8Array[]
}

/** Draws with one model's kernels, bit for bit as the reference does. Not reentrant: one call at a time. */
export class OpenDrawer {
  readonly #model: Model
  readonly #factory: KernelFactory
  readonly #hash: KeyedHash
  readonly #infer: InferWithOperands
  readonly #embed: EmbedOperand
  readonly #places = new Map<OpenWork, Place>()

  constructor(model: Model, factory: KernelFactory, hash: KeyedHash, infer: InferWithOperands, embed: EmbedOperand) {
    this.#model = model
    this.#factory = factory
    this.#hash = hash
    this.#infer = infer
    this.#embed = embed
  }

  /** One draw of each tile of the plan's products. Throws RangeError for another number of tasks, UNIT_PROMPT and UNIT_SHAPE. */
  draw(input: OpenDrawInput): OpenDrawOutcome {
    const startMs = performance.now()
    const place = this.#placeFor(input)
    const { configuration, prompts, shape } = place.plan
    if (input.tasks.length !== prompts)
      throw new RangeError(`a draw takes ${prompts} prompts, not ${input.tasks.length}`)
    const { as, newTokens } = this.#execute(place, input)
    const inferenceMs = performance.now() - startMs
    const unit = openUnit(input.parentId, configuration, input.counter)
    const header = openPearlHeader(unit, input.minerKey, input.bits)
    this.#commitToBs(place, header)
    const work = { h: shape.h, w: shape.w, k: shape.k, rank: shape.rank }
    const bound = pearl.ticketBound(targetFromBits(input.bits), work, place.rules.rankPenalty)
    let tickets = 0
    let win: OpenWin | undefined
    for (const operands of this.#operands(place, input, as)) {
      const drawn = this.#drawProduct(place, operands, header, bound)
      tickets += drawn.tickets
      if (drawn.win === undefined) continue
      win = { unit, ...drawn.win }
      break
    }
    return {
      tickets,
      macs: tickets * work.h * work.w * pearl.foldedLength(work.k, work.rank),
      newTokens,
      drawMs: performance.now() - startMs,
      inferenceMs,
      win,
    }
  }

  /** Executes the prompts; their operands side by side, one A for each ticket operation. */
  #execute(
    { plan }: Place,
    { work, tasks }: OpenDrawInput,
  ): { readonly as: readonly Int8Array[]; readonly newTokens: number } {
    const { dModel } = this.#model.config
    const { m, k } = plan.shape
    const as = tasks.length === 0 ? [] : plan.shape.columns.map(() => new Int8Array(m * k))
    let newTokens = 0
    for (const [prompt, task] of tasks.entries()) {
      if (task.promptTokens.length !== m)
        throw new RangeError(`a prompt of ${task.promptTokens.length} tokens, not ${m}`)
      const join = (slot: number, view: OperandView): void => joinOperand(as[slot]!, view, prompt, tasks.length, dModel)
      if (work === 'first-layer') this.#embed(task, (view) => join(0, view))
      else newTokens += this.#infer(task, join).shape.newTokens
    }
    return { as, newTokens }
  }

  #placeFor({ work, seed, promptTokens, rules = DEPLOYED_RULES }: OpenDrawInput): Place {
    const known = this.#places.get(work)
    const isSame = known?.rules.rule === rules.rule && known.rules.rankPenalty === rules.rankPenalty
    const isKnown = known !== undefined && isSame && equalBytes(known.seed, seed)
    if (isKnown && (isFreeWork(work) || known.plan.shape.m === promptTokens)) return known
    const { config } = this.#model
    const plan = openPlan(work, config, promptTokens, rules)
    const free = isFreeWork(work) ? freeOperands(work, plan.shape, seed, this.#hash) : undefined
    const weights = (): Int8Array[] =>
      isFreeWork(work)
        ? []
        : drawnPlaces(work, config).map(({ layer, op }) => repeatedWeights(this.#model, layer, op, plan.prompts))
    const place = {
      plan,
      product: new OpenProduct(this.#factory, plan.shape, this.#hash),
      bs: free === undefined ? weights() : [free.b],
      a: free?.a,
      seed,
      rules,
      jobKey: new Uint8Array(0),
      roots: [],
    }
    this.#places.set(work, place)
    return place
  }

  /** hashB and B' of all products under a header, unless they are those in memory. */
  #commitToBs(place: Place, header: pearl.PearlHeader): void {
    const { configuration, shape } = place.plan
    const jobKey = pearl.jobKey(pearl.encodeHeader(header), pearl.encodeConfiguration(configuration))
    if (equalBytes(jobKey, place.jobKey)) return
    place.roots = place.bs.map((b, slot) => {
      const hashB = this.#rootOf(b, jobKey)
      // seedB does not depend on A.
      const { rule } = place.rules
      const input = { jobKey, hashA: hashB, hashB, m: shape.m, n: shape.columns[slot]!, rule }
      place.product.noiseB(slot, b, pearl.noiseSeeds(input, this.#hash).seedB)
      return hashB
    })
    place.jobKey = jobKey
  }

  *#operands({ a, bs, plan }: Place, { work, draw }: OpenDrawInput, as: readonly Int8Array[]): Generator<Operands> {
    if (isFreeWork(work)) {
      numberOperand(a!, plan.shape.k, draw, work)
      yield { slot: 0, a: a!, b: bs[0]! }
    }
    for (const [slot, joined] of as.entries()) yield { slot, a: joined, b: bs[slot]! }
  }

  #drawProduct(
    { plan, product, jobKey, roots, rules }: Place,
    { slot, a, b }: Operands,
    header: pearl.PearlHeader,
    bound: bigint,
  ): { readonly tickets: number; readonly win: Omit<OpenWin, 'unit'> | undefined } {
    const { configuration, shape } = plan
    const { m, h, w } = shape
    const n = shape.columns[slot]!
    const { rule } = rules
    const input = { jobKey, hashA: this.#rootOf(a, jobKey), hashB: roots[slot]!, m, n, rule }
    const seeds = pearl.noiseSeeds(input, this.#hash)
    const states = product.states(slot, a, seeds.seedA)
    const tickets = states.length / STATE_BYTES
    const hashes = batchOf(this.#hash).many(seeds.seedA, states, tickets, STATE_BYTES)
    const most = littleEndian(bound)
    for (let i = 0; i < tickets; i++) {
      const ticket = hashes.subarray(32 * i, 32 * (i + 1))
      if (compareLittleEndian(ticket, most) > 0) continue
      const state = states.slice(STATE_BYTES * i, STATE_BYTES * (i + 1))
      const committed = pearl.commitWork({ header, configuration, m, n, a, b, rule })
      const perRow = Math.floor(n / w)
      const opened = pearl.openTile(committed, h * Math.floor(i / perRow), w * (i % perRow))
      const win = {
        seedA: seeds.seedA,
        foldState: new Uint32Array(state.buffer),
        ticket: ticket.slice(),
        proof: pearl.encodePlainProof(opened),
      }
      return { tickets: i + 1, win }
    }
    return { tickets, win: undefined }
  }

  /** Keyed BLAKE3 of the operand's bytes, zero-padded to whole chunks. */
  #rootOf(operand: Int8Array, key: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(operand.buffer, operand.byteOffset, operand.length)
    const padded = Math.ceil(bytes.length / pearl.CHUNK_BYTES) * pearl.CHUNK_BYTES
    if (padded === bytes.length) return this.#hash(key, bytes)
    const whole = new Uint8Array(padded)
    whole.set(bytes)
    return this.#hash(key, whole)
  }
}

const STATE_BYTES: number = 4 * FOLD_WORDS

/** A bound below 2^256 as 32 little-endian bytes. */
function littleEndian(bound: bigint): Uint8Array {
  const out = new Uint8Array(32)
  for (let i = 0, rest = bound; i < 32; i++, rest >>= 8n) out[i] = Number(rest & 0xffn)
  return out
}
