/** Puts a model's weights into the memory of its engine, with padding between heads and halves where the kernels want it. */
import type { Model, QuantMatrix } from '@nacre/protocol'
import type { Kernels } from '../kernels/types.ts'
import { isPadded, type LinearPlace, paddedDims, type SharedPlaces } from './layout.ts'

/** Equal parts of something long: part i of the source starts at i * length, of the target at i * padded. */
interface Parts {
  readonly count: number
  readonly length: number
  readonly padded: number
}

export function packModel(model: Model, places: SharedPlaces, kernels: Kernels): void {
  const { config, ropeCos, ropeSin } = model
  const { nHeads, nKvHeads, headDim, ffnDim, maxSeqLen } = config
  const dims = paddedDims(config)
  const f32 = new Float32Array(kernels.buffer)
  const heads = { count: nHeads + 2 * nKvHeads, length: headDim, padded: dims.head }
  const halves = { count: 2, length: ffnDim, padded: dims.ffn }
  const groupHeads = { count: nHeads / nKvHeads, length: headDim, padded: dims.head }
  const groupLength = groupHeads.count * headDim
  const vector = (at: number, values: Float32Array): void => f32.set(values, at >> 2)
  const linear = (place: LinearPlace, matrix: QuantMatrix): void => {
    kernels.pack(place.w, matrix.q, place.n, place.k, matrix.columns)
    vector(place.scale, matrix.scale)
  }
  places.layers.forEach((place, l) => {
    const layer = model.layers[l]!
    vector(place.attnNorm, layer.attnNorm)
    vector(place.ffnNorm, layer.ffnNorm)
    linear(place.qkv, spreadRows(layer.qkv, heads))
    linear(place.gateUp, spreadRows(layer.gateUp, halves))
    linear(place.down, layer.down)
    place.o.forEach((group, g) => {
      const columns = isPadded(config) ? spreadColumns(layer.o, g * groupLength, groupHeads) : layer.o.q
      const [stride, start] = isPadded(config) ? [group.k, 0] : [layer.o.columns, g * groupLength]
      kernels.pack(group.w, columns, group.n, group.k, stride, start)
      vector(group.scale, layer.o.scale)
    })
  })
  linear(places.head, model.head)
  vector(places.finalNorm, model.finalNorm)
  for (let position = 0; position < maxSeqLen; position++) {
    const at = (places.rope >> 2) + position * 2 * dims.head
    for (let pair = 0; pair < headDim / 2; pair++) {
      const [cos, sin] = [ropeCos[(position * headDim) / 2 + pair]!, ropeSin[(position * headDim) / 2 + pair]!]
      f32.set([cos, cos], at + 2 * pair)
      f32.set([-sin, sin], at + dims.head + 2 * pair)
    }
  }
}

/** The matrix with zero rows behind each part. */
function spreadRows(matrix: QuantMatrix, { count, length, padded }: Parts): QuantMatrix {
  if (length === padded) return matrix
  const { columns } = matrix
  const q = new Int8Array(count * padded * columns)
  const scale = new Float32Array(count * padded)
  for (let i = 0; i < count; i++) {
    q.set(matrix.q.subarray(i * length * columns, (i + 1) * length * columns), i * padded * columns)
    scale.set(matrix.scale.subarray(i * length, (i + 1) * length), i * padded)
  }
  return { rows: count * padded, columns, q, scale }
}

/** Columns from `start` with zero columns behind each part, as rows of count * padded values. */
function spreadColumns(matrix: QuantMatrix, start: number, { count, length, padded }: Parts): Int8Array {
  const width = count * padded
  const out = new Int8Array(matrix.rows * width)
  for (let row = 0; row < matrix.rows; row++) {
    for (let i = 0; i < count; i++) {
      const from = row * matrix.columns + start + i * length
      out.set(matrix.q.subarray(from, from + length), row * width + i * padded)
    }
  }
  return out
}
