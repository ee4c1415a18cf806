import { openMerkle } from '../merkle.ts'
import type { TraceCommitment } from './commit.ts'
import type { StepOpening, SubtreeOpening } from './opening.ts'
import { checkStepRef } from './step-ref.ts'
import { stepPlaces } from './steps/places.ts'
import { subtreesOf } from './subtrees.ts'
import { traceLeaf } from './trace-leaf.ts'
import type { StepRef, Trace } from './types.ts'

/** Opens one step of a committed trace (AUD-3). Throws STEP_OUT_OF_RANGE. */
export function openStep(trace: Trace, commitment: TraceCommitment, ref: StepRef): StepOpening {
  checkStepRef(trace.shape, ref)
  const all = subtreesOf(trace.shape)
  const subtrees = stepPlaces(trace.shape, ref).map(({ subroot, leaves }): SubtreeOpening => {
    const tree = commitment.tree(subroot)
    return {
      index: subroot,
      root: tree.root,
      leafCount: tree.leafCount,
      indices: leaves,
      leaves: leaves.map((leaf) => traceLeaf(trace, all[subroot]!, leaf)),
      proof: leaves.length > 0 ? openMerkle(tree, leaves) : (tree.levels.at(-1) ?? []),
    }
  })
  const { kind, layer, group, position } = ref
  return {
    ref: { kind, layer, group, position },
    subtrees,
    topProof: openMerkle(
      commitment.top,
      subtrees.map((subtree) => subtree.index),
    ),
  }
}
