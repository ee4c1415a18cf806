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
  const product = tileProduct(a, b, k, Math.min(r, PASS_LENGTH))
  const { accumulators } = product
  const state = new Uint32Array(STATE_WORDS)
  const end = foldedLength(k, r)
  for (let from = 0, step = 1; from < end; from += r, step++) {
    for (let at = from; at < from + r; at += PASS_LENGTH) accumulate(product, at, Math.min(PASS_LENGTH, from + r - at))
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

/** Steps along k that one pass takes: their sums stay below {@link PAIR} / 2 in magnitude. */
const PASS_LENGTH = 1024
/** Two columns of B' share a double, first + second * PAIR. A sum of 1,024 products of int8 is at most 2^24. */
const PAIR: number = 2 ** 26

/** A tile while it is multiplied. */
interface TileProduct {
  readonly a: Int8Array
  readonly b: Int8Array
  readonly k: number
  readonly h: number
  readonly w: number
  /** h x w int32: they suffice, since 128^2 k < 2^31. */
  readonly accumulators: Int32Array
  /** The rows of a pass, `stride` doubles each, and its pairs of columns; both counts rounded up to even with rows of zeros. */
  readonly stride: number
  readonly left: Float64Array
  readonly right: Float64Array
}

function tileProduct(a: Int8Array, b: Int8Array, k: number, stride: number): TileProduct {
  const h = a.length / k
  const w = b.length / k
  const left = new Float64Array(2 * Math.ceil(h / 2) * stride)
  const right = new Float64Array(2 * Math.ceil(w / 4) * stride)
  return { a, b, k, h, w, accumulators: new Int32Array(h * w), stride, left, right }
}

/**
 * Adds the products of columns from .. from + length - 1 to all accumulators, two rows by two pairs of columns at a time. A double
 * does two products in one: x (y0 + y1 PAIR) holds both, every sum is an integer below 2^51, and so all of it is exact. This takes
 * little more than half the time of int32 products.
 */
function accumulate(product: TileProduct, from: number, length: number): void {
  const { h, w, accumulators, stride, left, right } = product
  loadPass(product, from, length)
  for (let i = 0; i < h; i += 2) {
    const x0 = i * stride
    const x1 = x0 + stride
    for (let j = 0; j < w; j += 4) {
      const y0 = (j >>> 1) * stride
      const y1 = y0 + stride
      let s00 = 0
      let s01 = 0
      let s10 = 0
      let s11 = 0
      for (let c = 0; c < length; c++) {
        const u0 = left[x0 + c]!
        const u1 = left[x1 + c]!
        const v0 = right[y0 + c]!
        const v1 = right[y1 + c]!
        s00 += u0 * v0
        s01 += u0 * v1
        s10 += u1 * v0
        s11 += u1 * v1
      }
      addPair(accumulators, i * w, j, w, s00)
      addPair(accumulators, i * w, j + 2, w, s01)
      if (i + 1 === h) continue
      addPair(accumulators, i * w + w, j, w, s10)
      addPair(accumulators, i * w + w, j + 2, w, s11)
    }
  }
}

/** Fills the doubles of a pass: rows of A' as they are, columns of B' in pairs. */
function loadPass(product: TileProduct, from: number, length: number): void {
  const { a, b, k, h, w, stride, left, right } = product
  for (let i = 0; i < h; i++) {
    const row = i * k + from
    for (let c = 0; c < length; c++) left[i * stride + c] = a[row + c]!
  }
  for (let j = 0; j < w; j += 2) {
    const first = j * k + from
    const second = j + 1 < w ? first + k : undefined
    const at = (j >>> 1) * stride
    if (second === undefined) for (let c = 0; c < length; c++) right[at + c] = b[first + c]!
    else for (let c = 0; c < length; c++) right[at + c] = b[first + c]! + b[second + c]! * PAIR
  }
}

/** Adds both sums of a pair to the accumulators of columns j and j + 1 of the row that begins at `row`, as far as it has them. */
function addPair(accumulators: Int32Array, row: number, j: number, w: number, sum: number): void {
  const second = Math.round(sum / PAIR)
  if (j < w) accumulators[row + j]! += sum - second * PAIR
  if (j + 1 < w) accumulators[row + j + 1]! += second
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

/** Whether a ticket of 32 bytes, read as a little-endian integer, is at most `bound`. Throws PEARL_ARGUMENT for another length. */
export function ticketWins(ticket: Uint8Array, bound: bigint): boolean {
  checkBytes('a ticket', ticket, 32)
  return bigintFromLe(ticket) <= bound
}
