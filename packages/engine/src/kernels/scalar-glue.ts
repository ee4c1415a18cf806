/** The arithmetic between the products (MOD-2, MOD-4) on one flat memory, in the reference's order of operations. */
import { expF32, MIN_NORMAL_F32, QUANT_MAX, siluF32 } from '@nacre/protocol'
import type { AttendCall, GlueKernels, HeadCall, ResidualCall } from './types.ts'

const f = Math.fround
/** 1.5 * 2^23: adding and subtracting it rounds half to even. */
const ROUND_MAGIC = 12582912
const MAX_FINITE_F32 = 3.4028234663852886e38
const finite = (v: number): number => (Math.abs(v) <= MAX_FINITE_F32 ? v : 0)

export function scalarGlue(buffer: ArrayBufferLike): GlueKernels {
  const f32 = new Float32Array(buffer)
  const i8 = new Int8Array(buffer)
  const i32 = new Int32Array(buffer)
  const lanes = new Float32Array(4)
  const sumLanes = (): number => f(f(lanes[0]! + lanes[1]!) + f(lanes[2]! + lanes[3]!))

  const norm = (row: number, gain: number, n: number, trueN: number, eps: number, out: number): void => {
    lanes.fill(0)
    for (let i = 0; i < trueN; i++) lanes[i & 3] = f(lanes[i & 3]! + f(f32[row + i]! * f32[row + i]!))
    const inv = f(1 / f(Math.sqrt(f(f(sumLanes() / trueN) + eps))))
    for (let i = 0; i < n; i++) f32[out + i] = i < trueN ? f(f(f32[row + i]! * inv) * f32[gain + i]!) : 0
  }

  /** Quantises n values from word `row` to int8 at q; returns the scale. */
  const quantise = (row: number, n: number, q: number): number => {
    i8.fill(0, q, q + n)
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
      i8[q + i] = r > QUANT_MAX ? QUANT_MAX : r < -QUANT_MAX ? -QUANT_MAX : r
    }
    return scale
  }

  const scaled = (acc: number, rowScale: number, column: number): number => f(f(f(i32[acc]!) * rowScale) * f32[column]!)

  const scale: GlueKernels['scale'] = (acc, n, rowScale, columns, out) => {
    for (let j = 0; j < n; j++) f32[(out >> 2) + j] = scaled((acc >> 2) + j, rowScale, (columns >> 2) + j)
  }

  const rotate = (row: number, rope: number, headDim: number): void => {
    for (let d = 0; d < headDim; d += 2) {
      const [a, b] = [f32[row + d]!, f32[row + d + 1]!]
      const [c, s] = [f32[rope + d]!, f32[rope + headDim + d + 1]!]
      f32[row + d] = f(f(a * c) - f(b * s))
      f32[row + d + 1] = f(f(a * s) + f(b * c))
    }
  }

  const headRows = (call: HeadCall): void => {
    const { rows, acc, ldacc, scales, columns, rope, heads, groups, headDim, wide } = call
    const parts = [
      { count: heads, to: call.q, scale: call.qScale >> 2 },
      { count: groups, to: call.k, scale: call.kScale >> 2 },
      { count: groups, to: call.v, scale: call.vScale >> 2 },
    ]
    for (let i = 0; i < rows; i++) {
      scale(acc + i * ldacc, (heads + 2 * groups) * headDim, f32[(scales >> 2) + i]!, columns, wide)
      for (let head = 0; head < heads + groups; head++) {
        rotate((wide >> 2) + head * headDim, (rope >> 2) + 2 * i * headDim, headDim)
      }
      let row = wide >> 2
      for (const part of parts) {
        for (let head = 0; head < part.count; head++, row += headDim) {
          const index = i * part.count + head
          f32[part.scale + index] = quantise(row, headDim, part.to + index * headDim)
        }
      }
    }
  }

  /** One query head over the first `count` rows of one KV group; the result is at word `out`. */
  const attend = (call: AttendCall, count: number, query: number, qScale: number, group: number, out: number): void => {
    const { k, v, kScale, vScale, groups, headDim, invSqrt, weights } = call
    const weight = weights >> 2
    const row = (base: number, j: number): number => base + (j * groups + group) * headDim
    const scaleOf = (base: number, j: number): number => f32[(base >> 2) + j * groups + group]!
    for (let j = 0; j < count; j++) {
      let dot = 0
      for (let d = 0; d < headDim; d++) dot += i8[query + d]! * i8[row(k, j) + d]!
      f32[weight + j] = f(f(f(f(dot) * qScale) * scaleOf(kScale, j)) * invSqrt)
    }
    let max = f32[weight]!
    for (let j = 1; j < count; j++) if (f32[weight + j]! > max) max = f32[weight + j]!
    lanes.fill(0)
    for (let j = 0; j < count; j++) {
      const e = expF32(f(f32[weight + j]! - max))
      lanes[j & 3] = f(lanes[j & 3]! + e)
      f32[weight + j] = f(e * scaleOf(vScale, j))
    }
    const denominator = sumLanes()
    f32.fill(0, out, out + headDim)
    for (let j = 0; j < count; j++) {
      const w = f32[weight + j]!
      for (let d = 0; d < headDim; d++) f32[out + d] = f(f32[out + d]! + f(w * i8[row(v, j) + d]!))
    }
    for (let d = 0; d < headDim; d++) f32[out + d] = f(f32[out + d]! / denominator)
  }

  /** Runs `sum` for each value and adds it to the residual. */
  const residual = (call: ResidualCall, sum: (i: number, d: number) => number): void => {
    const { rows, n, base, out } = call
    for (let i = 0; i < rows; i++) {
      for (let d = 0; d < n; d++) {
        f32[(out >> 2) + i * n + d] = finite(f(f32[(base >> 2) + i * n + d]! + sum(i, d)))
      }
    }
  }

  return {
    scale,
    headRows,
    normRows: ({ rows, row, gain, n, trueN, eps, tmp, q, lda, scales }) => {
      for (let i = 0; i < rows; i++) {
        norm((row >> 2) + i * n, gain >> 2, n, trueN, eps, tmp >> 2)
        f32[(scales >> 2) + i] = quantise(tmp >> 2, n, q + i * lda)
      }
    },
    attendRows: (call) => {
      const { rows, count, q, qScale, groups, groupHeads, headDim, tmp, out, outScale } = call
      for (let i = 0; i < rows; i++) {
        for (let g = 0; g < groups; g++) {
          for (let part = 0; part < groupHeads; part++) {
            const index = (i * groups + g) * groupHeads + part
            const query = q + index * headDim
            attend(call, count + i, query, f32[(qScale >> 2) + index]!, g, (tmp >> 2) + part * headDim)
          }
          const at = i * groups + g
          f32[(outScale >> 2) + at] = quantise(tmp >> 2, groupHeads * headDim, out + at * groupHeads * headDim)
        }
      }
    },
    gateRows: ({ rows, acc, ldacc, n, scales, columns, tmp, q, lda }) => {
      for (let i = 0; i < rows; i++) {
        const rowScale = f32[(scales >> 2) + i]!
        const row = (acc + i * ldacc) >> 2
        for (let j = 0; j < n; j++) {
          const gate = scaled(row + j, rowScale, (columns >> 2) + j)
          f32[(tmp >> 2) + j] = f(siluF32(gate) * scaled(row + n + j, rowScale, (columns >> 2) + n + j))
        }
        f32[(scales >> 2) + i] = quantise(tmp >> 2, n, q + i * lda)
      }
    },
    residualRows: (call) => {
      const { acc, ldacc, scales, columns } = call
      residual(call, (i, d) => scaled(((acc + i * ldacc) >> 2) + d, f32[(scales >> 2) + i]!, (columns >> 2) + d))
    },
    groupRows: (call) => {
      const { acc, groups, n, scales, columns } = call
      residual(call, (i, d) => {
        let sum = 0
        for (let g = 0; g < groups; g++) {
          const part = f(i32[(acc >> 2) + (i * groups + g) * n + d]!)
          sum = f(sum + f(part * f32[(scales >> 2) + i * groups + g]!))
        }
        return f(sum * f32[(columns >> 2) + d]!)
      })
    },
  }
}
