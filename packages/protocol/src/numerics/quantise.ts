import { MIN_NORMAL_F32, roundHalfEven } from './f32.ts'

const f = Math.fround

/** Quantised activations and weights lie in [-63, 63], so that operand plus noise stays inside int8 (WRK-2). */
export const QUANT_MAX = 63

/**
 * Quantises `length` values from `row[start]` into `q[qStart]` and returns the scale (MOD-2, MOD-4):
 * scale = amax / 63 over the finite elements, 0 if that is subnormal; q = round half even of value / scale, clamped to
 * [-63, 63]; a non-finite element and every element of a zero-scale row is 0.
 */
export function quantiseInto(row: Float32Array, start: number, length: number, q: Int8Array, qStart: number): number {
  let amax = 0
  for (let i = start; i < start + length; i++) {
    const a = Math.abs(row[i]!)
    if (a > amax && a !== Number.POSITIVE_INFINITY) amax = a
  }
  let scale = f(amax / QUANT_MAX)
  if (scale < MIN_NORMAL_F32) scale = 0
  for (let i = 0; i < length; i++) {
    const v = row[start + i]!
    if (scale === 0 || !Number.isFinite(v)) {
      q[qStart + i] = 0
      continue
    }
    const r = roundHalfEven(f(v / scale))
    q[qStart + i] = r > QUANT_MAX ? QUANT_MAX : r < -QUANT_MAX ? -QUANT_MAX : r
  }
  return scale
}

/** One quantised row: int8 values and the binary32 scale. */
export interface QuantRow {
  readonly q: Int8Array
  readonly scale: number
}

export function quantiseRow(row: Float32Array): QuantRow {
  const q = new Int8Array(row.length)
  return { q, scale: quantiseInto(row, 0, row.length, q, 0) }
}
