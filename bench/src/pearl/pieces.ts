/** What the weaknesses of the Pearl baseline cost a miner, as pieces of work to be timed on the engine's fastest kernels (chapter 12). */
import { createFastHash, createKernels, createUnitEngine, OPEN_WORKS, type OpenWork, openPlan } from '@nacre/engine'
import { type KeyedHash, pearl } from '@nacre/protocol'
import { batchOf } from '../../../packages/engine/src/hashing/batch-hash.ts'
import type { KernelFactory } from '../../../packages/engine/src/kernels/types.ts'
import { OpenProduct, type OpenProductShape } from '../../../packages/engine/src/open/product.ts'
import { bytes32, devnetModel, PROMPT_TOKENS, task } from '../subjects/devnet.ts'
import { PROOF_NAMES, proofOf, randomOperands, verification } from './proofs.ts'

/** One piece of work; `per` is what its time is divided by: tickets, or 1. */
export interface Piece {
  readonly run: () => unknown
  readonly per: number
}

/** The product of a miner that multiplies what it likes, and one whose k allows every rank from 64 on. */
export const FREE: OpenProductShape = { m: 256, k: 2048, rank: 128, h: 16, w: 16, columns: [512] }
export const RANKS = [64, 128, 256, 512, 1024] as const
export const RANK_K = 16_384
const WIDE = { m: 64, k: RANK_K, h: 16, w: 16, columns: [256] } as const

export const OPERANDS = ['random', 'zero', 'all rows equal', 'rank 1'] as const
type OperandName = (typeof OPERANDS)[number]

const tilesOf = ({ m, h, w, columns }: Omit<OpenProductShape, 'k' | 'rank'>): number =>
  Math.floor(m / h) * Math.floor(columns[0]! / w)

/** All pieces by name, with what they need made. */
export interface Pieces {
  readonly kernels: string
  readonly pieces: ReadonlyMap<string, Piece>
  /** Products that a draw of each kind of the devnet's work counts for, its tickets, and its tokens. */
  readonly draws: ReadonlyMap<OpenWork, { readonly macs: number; readonly tickets: number; readonly newTokens: number }>
}

export async function pearlPieces(): Promise<Pieces> {
  const hash = await createFastHash()
  const kernels = await createKernels()
  const pieces = new Map<string, Piece>()
  for (const name of OPERANDS) pieces.set(`operands/${name}`, ticketsOver(kernels, hash, FREE, operandsOf(name, FREE)))
  for (const rank of RANKS) {
    const shape = { ...WIDE, rank }
    pieces.set(`rank/${rank}`, ticketsOver(kernels, hash, shape, operandsOf('random', shape)))
  }
  const alone = { ...FREE, m: 16, columns: [16] }
  pieces.set('tile alone', ticketsOver(kernels, hash, alone, operandsOf('random', alone)))
  for (const [name, run] of freshLotteries(hash)) pieces.set(`fresh/${name}`, { run, per: 1 })
  pieces.set('refold', { run: refold, per: 1 })
  pieces.set('claim/legacy', { run: anotherClaim(), per: 1 })
  for (const name of PROOF_NAMES) pieces.set(`verify/${name}`, { run: verification(name), per: 1 })
  const draws = await drawsOf(kernels, hash, pieces)
  return { kernels: kernels.name, pieces, draws }
}

function operandsOf(name: OperandName, { m, k, columns }: OpenProductShape): { a: Int8Array; b: Int8Array } {
  const random = randomOperands(7)
  const n = columns[0]!
  switch (name) {
    case 'random':
      return { a: random(m * k), b: random(n * k) }
    case 'zero':
      return { a: new Int8Array(m * k), b: new Int8Array(n * k) }
    case 'all rows equal': {
      const row = random(k)
      return { a: Int8Array.from({ length: m * k }, (_, t) => row[t % k]!), b: random(n * k) }
    }
    case 'rank 1': {
      const outer = (rows: number): Int8Array =>
        Int8Array.from({ length: rows * k }, (_, t) => (Math.floor(t / k) % 8) * ((t % k) % 9))
      return { a: outer(m), b: outer(n) }
    }
  }
}

/** Noise of A, the noised product with its folds, and the tickets' hashes; B' is kept, as on one tip. */
function ticketsOver(
  kernels: KernelFactory,
  hash: KeyedHash,
  shape: OpenProductShape,
  { a, b }: { readonly a: Int8Array; readonly b: Int8Array },
): Piece {
  const product = new OpenProduct(kernels, shape, hash)
  product.noiseB(0, b, bytes32(1))
  const tiles = tilesOf(shape)
  let draw = 0
  const run = (): unknown => {
    const seed = bytes32(++draw)
    return batchOf(hash).many(seed, product.states(0, a, seed), tiles, 64)
  }
  return { run, per: tiles }
}

/** Other tickets from the same product: what changes, and what that costs before the noise of A is drawn again. */
function freshLotteries(hash: KeyedHash): [name: string, run: () => unknown][] {
  const { m, k } = FREE
  const a = randomOperands(7)(m * k)
  const key = bytes32(9)
  const tree = pearl.chunkTree(a, key)
  const last = tree.chunkCount - 1
  const siblings = pearl.openChunks(tree, [last])
  const chunk = new Uint8Array(pearl.CHUNK_BYTES)
  const whole = new Uint8Array(a.buffer)
  const seeds = { jobKey: key, hashB: bytes32(3), m, n: FREE.columns[0]! }
  return [
    ['a new A', () => hash(key, whole)],
    ['one entry of A changed', () => pearl.rootOfChunks(key, last + 1, [last], [chunk], siblings)],
    ['another root with nothing behind it', () => pearl.noiseSeeds({ ...seeds, hashA: chunk.subarray(0, 32) }, hash)],
  ]
}

/** The accumulators of one tile after each fold step, XORed again: all that a second ticket over the same rows would take. */
const kept = Int32Array.from({ length: FREE.h * FREE.w * (FREE.k / FREE.rank) }, (_, i) => Math.imul(i, 0x9e3779b1))
function refold(): number {
  let x = 0
  for (let i = 0; i < kept.length; i++) x ^= kept[i]!
  return x
}

/** Another number of rows in the bytes of a proof: under the legacy rule the same ticket is valid for it. */
function anotherClaim(): () => unknown {
  const bytes = proofOf('the devnet’s: 16 x 16, k 2048, rank 128, 256 rows')
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  let rows = 0
  return () => view.setBigUint64(0, BigInt(++rows & 0xffff), true)
}

async function drawsOf(kernels: KernelFactory, hash: KeyedHash, pieces: Map<string, Piece>): Promise<Pieces['draws']> {
  const model = await devnetModel(hash)
  const engine = createUnitEngine({ model, kernels, hash })
  const draws = new Map<OpenWork, { macs: number; tickets: number; newTokens: number }>()
  for (const work of OPEN_WORKS) {
    const { prompts, shape } = openPlan(work, model.config, PROMPT_TOKENS)
    let draw = 0
    const once = () => {
      const tasks = Array.from({ length: prompts }, (_, i) => task(draw * prompts + i))
      const id = bytes32(1)
      const fixed = {
        parentId: id,
        minerKey: id,
        bits: HARDEST_BITS,
        counter: 0,
        seed: id,
        promptTokens: PROMPT_TOKENS,
      }
      return engine.drawOpen({ work, draw: ++draw, tasks, ...fixed })
    }
    const { macs, tickets, newTokens } = once()
    draws.set(work, { macs, tickets, newTokens })
    pieces.set(`draw/${work}`, { run: once, per: tickets })
    if (work === 'inference') pieces.set(PRODUCTS_ALONE, { run: productsOf(kernels, hash, shape), per: tickets })
  }
  return draws
}

/** The piece of {@link productsOf}. */
export const PRODUCTS_ALONE = 'draw/inference, noised products alone'

/** What a draw of inference adds to the inference: its commitments, noised products and tickets, over operands that are there. */
function productsOf(kernels: KernelFactory, hash: KeyedHash, shape: OpenProductShape): () => unknown {
  const product = new OpenProduct(kernels, shape, hash)
  const random = randomOperands(9)
  const a = random(shape.m * shape.k)
  for (const [slot, n] of shape.columns.entries()) product.noiseB(slot, random(n * shape.k), bytes32(slot))
  let draw = 0
  return () => {
    for (const slot of shape.columns.keys()) {
      const seed = bytes32(++draw)
      hash(seed, new Uint8Array(a.buffer))
      const states = product.states(slot, a, seed)
      batchOf(hash).many(seed, states, states.length / 64, 64)
    }
  }
}

/** No draw is cut short by a win. */
const HARDEST_BITS = 0x01010000
