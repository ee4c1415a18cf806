import type { Model } from '../model/types.ts'
import { expF32, sumF32 } from '../numerics/f32.ts'
import { linearRow } from '../numerics/linear.ts'
import { type QuantRow, quantiseRow } from '../numerics/quantise.ts'
import { type KvRow, rotateAt } from './kv-of.ts'

const f = Math.fround

/**
 * The attention output operand of one KV group at one position (MOD-4): all query heads of the group attend to the rows
 * of positions 0..position; their outputs, head after head, are quantised with one scale.
 * @param a the operand of the fused q,k,v projection at this position.
 * @param rows the group's keys and values of positions 0..position.
 * @returns nHeads / nKvHeads * headDim values.
 */
export function attendGroup(
  model: Model,
  layer: number,
  group: number,
  position: number,
  a: QuantRow,
  rows: readonly KvRow[],
): QuantRow {
  const { headDim } = model.config
  return attendQueries(model, group, position, rows, (start) =>
    linearRow(a.q, a.scale, model.layers[layer]!.qkv, start, headDim),
  )
}

/** {@link attendGroup} from the query of each head: `queryAt(start)` gives outputs start .. start + headDim - 1 of the fused projection. */
export function attendQueries(
  model: Model,
  group: number,
  position: number,
  rows: readonly KvRow[],
  queryAt: (start: number) => Float32Array,
): QuantRow {
  const { nHeads, nKvHeads, headDim } = model.config
  const heads = nHeads / nKvHeads
  const out = new Float32Array(heads * headDim)
  for (let i = 0; i < heads; i++) {
    const query = queryAt((group * heads + i) * headDim)
    rotateAt(model, query, position)
    attendHead(quantiseRow(query), rows, out.subarray(i * headDim, (i + 1) * headDim))
  }
  return quantiseRow(out)
}

/**
 * One head: score_j = f(f(f(f(q.k) * qScale) * kScale) * invSqrt), weights by the pinned exponential of f(score_j -
 * max), values summed position by position, one division at the end. The maximum starts at score_0, a later score
 * replaces it if greater.
 */
function attendHead(query: QuantRow, rows: readonly KvRow[], out: Float32Array): void {
  const headDim = out.length
  const invSqrt = f(1 / f(Math.sqrt(headDim)))
  const weights = new Float32Array(rows.length)
  for (let j = 0; j < rows.length; j++) {
    const { k, kScale } = rows[j]!
    let dot = 0
    for (let d = 0; d < headDim; d++) dot += query.q[d]! * k[d]!
    weights[j] = f(f(f(f(dot) * query.scale) * kScale) * invSqrt)
  }
  let max = weights[0]!
  for (let j = 1; j < rows.length; j++) if (weights[j]! > max) max = weights[j]!
  for (let j = 0; j < rows.length; j++) weights[j] = expF32(f(weights[j]! - max))
  const denominator = sumF32(weights)
  out.fill(0)
  for (let j = 0; j < rows.length; j++) {
    const { v, vScale } = rows[j]!
    const w = f(weights[j]! * vScale)
    for (let d = 0; d < headDim; d++) out[d] = f(out[d]! + f(w * v[d]!))
  }
  for (let d = 0; d < headDim; d++) out[d] = f(out[d]! / denominator)
}
