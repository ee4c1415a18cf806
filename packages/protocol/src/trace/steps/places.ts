/** Which leaves each step opens and which committed bytes it covers (TRC-3). */
import { SUBROOT_DIMENSIONS, SUBROOT_TOKENS, subrootCount, subrootKv, subrootO } from '../layout.ts'
import { DIMENSIONS_LEAF_BYTES, kvLeafBytes, oLeafBytes } from '../leaves.ts'
import { hPlace, type LeafPlace, xPlace } from '../subtrees.ts'
import type { StepRef, TraceShape } from '../types.ts'

/** Leaves of one sub-tree; `leaves` is empty where `shape` reads only the count. */
export interface OpenedSubtree {
  readonly subroot: number
  readonly leaves: readonly number[]
}

const one = (place: LeafPlace): OpenedSubtree => ({ subroot: place.subroot, leaves: [place.leaf] })

/** What the opening of a step holds, by increasing sub-root: the dimensions, the step's inputs and its output. */
export function stepPlaces(shape: TraceShape, ref: StepRef): readonly OpenedSubtree[] {
  const { dims } = shape
  const { layer, group, position } = ref
  const dimensions: OpenedSubtree = { subroot: SUBROOT_DIMENSIONS, leaves: [0] }
  const tokens: OpenedSubtree = { subroot: SUBROOT_TOKENS, leaves: [0] }
  const h = (l: number): OpenedSubtree => one(hPlace(shape, l, position))
  const x = (): OpenedSubtree => one(xPlace(shape, layer, position))
  const kv = (g: number, first: number): OpenedSubtree => ({
    subroot: subrootKv(dims, layer, g),
    leaves: Array.from({ length: position - first + 1 }, (_, j) => first + j),
  })
  const o = (g: number): OpenedSubtree => ({ subroot: subrootO(dims, layer, g), leaves: [position] })
  switch (ref.kind) {
    case 'shape':
      return Array.from({ length: subrootCount(dims) }, (_, subroot) => ({
        subroot,
        leaves: subroot === SUBROOT_DIMENSIONS || subroot === SUBROOT_TOKENS ? [0] : [],
      }))
    case 'input':
      return [dimensions, tokens]
    case 'embed':
      return [dimensions, tokens, h(0)]
    case 'kv':
      return [dimensions, h(layer), kv(group, position)]
    case 'attend':
      return [dimensions, h(layer), kv(group, 0), o(group)]
    case 'proj':
      return [dimensions, h(layer), ...Array.from({ length: dims.nKvHeads }, (_, g) => o(g)), x()]
    case 'ffn':
      return [dimensions, x(), h(layer + 1)]
    case 'head':
      return [dimensions, tokens, h(dims.nLayers)]
  }
}

/** Bytes `start .. start + length - 1` of one leaf. */
export interface CommittedBytes extends LeafPlace {
  readonly start: number
  readonly length: number
}

/** The bytes that a step covers; over all steps of a unit, every byte of every leaf exactly once. */
export function stepOutput(shape: TraceShape, ref: StepRef): CommittedBytes {
  const { dims, promptTokens } = shape
  const { layer, group, position } = ref
  const whole = (place: LeafPlace, length: number): CommittedBytes => ({ ...place, start: 0, length })
  const rowBytes = 4 * dims.dModel
  switch (ref.kind) {
    case 'shape':
      return whole({ subroot: SUBROOT_DIMENSIONS, leaf: 0 }, DIMENSIONS_LEAF_BYTES)
    case 'input':
      return whole({ subroot: SUBROOT_TOKENS, leaf: 0 }, 4 * promptTokens)
    case 'embed':
      return whole(hPlace(shape, 0, position), rowBytes)
    case 'kv':
      return whole({ subroot: subrootKv(dims, layer, group), leaf: position }, kvLeafBytes(dims))
    case 'attend':
      return whole({ subroot: subrootO(dims, layer, group), leaf: position }, oLeafBytes(dims))
    case 'proj':
      return whole(xPlace(shape, layer, position), rowBytes)
    case 'ffn':
      return whole(hPlace(shape, layer + 1, position), rowBytes)
    case 'head':
      return { subroot: SUBROOT_TOKENS, leaf: 0, start: 4 * (position + 1), length: 4 }
  }
}
