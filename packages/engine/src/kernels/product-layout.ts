/** Where the products of WebAssembly keep what they need, and in which blocks they work. */
import { Arena } from './arena.ts'
import { gatherBlocks } from './sparse-lists.ts'
import { BLOCK, type KernelLimits, padK, padN, padRank, padRows } from './types.ts'

/** k values and rows of the blocks that a product is cut into, so that what is read again and again stays in the caches. */
export const BLOCK_K = 1024
export const BLOCK_ROWS = 240
/** k values of a block that is folded after each r. */
export const foldBlock = (r: number): number => r * Math.max(1, Math.floor(BLOCK_K / r))
/** Rows whose length is a multiple of this would all fall on the same few cache sets. */
const ALIASING_BYTES = 512
const CACHE_LINE = 64

/** Bytes between operand rows of k values. */
export const operandStride = (k: number): number => padK(k) + (padK(k) % ALIASING_BYTES === 0 ? CACHE_LINE : 0)

/** Columns of a register tile in vectors of four, and what is added to noised weights. */
export interface PanelLayout {
  readonly vectors: 2 | 4
  readonly noisedOffset: 0 | 128
}

/** Offsets of the scratch that both families need; `bytes` is where it ends, relative to its start. */
export interface CommonScratch {
  readonly operand: number
  readonly columnsIn: number
  readonly columnsOut: number
  readonly rows: number
  readonly uniform: number
  readonly sums: number
  readonly denoiseRows: number
  readonly plus: number
  readonly minus: number
  readonly lists: number
  readonly ends: number
  readonly x: number
  readonly corr: number
}

export function commonScratch(arena: Arena, limits: KernelLimits, vectors: number): CommonScratch {
  const { rows, k, noisedK, rank } = limits
  const m = padRows(rows)
  const r = padRank(rank)
  const steps = rank === 0 ? 0 : Math.ceil(noisedK / rank)
  const blocks = Math.ceil(Math.max(padK(k), noisedK) / BLOCK_K) + 1
  return {
    operand: arena.reserve(noisedK === 0 ? 0 : m * operandStride(noisedK)),
    columnsIn: arena.reserve(BLOCK * padK(Math.max(k, noisedK))),
    columnsOut: arena.reserve(BLOCK * padK(Math.max(k, noisedK))),
    rows: arena.reserve(BLOCK * Math.max(padK(Math.max(k, noisedK)), r)),
    uniform: arena.reserve(BLOCK * r),
    sums: arena.reserve(2 * 2 * BLOCK * r),
    denoiseRows: arena.reserve(m * 4 * r),
    plus: arena.reserve(2 * padK(noisedK)),
    minus: arena.reserve(2 * padK(noisedK)),
    lists: arena.reserve(4 * noisedK),
    ends: arena.reserve(8 * r * gatherBlocks(noisedK)),
    x: arena.reserve(16 * vectors * Math.max(1, steps)),
    corr: arena.reserve(4 * m * Math.max(steps, blocks)),
  }
}

/** Where the parts of noised weights lie, relative to their start. */
export interface NoisedLayout {
  /** Packed W'. */
  readonly packed: number
  /** W' as padN(n) / 16 panels of k vectors of sixteen columns. */
  readonly columns: number
  /** Packed F_R. */
  readonly uniform: number
  /** The lists of F_L (see `sparseLists`), and how many indices meet in one of its sums at most. */
  readonly lists: number
  readonly ends: number
  readonly maxCount: number
  readonly bytes: number
}

export function noisedLayout(n: number, k: number, r: number): NoisedLayout {
  const arena = new Arena(0)
  return {
    packed: arena.reserve(padN(n) * padK(k)),
    columns: arena.reserve(padN(n) * padK(k)),
    uniform: arena.reserve(padN(n) * padRank(r)),
    lists: arena.reserve(4 * k),
    ends: arena.reserve(8 * padRank(r) * gatherBlocks(k)),
    maxCount: arena.reserve(4),
    bytes: arena.bytes,
  }
}

/** One byte for each padded weight. */
export const packedBytes = (n: number, k: number): number => padN(n) * padK(k)
export const noisedBytes = (n: number, k: number, r: number): number => noisedLayout(n, k, r).bytes

/** Offsets relative to a start as offsets in the memory. */
export function placedAt<T extends object>(start: number, offsets: T): T {
  return Object.fromEntries(Object.entries(offsets).map(([name, offset]) => [name, start + offset])) as T
}
