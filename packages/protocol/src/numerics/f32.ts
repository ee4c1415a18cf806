/**
 * Pinned binary32 arithmetic (MOD-4): + - * / and square root, no fused multiply-add, no library transcendental, a written
 * order of operations. `Math.fround` after each operation gives IEEE-754 binary32 results exactly, because a double holds
 * any product of two binary32 values and double rounding is innocuous for these five operations (Figueroa 1995).
 */
const f = Math.fround

/** Smallest normal binary32, 2^-126: a scale below it is 0. */
export const MIN_NORMAL_F32: number = 2 ** -126

// biome-ignore lint/suspicious/noApproximativeNumericConstant: the digits are the rule
const LOG2_E = f(1.4426950408889634)
/** ln 2 in two parts; the high part has trailing zeros, so n * LN2_HI is exact for |n| < 2^8 (Cody and Waite). */
const LN2_HI = f(0.693359375)
const LN2_LO = f(-2.1219444e-4)
/** 1.5 * 2^23: adding and subtracting it rounds to an integer, half to even. */
const ROUND_MAGIC = 12582912
/** Minimax polynomial of (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2. Source: Cephes `expf`. */
const EXP_POLY: readonly number[] = [
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
].map(f)

/** Arguments are clamped to this range, where results are normal numbers. */
export const EXP_MIN: number = -87
export const EXP_MAX: number = 88

/** 2^n for n in -126..127. */
const POWERS_OF_TWO: Float32Array = Float32Array.from({ length: 254 }, (_, i) => 2 ** (i - 126))

/** e^x, pinned: clamp, range reduction by ln 2 in two parts, degree-5 polynomial by Horner, scaling by a power of two. */
export function expF32(x: number): number {
  const c = x < EXP_MIN ? EXP_MIN : x > EXP_MAX ? EXP_MAX : x
  const n = f(f(f(c * LOG2_E) + ROUND_MAGIC) - ROUND_MAGIC)
  const r = f(f(c - f(n * LN2_HI)) - f(n * LN2_LO))
  let p = EXP_POLY[0]!
  for (let i = 1; i < 6; i++) p = f(f(p * r) + EXP_POLY[i]!)
  const y = f(f(f(p * f(r * r)) + r) + 1)
  return f(y * POWERS_OF_TWO[n + 126]!)
}

/** silu(x) = x / (1 + e^-x). */
export function siluF32(x: number): number {
  return f(x / f(1 + expF32(-x)))
}

/** Round half to even of a value with |v| < 2^22. */
export function roundHalfEven(v: number): number {
  return f(f(v + ROUND_MAGIC) - ROUND_MAGIC)
}

/** A row with every non-finite element replaced by +0: the only form in which rows are stored or quantised (MOD-4). */
export function storeFinite(row: Float32Array): Float32Array {
  for (let i = 0; i < row.length; i++) if (!Number.isFinite(row[i]!)) row[i] = 0
  return row
}

/** Sum with four partial sums: lane j takes indices j mod 4, then (s0 + s1) + (s2 + s3). */
export function sumF32(row: Float32Array): number {
  const s = new Float32Array(4)
  for (let i = 0; i < row.length; i++) s[i & 3] = f(s[i & 3]! + row[i]!)
  return f(f(s[0]! + s[1]!) + f(s[2]! + s[3]!))
}

/** Sum of squares in the order of {@link sumF32}. */
export function sumSquaresF32(row: Float32Array): number {
  const s = new Float32Array(4)
  for (let i = 0; i < row.length; i++) s[i & 3] = f(s[i & 3]! + f(row[i]! * row[i]!))
  return f(f(s[0]! + s[1]!) + f(s[2]! + s[3]!))
}

/**
 * RMSNorm: meanSquare = sumSquares / n; inv = 1 / sqrt(meanSquare + eps); out[i] = (row[i] * inv) * gain[i].
 * @param row length n; finite. @param gain length n. @param eps binary32.
 */
export function rmsNorm(row: Float32Array, gain: Float32Array, eps: number): Float32Array {
  const meanSquare = f(sumSquaresF32(row) / row.length)
  const inv = f(1 / f(Math.sqrt(f(meanSquare + eps))))
  const out = new Float32Array(row.length)
  for (let i = 0; i < row.length; i++) out[i] = f(f(row[i]! * inv) * gain[i]!)
  return out
}

/**
 * Rotates interleaved pairs (2j, 2j+1) of one head in place (rotary positions):
 * a' = a cos - b sin, b' = a sin + b cos, each product rounded before the sum.
 * @param head length headDim. @param cos and @param sin length headDim / 2, the table rows of the position.
 */
export function rotateHead(head: Float32Array, cos: Float32Array, sin: Float32Array): void {
  for (let j = 0; j < cos.length; j++) {
    const a = head[2 * j]!
    const b = head[2 * j + 1]!
    head[2 * j] = f(f(a * cos[j]!) - f(b * sin[j]!))
    head[2 * j + 1] = f(f(a * sin[j]!) + f(b * cos[j]!))
  }
}
