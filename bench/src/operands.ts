/** Generated operands, the same in all subjects (`native/common.hpp` has its own copy), and what products are compared by. */

export const OPERAND_SEED = 1
export const WEIGHT_SEED = 2

/** Largest quantised value of the protocol (MOD-2). */
export const QUANT_MAX = 63

/** `count` values in -max..max. Weights count through W by output column: n rows of k. */
export function operand(count: number, seed: number, max: number = QUANT_MAX): Int8Array {
  const out = new Int8Array(count)
  let state = seed
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    out[i] = ((state >>> 16) % (2 * max + 1)) - max
  }
  return out
}

/** The same values moved to 0..2 * max. */
export function unsignedOperand(count: number, seed: number, max: number = QUANT_MAX): Uint8Array {
  return Uint8Array.from(operand(count, seed, max), (value) => value + max)
}

/** Of an m x n product, row by row; `stride` values lie between the starts of rows. */
export function checksum(product: Int32Array, m: number, n: number, stride: number = n): number {
  let sum = 0
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) sum = (Math.imul(sum, 31) + product[i * stride + j]!) | 0
  }
  return sum >>> 0
}
