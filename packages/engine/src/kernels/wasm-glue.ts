import type { GlueKernels } from './types.ts'
import type { KernelExports } from './wasm-exports.ts'

/** The glue of a compiled module: named arguments to positions. */
export function wasmGlue(exports: KernelExports): GlueKernels {
  return {
    normRows: ({ rows, row, gain, n, trueN, eps, tmp, q, lda, scales }) =>
      exports.normRows(rows, row, gain, n, trueN, eps, tmp, q, lda, scales),
    scale: (...args) => exports.scale(...args),
    headRows: (call) => {
      const { rows, acc, ldacc, scales, columns, rope, heads, groups, headDim, wide, q, qScale, k, v } = call
      exports.headRows(
        ...[rows, acc, ldacc, scales, columns, rope, heads, groups, headDim, wide, q, qScale, k, v],
        ...[call.kScale, call.vScale],
      )
    },
    attendRows: (call) => {
      const { rows, count, q, qScale, k, v, kScale, vScale, groups, groupHeads, headDim, invSqrt } = call
      exports.attendRows(
        ...[rows, count, q, qScale, k, v, kScale, vScale, groups, groupHeads, headDim, invSqrt],
        ...[call.weights, call.tmp, call.out, call.outScale],
      )
    },
    gateRows: ({ rows, acc, ldacc, n, scales, columns, tmp, q, lda }) =>
      exports.gateRows(rows, acc, ldacc, n, scales, columns, tmp, q, lda),
    residualRows: ({ rows, acc, ldacc, n, scales, columns, base, out }) =>
      exports.residualRows(rows, acc, ldacc, n, scales, columns, base, out),
    groupRows: ({ rows, acc, groups, n, scales, columns, base, out }) =>
      exports.groupRows(rows, acc, groups, n, scales, columns, base, out),
  }
}
