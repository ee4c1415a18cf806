/** Order of the sub-roots under the trace root (TRC-2). The top tree's leaves are these 32-byte sub-roots. */
import type { ModelDims } from '../model/types.ts'
import { OP_QKV, type TicketOp } from './types.ts'

/** Index of the dimensions' sub-root. */
export const SUBROOT_DIMENSIONS = 0
/** Index of the tokens' sub-root. */
export const SUBROOT_TOKENS = 1
const FIRST_LAYER = 2

const perLayer = (dims: ModelDims): number => 4 + 2 * dims.nKvHeads

/** Number of sub-roots of a trace of this model. */
export function subrootCount(dims: ModelDims): number {
  return FIRST_LAYER + dims.nLayers * perLayer(dims) + 2
}

/** Residual rows entering `layer` at prompt positions; `layer` nLayers is the final rows. */
export function subrootHPrompt(dims: ModelDims, layer: number): number {
  return FIRST_LAYER + layer * perLayer(dims)
}

/** Residual rows entering `layer` at the positions after the prompt. */
export function subrootHRest(dims: ModelDims, layer: number): number {
  return subrootHPrompt(dims, layer) + 1
}

/** Keys and values of one KV group at all positions. */
export function subrootKv(dims: ModelDims, layer: number, group: number): number {
  return subrootHPrompt(dims, layer) + 2 + group
}

/** Attention output operand of one KV group at all positions. */
export function subrootO(dims: ModelDims, layer: number, group: number): number {
  return subrootHPrompt(dims, layer) + 2 + dims.nKvHeads + group
}

/** Residual rows after attention at prompt positions. */
export function subrootXPrompt(dims: ModelDims, layer: number): number {
  return subrootHPrompt(dims, layer) + 2 + 2 * dims.nKvHeads
}

/** Residual rows after attention at the positions after the prompt. */
export function subrootXRest(dims: ModelDims, layer: number): number {
  return subrootXPrompt(dims, layer) + 1
}

/** The sub-root that binds the noise of a ticket operation (B3): preRoot[l] for q,k,v and preRootX[l] for gate,up. */
export function subrootPre(dims: ModelDims, layer: number, op: TicketOp): number {
  return op === OP_QKV ? subrootHPrompt(dims, layer) : subrootXPrompt(dims, layer)
}
