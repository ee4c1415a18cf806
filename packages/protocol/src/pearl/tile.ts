/** Tiles, fold states and tickets of the baseline (chapter 12). */
import { bigintFromLe, u32ListToBytes } from '../bytes.ts'
import { TARGET_LIMIT } from '../difficulty/bits.ts'
import { check, ProtocolError } from '../errors.ts'
import { type KeyedHash, keyedHash } from '../hash.ts'
import { checkBytes, checkInteger, shown } from './argument.ts'
import { foldedLength } from './configuration.ts'
import { MAX_K, MAX_TILE, STATE_WORDS } from './limits.ts'

/** Rows of a tile's factor: one flat array, row after row of k values, or a list of rows of k values. All fit int8. */
export type TileRows = Int8Array | readonly ArrayLike<number>[]

export interface TileShape {
  /** Common dimension: the length of a row. */
  readonly k: number
  /** Noise rank and fold step. */
  readonly r: number
}

/**
 * The fold state of one tile, sixteen words. Accumulators start at 0; after each r of k (the last k mod r are not used) the XOR of
 * all accumulators enters word (step - 1) mod 16, which is rotated left by 13 before.
 * @param aPrimeRows h rows of A'. @param bPrimeColumns w columns of B', each as a row. Throws PEARL_ARGUMENT.
 */
export function foldTile(aPrimeRows: TileRows, bPrimeColumns: TileRows, shape: TileShape): Uint32Array {
  const { k, r } = shape
  checkInteger('k', k, 1, MAX_K)
  checkInteger('the rank', r, 1, k)
  const a = flatRows(aPrimeRows, k)
  const b = flatRows(bPrimeColumns, k)
  const accumulators = new Int32Array((a.length / k) * (b.length / k))
  const state = new Uint32Array(STATE_WORDS)
  const end = foldedLength(k, r)
  for (let from = 0, step = 1; from < end; from += r, step++) {
    accumulate(a, b, k, from, from + r, accumulators)
    let x = 0
    for (let i = 0; i < accumulators.length; i++) x ^= accumulators[i]!
    const at = (step - 1) % STATE_WORDS
    state[at] = ((state[at]! << 13) | (state[at]! >>> 19)) ^ x
  }
  return state
}

/** Throws PEARL_ARGUMENT unless these are 1..256 rows of k int8 values. */
function flatRows(rows: TileRows, k: number): Int8Array {
  if (rows instanceof Int8Array) {
    const count = rows.length / k
    checkInteger('the number of rows', count, 1, MAX_TILE)
    return rows
  }
  check(Array.isArray(rows), 'PEARL_ARGUMENT', 'rows are an Int8Array or a list')
  checkInteger('the number of rows', rows.length, 1, MAX_TILE)
  for (const row of rows) check(row?.length === k, 'PEARL_ARGUMENT', `a row does not have ${k} values`)
  const flat = new Int8Array(rows.length * k)
  rows.forEach((row, i) => {
    for (let c = 0; c < k; c++) {
      const value = row[c]!
      if (!(Number.isInteger(value) && value >= -128 && value <= 127))
        throw new ProtocolError('PEARL_ARGUMENT', `${shown(value)} does not fit int8`)
      flat[i * k + c] = value
    }
  })
  return flat
}

/**
 * Adds the products of columns from .. to - 1 to all h x w accumulators, two rows by two columns at a time. At an odd edge the last
 * row is taken twice and counted once. Sums fit int32: 127^2 k < 2^31.
 */
function accumulate(a: Int8Array, b: Int8Array, k: number, from: number, to: number, accumulators: Int32Array): void {
  const h = a.length / k
  const w = b.length / k
  for (let i = 0; i < h; i += 2) {
    const a0 = i * k
    const a1 = i + 1 < h ? a0 + k : a0
    for (let j = 0; j < w; j += 2) {
      const b0 = j * k
      const b1 = j + 1 < w ? b0 + k : b0
      let s00 = 0
      let s01 = 0
      let s10 = 0
      let s11 = 0
      for (let c = from; c < to; c++) {
        const x0 = a[a0 + c]!
        const x1 = a[a1 + c]!
        const y0 = b[b0 + c]!
        const y1 = b[b1 + c]!
        s00 = (s00 + Math.imul(x0, y0)) | 0
        s01 = (s01 + Math.imul(x0, y1)) | 0
        s10 = (s10 + Math.imul(x1, y0)) | 0
        s11 = (s11 + Math.imul(x1, y1)) | 0
      }
      const at = i * w + j
      accumulators[at]! += s00
      if (b1 !== b0) accumulators[at + 1]! += s01
      if (a1 !== a0) accumulators[at + w]! += s10
      if (a1 !== a0 && b1 !== b0) accumulators[at + w + 1]! += s11
    }
  }
}

/**
 * The ticket of a tile, 32 bytes: BLAKE3 keyed with the seed of A's noise of the sixteen words, little-endian.
 * Throws PEARL_ARGUMENT.
 */
export function ticketHash(state: ArrayLike<number>, seedA: Uint8Array, hash: KeyedHash = keyedHash): Uint8Array {
  checkBytes('the seed', seedA, 32)
  const hasWords = state?.length === STATE_WORDS && Array.from(state).every(Number.isInteger)
  check(hasWords, 'PEARL_ARGUMENT', `a fold state has ${STATE_WORDS} words`)
  return hash(seedA, u32ListToBytes(state))
}

/** What a ticket's bound is made of. */
export interface TicketWork {
  readonly h: number
  readonly w: number
  readonly k: number
  readonly rank: number
}

/** The rank at which the rank penalty changes nothing, and the least one that it allows. */
export const PENALTY_BASE_RANK = 128

/**
 * The largest winning ticket: target * h * w * (k - k mod r), at most 2^256 - 1. With the rank penalty a fold step counts as 128
 * products, whatever its length: target * h * w * floor(k / r) * 128. Throws PEARL_RANK for a rank below 128 then.
 */
export function ticketBound(target: bigint, work: TicketWork, rankPenalty = false): bigint {
  const { h, w, k, rank } = work
  if (rankPenalty) check(rank >= PENALTY_BASE_RANK, 'PEARL_RANK', `rank ${rank} is below ${PENALTY_BASE_RANK}`)
  const length = rankPenalty ? Math.floor(k / rank) * PENALTY_BASE_RANK : foldedLength(k, rank)
  const bound = target * BigInt(h * w * length)
  return bound < TARGET_LIMIT ? bound : TARGET_LIMIT - 1n
}

/** Whether a ticket, read as a little-endian integer, is at most `bound`. */
export function ticketWins(ticket: Uint8Array, bound: bigint): boolean {
  return bigintFromLe(ticket) <= bound
}
