import { equalBytes } from '../bytes.ts'
import { check, type ErrorCode } from '../errors.ts'
import { type KeyedHash, keyedHash } from '../hash.ts'
import { embedRow } from '../inference/embed-row.ts'
import { merkleLeafHash, merkleTreeFromHashes } from '../merkle.ts'
import type { Model } from '../model/types.ts'
import { checkTask } from '../unit/task.ts'
import type { UnitTask } from '../unit/types.ts'
import { SUBROOT_DIMENSIONS, subrootHPrompt, subrootHRest } from './layout.ts'
import { decodeDimensions, encodeRow } from './leaves.ts'
import type { StepOpening } from './opening.ts'
import { checkStepRef } from './step-ref.ts'
import { stepOutput, stepPlaces } from './steps/places.ts'
import { STEP_FUNCTIONS } from './steps/step-functions.ts'
import { type StepView, stepView } from './steps/view.ts'
import { positionCount, subtreesOf } from './subtrees.ts'
import type { TraceShape } from './types.ts'
import { verifyOpening } from './verify-opening.ts'

export interface StepCheck {
  readonly model: Model
  /** The task that the unit was assigned. */
  readonly task: UnitTask
  readonly traceRoot: Uint8Array
  readonly opening: StepOpening
  /** A faster keyed BLAKE3, if there is one. */
  readonly hash?: KeyedHash
}

/**
 * Codes of {@link checkStep} that prove fraud by whoever committed to the trace (AUD-4). All others only say that the
 * opening is bad.
 */
export const FRAUD_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TRACE_DIMENSIONS',
  'TRACE_LEAF',
  'STEP_MISMATCH',
])

/**
 * Re-runs one step of a unit from its opening (TRC-3): returns what it read if the committed output is reproduced, throws otherwise.
 *
 * The opening is bad: STEP_OPENING (not the leaves that the step needs, or not well formed), MERKLE_* (not what the
 * root commits to), STEP_OUT_OF_RANGE (no such step in this unit), UNIT_PROMPT or UNIT_SHAPE (no such task).
 * The trace is fraudulent: TRACE_DIMENSIONS (shape or a leaf count is not that of model and task), TRACE_LEAF (a leaf
 * does not decode), STEP_MISMATCH (the output is not reproduced).
 */
export function checkStep({ model, task, traceRoot, opening, hash = keyedHash }: StepCheck): StepView {
  const dims = model.config
  checkTask(dims, task)
  verifyOpening(dims, traceRoot, opening, hash)
  const shape = openedShape(model, task, opening)
  checkStepRef(shape, opening.ref)
  checkPlaces(shape, opening)
  const view = stepView(model, task, shape, opening.ref, opening.subtrees)
  const expected = STEP_FUNCTIONS[opening.ref.kind](view)
  const { subroot, leaf, start, length } = stepOutput(shape, opening.ref)
  const subtree = opening.subtrees.find(({ index }) => index === subroot)!
  const committed = subtree.leaves[subtree.indices.indexOf(leaf)]!.subarray(start, start + length)
  check(equalBytes(committed, expected), 'STEP_MISMATCH', `${opening.ref.kind} does not give the committed output`)
  if (opening.ref.kind === 'shape') checkEmbeddings(view, opening, hash)
  return view
}

/**
 * `shape` opens the tokens and all sub-roots: what follows from the tokens alone, the rows h[0], is checked whole. Otherwise a trace kept
 * from another prompt would be wrong in single embeddings only, and right in all that is behind them.
 */
function checkEmbeddings({ model, shape, tokens }: StepView, opening: StepOpening, hash: KeyedHash): void {
  const { dims, promptTokens } = shape
  const leaves = tokens()
    .slice(0, positionCount(shape))
    .map((token) => merkleLeafHash(encodeRow(embedRow(model, token)), hash))
  const isRoot = (subroot: number, hashes: readonly Uint8Array[]): boolean =>
    equalBytes(opening.subtrees[subroot]!.root, merkleTreeFromHashes(hashes, hash).root)
  check(
    isRoot(subrootHPrompt(dims, 0), leaves.slice(0, promptTokens)) &&
      isRoot(subrootHRest(dims, 0), leaves.slice(promptTokens)),
    'STEP_MISMATCH',
    'the rows h[0] are not the embeddings of the tokens',
  )
}

/** P and G are read from the committed dimensions and must be possible for the task (TRACE_DIMENSIONS). */
function openedShape(model: Model, task: UnitTask, opening: StepOpening): TraceShape {
  const first = opening.subtrees[0]!
  check(
    first.index === SUBROOT_DIMENSIONS && first.indices.length === 1 && first.indices[0] === 0,
    'STEP_OPENING',
    'the dimensions are not opened',
  )
  const shape = decodeDimensions(model.config, first.leaves[0]!)
  const { promptTokens, newTokens } = shape
  check(
    promptTokens === task.promptTokens.length && newTokens >= 1 && newTokens <= task.maxNewTokens,
    'TRACE_DIMENSIONS',
    `${promptTokens} + ${newTokens} tokens, the task has ${task.promptTokens.length} + at most ${task.maxNewTokens}`,
  )
  return shape
}

/** The opening holds exactly the leaves of its step, out of trees with exactly the leaves of the shape. */
function checkPlaces(shape: TraceShape, opening: StepOpening): void {
  const places = stepPlaces(shape, opening.ref)
  const { subtrees } = opening
  check(
    subtrees.length === places.length && places.every(({ subroot }, i) => subtrees[i]!.index === subroot),
    'STEP_OPENING',
    `${opening.ref.kind} opens other sub-trees`,
  )
  const all = subtreesOf(shape)
  for (const { index, leafCount } of subtrees) {
    const expected = all[index]!.leafCount
    check(
      leafCount === expected,
      'TRACE_DIMENSIONS',
      `sub-tree ${index} has ${leafCount} leaves, the shape calls for ${expected}`,
    )
  }
  places.forEach(({ leaves }, i) => {
    const { indices } = subtrees[i]!
    check(
      leaves.length === indices.length && leaves.every((leaf, j) => leaf === indices[j]),
      'STEP_OPENING',
      `${opening.ref.kind} opens other leaves`,
    )
  })
}
