import { ProtocolError } from '../src/errors.ts'
import { executeUnit } from '../src/inference/execute.ts'
import { type MerkleTree, merkleTree, openMerkle } from '../src/merkle.ts'
import { buildModel } from '../src/model/build-model.ts'
import { syntheticModel, unitModel } from '../src/model/synthetic.ts'
import type { Model } from '../src/model/types.ts'
import { commitTrace, type TraceCommitment } from '../src/trace/commit.ts'
import type { StepOpening } from '../src/trace/opening.ts'
import { stepAt, stepCount } from '../src/trace/step-ref.ts'
import { stepPlaces } from '../src/trace/steps/places.ts'
import { subtreesOf } from '../src/trace/subtrees.ts'
import { traceLeaf } from '../src/trace/trace-leaf.ts'
import type { StepKind, StepRef, Trace, TraceShape } from '../src/trace/types.ts'
import type { UnitTask } from '../src/unit/types.ts'

export const PROMPT: readonly number[] = [256, 78, 97, 99, 114, 101, 58]

export function task(changes: Partial<UnitTask> = {}, decoding: Partial<UnitTask['decoding']> = {}): UnitTask {
  return {
    promptTokens: PROMPT,
    maxNewTokens: 5,
    decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false, ...decoding },
    ...changes,
  }
}

export interface Executed {
  readonly model: Model
  readonly task: UnitTask
  readonly trace: Trace
  readonly commitment: TraceCommitment
}

export function execute(model: Model, unitTask: UnitTask): Executed {
  const trace = executeUnit(model, unitTask)
  return { model, task: unitTask, trace, commitment: commitTrace(trace) }
}

/** The model of the preset `unit` with another end-of-sequence token. */
export function unitModelWithEos(eosToken: number): Model {
  const model = unitModel()
  return buildModel({ ...model.config, eosToken }, model)
}

/** Untied head, one KV group for all heads, three layers, odd sizes. */
export function oddModel(): Model {
  const dims = { dModel: 20, nLayers: 3, nHeads: 3, nKvHeads: 1, headDim: 6, ffnDim: 28, vocabSize: 99, maxSeqLen: 33 }
  return syntheticModel({ name: 'odd', dims, seed: 'odd', tiedHead: false })
}

export function allSteps(shape: TraceShape): StepRef[] {
  return Array.from({ length: stepCount(shape) }, (_, i) => stepAt(shape, i))
}

export const stepsOf = (shape: TraceShape, kind: StepKind): StepRef[] =>
  allSteps(shape).filter((ref) => ref.kind === kind)

/** The code of the ProtocolError that `run` throws, or 'accepted'. Any other error escapes. */
export function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (cause) {
    if (cause instanceof ProtocolError) return cause.code
    throw cause
  }
  return 'accepted'
}

/** All leaves of a trace as bytes, so that a liar can commit to anything at all. */
export function leavesOf(trace: Trace): Uint8Array[][] {
  return subtreesOf(trace.shape).map((subtree) =>
    Array.from({ length: subtree.leafCount }, (_, j) => traceLeaf(trace, subtree, j)),
  )
}

export interface ForgedTrace {
  readonly traceRoot: Uint8Array
  /** Opens the leaves that `ref` needs in a trace of `shape`; leaves that do not exist are left out. */
  open(shape: TraceShape, ref: StepRef): StepOpening
}

/** A consistent commitment to arbitrary leaves. */
export function commitLeaves(leaves: readonly (readonly Uint8Array[])[]): ForgedTrace {
  const trees: MerkleTree[] = leaves.map((subtree) => merkleTree(subtree))
  const top = merkleTree(trees.map((tree) => tree.root))
  return {
    traceRoot: top.root,
    open: (shape, ref) => {
      const subtrees = stepPlaces(shape, ref).map(({ subroot, leaves: wanted }) => {
        const tree = trees[subroot]!
        const indices = wanted.filter((leaf) => leaf < tree.leafCount)
        return {
          index: subroot,
          root: tree.root,
          leafCount: tree.leafCount,
          indices,
          leaves: indices.map((leaf) => leaves[subroot]![leaf]!),
          proof: indices.length > 0 ? openMerkle(tree, indices) : (tree.levels.at(-1) ?? []),
        }
      })
      return {
        ref,
        subtrees,
        topProof: openMerkle(
          top,
          subtrees.map(({ index }) => index),
        ),
      }
    },
  }
}
