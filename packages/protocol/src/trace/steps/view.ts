import type { KvRow } from '../../inference/kv-of.ts'
import type { Model } from '../../model/types.ts'
import type { QuantRow } from '../../numerics/quantise.ts'
import type { UnitTask } from '../../unit/types.ts'
import { SUBROOT_TOKENS, subrootKv, subrootO } from '../layout.ts'
import { decodeKv, decodeO, decodeRow, decodeTokens } from '../leaves.ts'
import type { SubtreeOpening } from '../opening.ts'
import { hPlace, type LeafPlace, subtreesOf, xPlace } from '../subtrees.ts'
import type { StepRef, TraceShape } from '../types.ts'

/** What a step's function may read: the unit, and the opened leaves, decoded. */
export interface StepView {
  readonly model: Model
  readonly task: UnitTask
  readonly shape: TraceShape
  readonly ref: StepRef
  /** All P + G tokens. */
  tokens(): readonly number[]
  h(layer: number): Float32Array
  x(): Float32Array
  /** Keys and values of the step's layer and group. */
  kv(position: number): KvRow
  /** Attention output operand of `group` in the step's layer. */
  o(group: number): QuantRow
}

type Leaf = readonly number[] | Float32Array | KvRow | QuantRow

/** Decodes every opened leaf of an opening whose form is already checked. Throws TRACE_LEAF. */
export function stepView(
  model: Model,
  task: UnitTask,
  shape: TraceShape,
  ref: StepRef,
  opened: readonly SubtreeOpening[],
): StepView {
  const { dims } = shape
  const { layer, group, position } = ref
  const subtrees = subtreesOf(shape)
  const leaves = new Map<string, Leaf>()
  const key = (place: LeafPlace): string => `${place.subroot}/${place.leaf}`
  for (const { index, indices, leaves: bytes } of opened) {
    const { kind } = subtrees[index]!
    indices.forEach((leaf, j) => {
      const decoded = decodeLeaf(kind, shape, bytes[j]!)
      if (decoded !== undefined) leaves.set(key({ subroot: index, leaf }), decoded)
    })
  }
  const read = <T extends Leaf>(place: LeafPlace): T => leaves.get(key(place)) as T
  return {
    model,
    task,
    shape,
    ref,
    tokens: () => read({ subroot: SUBROOT_TOKENS, leaf: 0 }),
    h: (l) => read(hPlace(shape, l, position)),
    x: () => read(xPlace(shape, layer, position)),
    kv: (j) => read({ subroot: subrootKv(dims, layer, group), leaf: j }),
    o: (g) => read({ subroot: subrootO(dims, layer, g), leaf: position }),
  }
}

function decodeLeaf(kind: string, shape: TraceShape, bytes: Uint8Array): Leaf | undefined {
  switch (kind) {
    case 'tokens':
      return decodeTokens(shape, bytes)
    case 'kv':
      return decodeKv(shape.dims, bytes)
    case 'o':
      return decodeO(shape.dims, bytes)
    case 'h':
    case 'x':
      return decodeRow(shape.dims, bytes)
    default:
      return undefined // the dimensions are decoded before the shape is known
  }
}
