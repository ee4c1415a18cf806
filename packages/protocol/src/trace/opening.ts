import * as P from 'micro-packed'
import { boundedBytes, boundedList, bytes32, type Codec, defineCodec, u8, u32 } from '../codec.ts'
import { MAX_MERKLE_PROOF_HASHES, MAX_STEP_OPENING_BYTES, MAX_UNIT_TOKENS } from '../limits.ts'
import { STEP_KINDS, type StepKind, type StepRef } from './types.ts'

/** Sub-trees in one opening: `shape` opens all of them. */
export const MAX_OPENING_SUBTREES: number = 1 << 14

/** Leaves of one sub-tree with their multiproof. */
export interface SubtreeOpening {
  /** Index of the sub-root. */
  readonly index: number
  readonly root: Uint8Array
  readonly leafCount: number
  /** Strictly increasing. */
  readonly indices: readonly number[]
  readonly leaves: readonly Uint8Array[]
  /** Without indices, which only `shape` has: the tree's top node, or nothing for an empty tree. */
  readonly proof: readonly Uint8Array[]
}

/** Everything that one step reads and writes, opened under a trace root (TRC-3, AUD-4). */
export interface StepOpening {
  readonly ref: StepRef
  /** Strictly increasing by index. */
  readonly subtrees: readonly SubtreeOpening[]
  /** Multiproof of the sub-roots in the top tree. */
  readonly topProof: readonly Uint8Array[]
}

const kind: P.CoderType<StepKind> = P.apply(
  P.validate(u8, (n: number) => {
    if (n >= STEP_KINDS.length) throw new Error(`there is no kind ${n}`)
    return n
  }),
  { encode: (n: number): StepKind => STEP_KINDS[n]!, decode: (name: StepKind): number => STEP_KINDS.indexOf(name) },
)

/** kind u8, layer, group and position u32: 13 bytes. */
export const stepRefCoder: P.CoderType<StepRef> = P.struct({
  kind,
  layer: u32,
  group: u32,
  position: u32,
}) as unknown as P.CoderType<StepRef>

const hashes = boundedList(MAX_MERKLE_PROOF_HASHES, bytes32)

const coder = P.struct({
  ref: stepRefCoder,
  subtrees: boundedList(
    MAX_OPENING_SUBTREES,
    P.struct({
      index: u32,
      root: bytes32,
      leafCount: u32,
      indices: boundedList(MAX_UNIT_TOKENS, u32),
      leaves: boundedList(MAX_UNIT_TOKENS, boundedBytes(MAX_STEP_OPENING_BYTES)),
      proof: hashes,
    }),
  ),
  topProof: hashes,
}) as unknown as P.CoderType<StepOpening>

/** Canonical bytes of an opening, at most MAX_STEP_OPENING_BYTES (TRC-4). */
export const stepOpeningCodec: Codec<StepOpening> = defineCodec('step opening', coder, MAX_STEP_OPENING_BYTES)
