import { expF32 } from '@nacre/protocol'
import { sum4 } from './glue.ts'

const f = Math.fround

/** Keys and values of one layer, row-major by position; `stride` values a row, one scale per KV head. */
export interface KvCache {
  readonly k: Int8Array
  readonly v: Int8Array
  readonly kScale: Float32Array
  readonly vScale: Float32Array
}

/** Sizes of one head's attention. */
export interface HeadShape {
  readonly headDim: number
  readonly nKvHeads: number
  /** f(1 / f(sqrt(headDim))). */
  readonly invSqrt: number
}

/**
 * One query head over positions 0 .. position (MOD-4), in the order of operations of the reference.
 * @param q headDim quantised values from qStart. @param weights scratch of at least position + 1 values.
 * @param out headDim results from outStart.
 */
export function attendHead(
  shape: HeadShape,
  cache: KvCache,
  group: number,
  position: number,
  q: Int16Array,
  qStart: number,
  qScale: number,
  weights: Float32Array,
  out: Float32Array,
  outStart: number,
): void {
  const { headDim, nKvHeads, invSqrt } = shape
  const { k, v, kScale, vScale } = cache
  const stride = nKvHeads * headDim
  const count = position + 1
  for (let j = 0; j < count; j++) {
    const row = j * stride + group * headDim
    let dot = 0
    for (let d = 0; d < headDim; d++) dot = (dot + Math.imul(q[qStart + d]!, k[row + d]!)) | 0
    weights[j] = f(f(f(f(dot) * qScale) * kScale[j * nKvHeads + group]!) * invSqrt)
  }
  let max = weights[0]!
  for (let j = 1; j < count; j++) if (weights[j]! > max) max = weights[j]!
  for (let j = 0; j < count; j++) weights[j] = expF32(f(weights[j]! - max))
  const denominator = sum4(weights, count)
  for (let d = 0; d < headDim; d++) out[outStart + d] = 0
  for (let j = 0; j < count; j++) {
    const row = j * stride + group * headDim
    const w = f(weights[j]! * vScale[j * nKvHeads + group]!)
    for (let d = 0; d < headDim; d++) out[outStart + d] = f(out[outStart + d]! + f(w * v[row + d]!))
  }
  for (let d = 0; d < headDim; d++) out[outStart + d] = f(out[outStart + d]! / denominator)
}
