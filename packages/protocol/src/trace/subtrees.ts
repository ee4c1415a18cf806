/** Which rows each sub-root commits to: the inverse of `layout.ts`, with leaf counts (TRC-2). */
import type { ModelDims } from '../model/types.ts'
import {
  SUBROOT_DIMENSIONS,
  SUBROOT_TOKENS,
  subrootCount,
  subrootHPrompt,
  subrootHRest,
  subrootKv,
  subrootO,
  subrootXPrompt,
  subrootXRest,
} from './layout.ts'
import type { TraceShape } from './types.ts'

export type SubtreeKind = 'dimensions' | 'tokens' | 'h' | 'x' | 'kv' | 'o'

/** One sub-tree: `leafCount` leaves, leaf j being the row of position `firstPosition + j`. Unused fields are 0. */
export interface Subtree {
  readonly kind: SubtreeKind
  readonly layer: number
  readonly group: number
  readonly firstPosition: number
  readonly leafCount: number
}

/** Positions of a trace: the last token is never fed (TRC-1). */
export function positionCount(shape: TraceShape): number {
  return shape.promptTokens + shape.newTokens - 1
}

/** All sub-trees of a trace in the order of their sub-roots. */
export function subtreesOf(shape: TraceShape): readonly Subtree[] {
  const { dims, promptTokens } = shape
  const positions = positionCount(shape)
  const out: Subtree[] = new Array<Subtree>(subrootCount(dims))
  const single = { layer: 0, group: 0, firstPosition: 0, leafCount: 1 }
  out[SUBROOT_DIMENSIONS] = { kind: 'dimensions', ...single }
  out[SUBROOT_TOKENS] = { kind: 'tokens', ...single }
  const prompt = { group: 0, firstPosition: 0, leafCount: promptTokens }
  const rest = { group: 0, firstPosition: promptTokens, leafCount: positions - promptTokens }
  for (let layer = 0; layer <= dims.nLayers; layer++) {
    out[subrootHPrompt(dims, layer)] = { kind: 'h', layer, ...prompt }
    out[subrootHRest(dims, layer)] = { kind: 'h', layer, ...rest }
    if (layer === dims.nLayers) break
    for (let group = 0; group < dims.nKvHeads; group++) {
      const all = { layer, group, firstPosition: 0, leafCount: positions }
      out[subrootKv(dims, layer, group)] = { kind: 'kv', ...all }
      out[subrootO(dims, layer, group)] = { kind: 'o', ...all }
    }
    out[subrootXPrompt(dims, layer)] = { kind: 'x', layer, ...prompt }
    out[subrootXRest(dims, layer)] = { kind: 'x', layer, ...rest }
  }
  return out
}

/** A leaf by its sub-root and its index in that sub-tree. */
export interface LeafPlace {
  readonly subroot: number
  readonly leaf: number
}

const promptOrRest = (shape: TraceShape, prompt: number, rest: number, position: number): LeafPlace =>
  position < shape.promptTokens
    ? { subroot: prompt, leaf: position }
    : { subroot: rest, leaf: position - shape.promptTokens }

/** The leaf of `h[layer][position]`; `layer` nLayers is the final rows. */
export function hPlace(shape: TraceShape, layer: number, position: number): LeafPlace {
  return promptOrRest(shape, subrootHPrompt(shape.dims, layer), subrootHRest(shape.dims, layer), position)
}

/** The leaf of `x[layer][position]`. */
export function xPlace(shape: TraceShape, layer: number, position: number): LeafPlace {
  return promptOrRest(shape, subrootXPrompt(shape.dims, layer), subrootXRest(shape.dims, layer), position)
}

/** Width of a KV group's part of the attention output operand. */
export function groupWidth(dims: ModelDims): number {
  return (dims.nHeads / dims.nKvHeads) * dims.headDim
}
