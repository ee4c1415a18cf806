/**
 * AUD-4: a whole matrix product checked in bulk, with its accumulators as hints (Freivalds 1977): for secret vectors r, C r = A (W r).
 * One multiplication by W for each secret serves any number of units; each unit then costs a row of A and of C per vector.
 *
 * Everything is modulo the prime 2^31 - 1 and never modulo 2^32: there an error of 2^31 vanishes for every even element of r. True
 * accumulators lie within columns * 63 * 63, far below half of the prime, so once the claimed ones are range-checked an error
 * is never a multiple of it, and passes one vector with probability 1 / (2^31 - 1).
 */
import { u32le } from '../bytes.ts'
import { check } from '../errors.ts'
import { taggedXof } from '../hash.ts'
import type { QuantMatrix } from '../model/types.ts'
import { QUANT_MAX } from '../numerics/quantise.ts'

export const FREIVALDS_PRIME: number = 2 ** 31 - 1
/** Independent vectors: together an error passes with probability 2^-62. */
export const FREIVALDS_VECTORS = 2

/** Secret vectors and their images under one matrix. Whoever knows them can forge products: never shown before the check. */
export interface FreivaldsKey {
  readonly rows: number
  readonly columns: number
  /** FREIVALDS_VECTORS of `rows` elements below the prime. */
  readonly vectors: readonly Uint32Array[]
  /** For each vector r the `columns` elements of r W. */
  readonly images: readonly Uint32Array[]
}

const P = FREIVALDS_PRIME
const mod = (value: number): number => {
  const rest = value % P
  return rest < 0 ? rest + P : rest
}

/** Terms of at most 2^38 that add up to less than 2^53. */
const SMALL_TERMS = 1 << 14
/** Terms of at most 2^47 that add up to less than 2^53. */
const LARGE_TERMS = 1 << 5
/** Splits an accumulator, so that its parts times an element of a vector stay exact. */
const LOW = 1 << 14

/** Elements from 64 bits of H[freivalds](seed | u32 vector) each, modulo the prime: 2^32 is 2 there. The bias is below 2^-32. */
function secretVector(seed: Uint8Array, index: number, length: number): Uint32Array {
  const bytes = taggedXof('freivalds', 8 * length, seed, u32le(index))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Uint32Array.from({ length }, (_, i) => mod(view.getUint32(8 * i, true) + 2 * view.getUint32(8 * i + 4, true)))
}

/** r W for a matrix of one output per row. */
function imageOf({ q, rows, columns }: QuantMatrix, vector: Uint32Array): Uint32Array {
  const sums = new Float64Array(columns)
  for (let n = 0; n < rows; n++) {
    const r = vector[n]!
    for (let k = 0; k < columns; k++) sums[k] = sums[k]! + q[n * columns + k]! * r
    if ((n + 1) % SMALL_TERMS === 0) for (let k = 0; k < columns; k++) sums[k] = mod(sums[k]!)
  }
  return Uint32Array.from(sums, mod)
}

/** What checking products with one matrix takes. @param seed 32 secret bytes. Throws FREIVALDS_SHAPE for too many columns. */
export function freivaldsKey(matrix: QuantMatrix, seed: Uint8Array): FreivaldsKey {
  const { rows, columns } = matrix
  check(
    2 * columns * QUANT_MAX * QUANT_MAX < P,
    'FREIVALDS_SHAPE',
    `products of ${columns} columns can differ by the prime`,
  )
  const vectors = Array.from({ length: FREIVALDS_VECTORS }, (_, i) => secretVector(seed, i, rows))
  return { rows, columns, vectors, images: vectors.map((vector) => imageOf(matrix, vector)) }
}

/** a . v modulo the prime for int8 elements of a. */
function dotSmall(a: Int8Array, start: number, v: Uint32Array): number {
  let sum = 0
  for (let i = 0; i < v.length; i++) {
    sum += a[start + i]! * v[i]!
    if ((i + 1) % SMALL_TERMS === 0) sum = mod(sum)
  }
  return mod(sum)
}

/** c . v modulo the prime for int32 elements of c. */
function dotLarge(c: Int32Array, start: number, v: Uint32Array): number {
  let high = 0
  let low = 0
  for (let i = 0; i < v.length; i++) {
    const upper = Math.floor(c[start + i]! / LOW)
    high += upper * v[i]!
    low += (c[start + i]! - upper * LOW) * v[i]!
    if ((i + 1) % LARGE_TERMS === 0) {
      high = mod(high)
      low = mod(low)
    }
  }
  return mod(mod(high) * LOW + mod(low))
}

/**
 * Whether `accumulators` are the products of `operands` with the key's matrix.
 * @param operands m x columns, row-major, in [-63, 63]. @param accumulators m x rows, row-major.
 * Throws FREIVALDS_SHAPE (lengths do not fit), FREIVALDS_RANGE (an operand or an accumulator that no product can have),
 * FREIVALDS_MISMATCH with the first wrong row. A wrong row passes with probability 2^-62, if its maker knows nothing of the key.
 */
export function checkProducts(key: FreivaldsKey, operands: Int8Array, accumulators: Int32Array): void {
  const { rows, columns, vectors, images } = key
  const m = operands.length / columns
  check(
    Number.isInteger(m) && accumulators.length === m * rows,
    'FREIVALDS_SHAPE',
    `${operands.length} operand elements and ${accumulators.length} accumulators do not fit a ${rows} x ${columns} matrix`,
  )
  checkRange('operand', operands, QUANT_MAX)
  checkRange('accumulator', accumulators, columns * QUANT_MAX * QUANT_MAX)
  for (let i = 0; i < m; i++)
    for (const [at, vector] of vectors.entries())
      check(
        dotLarge(accumulators, i * rows, vector) === dotSmall(operands, i * columns, images[at]!),
        'FREIVALDS_MISMATCH',
        `row ${i} is not the product`,
      )
}

function checkRange(name: string, values: Int8Array | Int32Array, most: number): void {
  for (let i = 0; i < values.length; i++)
    if (values[i]! > most || values[i]! < -most)
      check(false, 'FREIVALDS_RANGE', `${name} ${i} is ${values[i]}, outside [-${most}, ${most}]`)
}
