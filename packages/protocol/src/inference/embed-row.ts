import type { Model } from '../model/types.ts'

/** h[0] of a token: h[d] = f(q * scale[token]). Length dModel. */
export function embedRow(model: Model, token: number): Float32Array {
  const { q, scale, columns } = model.embed
  const out = new Float32Array(columns)
  for (let d = 0; d < columns; d++) out[d] = Math.fround(q[token * columns + d]! * scale[token]!)
  return out
}
