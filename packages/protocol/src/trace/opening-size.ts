/** How large openings can get (TRC-4): upper bounds from dimensions alone, for the checks of `Params`. */
import type { ModelDims } from '../model/types.ts'
import { subrootCount } from './layout.ts'
import { DIMENSIONS_LEAF_BYTES, kvLeafBytes, oLeafBytes } from './leaves.ts'

const REF_BYTES = 1 + 3 * 4
const HASH_BYTES = 32
const LENGTH_BYTES = 4

const depth = (leaves: number): number => Math.ceil(Math.log2(Math.max(1, leaves)))

/** An opened contiguous range needs at most two siblings on each level, a prefix or a single leaf one. */
function subtreeBytes(treeLeaves: number, opened: number, leafBytes: number): number {
  const head = 4 + HASH_BYTES + 4
  const indices = LENGTH_BYTES + 4 * opened
  const leaves = LENGTH_BYTES + opened * (LENGTH_BYTES + leafBytes)
  return head + indices + leaves + LENGTH_BYTES + HASH_BYTES * depth(treeLeaves)
}

function openingBytes(dims: ModelDims, subtrees: readonly number[]): number {
  const top = LENGTH_BYTES + HASH_BYTES * subtrees.length * depth(subrootCount(dims))
  return REF_BYTES + LENGTH_BYTES + subtrees.reduce((sum, bytes) => sum + bytes, 0) + top
}

const dimensionsBytes = subtreeBytes(1, 1, DIMENSIONS_LEAF_BYTES)

/**
 * Largest encoded `attend` opening of a unit of `positions` positions: the last one reads all keys and values of its
 * group.
 */
export function maxAttendOpeningBytes(dims: ModelDims, positions: number): number {
  return openingBytes(dims, [
    dimensionsBytes,
    subtreeBytes(positions, 1, 4 * dims.dModel),
    subtreeBytes(positions, positions, kvLeafBytes(dims)),
    subtreeBytes(positions, 1, oLeafBytes(dims)),
  ])
}

/** Largest encoded opening of any step of a unit with P prompt and at most G generated tokens. */
export function maxStepOpeningBytes(dims: ModelDims, promptTokens: number, newTokens: number): number {
  const positions = promptTokens + newTokens - 1
  const tokens = subtreeBytes(1, 1, 4 * (positions + 1))
  const row = subtreeBytes(positions, 1, 4 * dims.dModel)
  const shape = [
    dimensionsBytes,
    tokens,
    // Counts only: the top node is the whole proof.
    (subrootCount(dims) - 2) * (subtreeBytes(1, 0, 0) + HASH_BYTES),
  ]
  const proj = [dimensionsBytes, row, row, dims.nKvHeads * subtreeBytes(positions, 1, oLeafBytes(dims))]
  const shapeBytes = openingBytes(dims, shape) // all sub-roots are opened, so the top proof is empty
  const projTop = HASH_BYTES * (dims.nKvHeads - 1) * depth(subrootCount(dims))
  return Math.max(
    maxAttendOpeningBytes(dims, positions),
    shapeBytes,
    openingBytes(dims, proj) + projTop,
    openingBytes(dims, [dimensionsBytes, tokens, row]), // embed, head
    openingBytes(dims, [dimensionsBytes, row, row]), // ffn
    openingBytes(dims, [dimensionsBytes, row, subtreeBytes(positions, 1, kvLeafBytes(dims))]), // kv
  )
}
