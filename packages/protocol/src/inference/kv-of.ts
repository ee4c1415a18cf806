import type { Model } from '../model/types.ts'
import { rotateHead } from '../numerics/f32.ts'
import { linearRow } from '../numerics/linear.ts'
import { type QuantRow, quantiseRow } from '../numerics/quantise.ts'

/** Keys (after rotation) and values of one KV group at one position. */
export interface KvRow {
  /** headDim values. */
  readonly k: Int8Array
  readonly kScale: number
  readonly v: Int8Array
  readonly vScale: number
}

/** Rotates one head by the tables' row of `position`, in place. */
export function rotateAt(model: Model, head: Float32Array, position: number): void {
  const pairs = head.length / 2
  const start = position * pairs
  rotateHead(head, model.ropeCos.subarray(start, start + pairs), model.ropeSin.subarray(start, start + pairs))
}

/**
 * Keys and values of KV group `group` at `position` (MOD-4): linear elements, keys rotated, each row quantised.
 * @param a the operand of the fused q,k,v projection at this position.
 */
export function kvOf(model: Model, layer: number, group: number, position: number, a: QuantRow): KvRow {
  const { qkv } = model.layers[layer]!
  return kvFrom(model, group, position, (start) => linearRow(a.q, a.scale, qkv, start, model.config.headDim))
}

/** {@link kvOf} from linear elements: `rowAt(start)` gives outputs start .. start + headDim - 1 of the fused projection. */
export function kvFrom(model: Model, group: number, position: number, rowAt: (start: number) => Float32Array): KvRow {
  const { nHeads, nKvHeads, headDim } = model.config
  const key = rowAt((nHeads + group) * headDim)
  rotateAt(model, key, position)
  const value = rowAt((nHeads + nKvHeads + group) * headDim)
  const k = quantiseRow(key)
  const v = quantiseRow(value)
  return { k: k.q, kScale: k.scale, v: v.q, vScale: v.scale }
}
