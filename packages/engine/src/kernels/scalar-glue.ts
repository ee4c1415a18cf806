/** The arithmetic between the products (MOD-2, MOD-4) on one flat memory, in the reference's order of operations. */
import { expF32, MIN_NORMAL_F32, QUANT_MAX, siluF32 } from '@nacre/protocol'
import { type AttendCall, type GlueKernels, K_STEP, padK } from './types.ts'

const f = Math.fround
/** 1.5 * 2^23: adding and subtracting it rounds half to even. */
const ROUND_MAGIC = 12582912
const MAX_FINITE_F32 = 3.4028234663852886e38

export function scalarGlue(buffer: ArrayBuffer): GlueKernels {
  const f32 = new Float32Array(buffer)
  const i8 = new Int8Array(buffer)
  const i16 = new Int16Array(buffer)
  const i32 = new Int32Array(buffer)
  const lanes = new Float32Array(4)
  const sumLanes = (): number => f(f(lanes[0]! + lanes[1]!) + f(lanes[2]! + lanes[3]!))

  const norm = (rowAt: number, gainAt: number, n: number, eps: number, outAt: number): void => {
    const row = rowAt >> 2
    const gain = gainAt >> 2
    const out = outAt >> 2
    lanes.fill(0)
    for (let i = 0; i < n; i++) lanes[i & 3] = f(lanes[i & 3]! + f(f32[row + i]! * f32[row + i]!))
    const inv = f(1 / f(Math.sqrt(f(f(sumLanes() / n) + eps))))
    for (let i = 0; i < n; i++) f32[out + i] = f(f(f32[row + i]! * inv) * f32[gain + i]!)
    for (let i = n; i < padK(n); i++) f32[out + i] = 0
  }

  const quantise = (rowAt: number, n: number, qAt: number): number => {
    const row = rowAt >> 2
    const q = qAt >> 1
    i16.fill(0, q, q + padK(n))
    let amax = 0
    for (let i = 0; i < n; i++) {
      const a = Math.abs(f32[row + i]!)
      if (a > amax && a <= MAX_FINITE_F32) amax = a
    }
    const scale = f(amax / QUANT_MAX)
    if (scale < MIN_NORMAL_F32) return 0
    for (let i = 0; i < n; i++) {
      const v = f32[row + i]!
      if (!(Math.abs(v) <= MAX_FINITE_F32)) continue
      const r = f(f(f(v / scale) + ROUND_MAGIC) - ROUND_MAGIC)
      i16[q + i] = r > QUANT_MAX ? QUANT_MAX : r < -QUANT_MAX ? -QUANT_MAX : r
    }
    return scale
  }

  const scaled = (acc: number, rowScale: number, column: number): number => f(f(f(i32[acc]!) * rowScale) * f32[column]!)

  const attend = (call: AttendCall): void => {
    const { q, qScale, k, v, kScale, vScale, rowBytes, scaleBytes, count, headDim, invSqrt, weights, out } = call
    const query = q >> 1
    const weight = weights >> 2
    const result = out >> 2
    for (let j = 0; j < count; j++) {
      const row = k + j * rowBytes
      let dot = 0
      for (let d = 0; d < headDim; d++) dot += i16[query + d]! * i8[row + d]!
      f32[weight + j] = f(f(f(f(dot) * qScale) * f32[(kScale + j * scaleBytes) >> 2]!) * invSqrt)
    }
    let max = f32[weight]!
    for (let j = 1; j < count; j++) if (f32[weight + j]! > max) max = f32[weight + j]!
    lanes.fill(0)
    for (let j = 0; j < count; j++) {
      const e = expF32(f(f32[weight + j]! - max))
      lanes[j & 3] = f(lanes[j & 3]! + e)
      f32[weight + j] = f(e * f32[(vScale + j * scaleBytes) >> 2]!)
    }
    const denominator = sumLanes()
    f32.fill(0, result, result + headDim)
    for (let j = 0; j < count; j++) {
      const row = v + j * rowBytes
      const w = f32[weight + j]!
      for (let d = 0; d < headDim; d++) f32[result + d] = f(f32[result + d]! + f(w * i8[row + d]!))
    }
    for (let d = 0; d < headDim; d++) f32[result + d] = f(f32[result + d]! / denominator)
  }

  return {
    norm,
    quantise,
    attend,
    scale: (acc, n, rowScale, columns, out) => {
      for (let j = 0; j < n; j++) f32[(out >> 2) + j] = scaled((acc >> 2) + j, rowScale, (columns >> 2) + j)
    },
    gate: (acc, n, rowScale, columns, out) => {
      for (let j = 0; j < n; j++) {
        const gate = scaled((acc >> 2) + j, rowScale, (columns >> 2) + j)
        const up = scaled((acc >> 2) + n + j, rowScale, (columns >> 2) + n + j)
        f32[(out >> 2) + j] = f(siluF32(gate) * up)
      }
      for (let j = n; j % K_STEP !== 0; j++) f32[(out >> 2) + j] = 0
    },
  }
}
