/** What a miner commits to before it multiplies: 52 bytes, and the bounds of each field (chapter 12). */
import { bytesToHex, concatBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import { shown } from './argument.ts'
import { K_STEP, MAX_K, MAX_RANK, MAX_STRIP_BYTES, MAX_TILE, MIN_K, MIN_RANK, MIN_TILE } from './limits.ts'
import { decodePattern, encodePattern, PATTERN_BYTES, type Pattern, patternSize } from './pattern.ts'

export const CONFIGURATION_BYTES = 52
const PATTERNS_AT = 8
const RESERVED_AT = 20
/** int7 x int7 into int32: the only kind of product. */
const PRODUCT_TYPE = 0

export interface Configuration {
  /** Common dimension of the product. */
  readonly k: number
  /** Noise rank and fold step. */
  readonly rank: number
  /** Which rows of A make a tile: h indices. */
  readonly rows: Pattern
  /** Which columns of B make a tile: w indices. */
  readonly columns: Pattern
}

/**
 * k u32 | rank u16 | type u16 = 0 | row pattern (6) | column pattern (6) | 32 zero bytes, little-endian.
 * Throws PEARL_CONFIGURATION for numbers that do not fit and PEARL_PATTERN.
 */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  check(typeof configuration === 'object' && configuration !== null, 'PEARL_CONFIGURATION', 'it is an object')
  const { k, rank, rows, columns } = configuration
  check(Number.isInteger(k) && k >= 0 && k <= 0xffffffff, 'PEARL_CONFIGURATION', `k ${shown(k)} is no u32`)
  check(Number.isInteger(rank) && rank >= 0 && rank <= 0xffff, 'PEARL_CONFIGURATION', `rank ${shown(rank)} is no u16`)
  const head = new Uint8Array(PATTERNS_AT)
  const view = new DataView(head.buffer)
  view.setUint32(0, k, true)
  view.setUint16(4, rank, true)
  view.setUint16(6, PRODUCT_TYPE, true)
  const reserved = new Uint8Array(CONFIGURATION_BYTES - RESERVED_AT)
  return concatBytes(head, encodePattern(rows), encodePattern(columns), reserved)
}

/** Inverse of {@link encodeConfiguration}. Throws PEARL_CONFIGURATION (length, type, reserved bytes) and PEARL_PATTERN. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  check(
    bytes instanceof Uint8Array && bytes.length === CONFIGURATION_BYTES,
    'PEARL_CONFIGURATION',
    `it has ${CONFIGURATION_BYTES} bytes`,
  )
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const type = view.getUint16(6, true)
  check(type === PRODUCT_TYPE, 'PEARL_CONFIGURATION', `product type ${type}`)
  const reserved = bytes.subarray(RESERVED_AT)
  check(
    reserved.every((byte) => byte === 0),
    'PEARL_CONFIGURATION',
    `reserved bytes ${bytesToHex(reserved)}`,
  )
  return {
    k: view.getUint32(0, true),
    rank: view.getUint16(4, true),
    rows: decodePattern(bytes.subarray(PATTERNS_AT, PATTERNS_AT + PATTERN_BYTES)),
    columns: decodePattern(bytes.subarray(PATTERNS_AT + PATTERN_BYTES, RESERVED_AT)),
  }
}

/** k - k mod r: the part of the common dimension that is folded. */
export function foldedLength(k: number, rank: number): number {
  return k - (k % rank)
}

/**
 * The bounds of a configuration, cheapest first. Throws PEARL_RANK (no power of two in 32..1024), PEARL_K (no multiple of 64 in
 * 1024..65536 and 16 r..4 r^2), PEARL_TILE (h or w odd, h w outside 32..256, or more than 2^22 bytes of rows).
 */
export function checkConfiguration(configuration: Configuration): void {
  const { k, rank, rows, columns } = configuration
  checkRank(rank)
  checkCommonDimension(k, rank)
  checkTileShape(patternSize(rows), patternSize(columns), foldedLength(k, rank))
}

/** Throws PEARL_RANK. */
export function checkRank(rank: number): void {
  const isPower = Number.isInteger(rank) && rank >= MIN_RANK && rank <= MAX_RANK && (rank & (rank - 1)) === 0
  check(isPower, 'PEARL_RANK', `rank ${shown(rank)} is no power of two in ${MIN_RANK}..${MAX_RANK}`)
}

/** Throws PEARL_K. @param rank checked by {@link checkRank}. */
export function checkCommonDimension(k: number, rank: number): void {
  check(Number.isInteger(k) && k >= MIN_K && k <= MAX_K, 'PEARL_K', `k ${shown(k)} is outside ${MIN_K}..${MAX_K}`)
  check(k % K_STEP === 0, 'PEARL_K', `k ${k} is no multiple of ${K_STEP}`)
  check(k >= 16 * rank, 'PEARL_K', `k ${k} is below 16 r = ${16 * rank}`)
  check(k <= 4 * rank * rank, 'PEARL_K', `k ${k} is above 4 r^2 = ${4 * rank * rank}`)
}

/** Throws PEARL_TILE. @param length k - k mod r. */
export function checkTileShape(h: number, w: number, length: number): void {
  check(h % 2 === 0 && w % 2 === 0, 'PEARL_TILE', `a tile of ${h} x ${w} has an odd side`)
  check(h * w >= MIN_TILE && h * w <= MAX_TILE, 'PEARL_TILE', `${h} x ${w} is outside ${MIN_TILE}..${MAX_TILE} entries`)
  const strip = (h + w) * length
  check(strip <= MAX_STRIP_BYTES, 'PEARL_TILE', `${strip} bytes of rows, at most ${MAX_STRIP_BYTES}`)
}
