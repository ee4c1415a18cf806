import { kvRowOf } from '../inference/forward.ts'
import { encodeDimensions, encodeKv, encodeO, encodeRow, encodeTokens } from './leaves.ts'
import { groupWidth, type Subtree } from './subtrees.ts'
import type { Trace } from './types.ts'

/** Bytes of leaf `leaf` of a sub-tree of `trace`. */
export function traceLeaf(trace: Trace, subtree: Subtree, leaf: number): Uint8Array {
  const { dims } = trace.shape
  const { layer, group } = subtree
  const position = subtree.firstPosition + leaf
  const residual = (rows: Float32Array): Uint8Array =>
    encodeRow(rows.subarray(position * dims.dModel, (position + 1) * dims.dModel))
  switch (subtree.kind) {
    case 'dimensions':
      return encodeDimensions(trace.shape)
    case 'tokens':
      return encodeTokens(trace.tokens)
    case 'h':
      return residual(trace.h[layer]!)
    case 'x':
      return residual(trace.x[layer]!)
    case 'kv':
      return encodeKv(kvRowOf(trace, layer, group, position))
    case 'o': {
      const width = groupWidth(dims)
      const row = position * dims.nKvHeads + group
      return encodeO({
        scale: trace.oScale[layer]![row]!,
        q: trace.o[layer]!.subarray(row * width, (row + 1) * width),
      })
    }
  }
}
