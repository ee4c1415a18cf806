/** Merkle trees opened as something that was not committed to. */
import {
  type MerkleTree,
  merkleLeafHash,
  merkleTree,
  openMerkle,
  taggedHash,
  u32le,
  verifyMerkle,
} from '@nacre/protocol'
import type { StoppedAttack } from '../../attack.ts'
import { once, onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'
import { leavesOf, tracedUnit } from '../../fixtures/traced-unit.ts'

const MERKLE = protocolFile('merkle.ts')
const ROOT_COMPARED = { file: MERKLE, from: 'equalBytes(rootHash(leafCount, known[0]!.hash), root)', to: 'true' }

/** The residual rows of a unit's seven prompt positions. */
const rows: () => readonly Uint8Array[] = once(() => leavesOf(tracedUnit().trace)[2]!)
const tree: () => MerkleTree = once(() => merkleTree(rows()))
const node = (depth: number, index: number): Uint8Array => tree().levels[depth]![index]!

interface Claim {
  readonly root: Uint8Array
  readonly leafCount: number
  readonly indices: readonly number[]
  readonly leaves: readonly Uint8Array[]
  readonly proof: readonly Uint8Array[]
}
const open = (...indices: number[]): Claim => ({
  root: tree().root,
  leafCount: tree().leafCount,
  indices,
  leaves: indices.map((index) => rows()[index]!),
  proof: openMerkle(tree(), indices),
})
const verify = ({ root, leafCount, indices, leaves, proof }: Claim): void =>
  verifyMerkle(
    root,
    leafCount,
    indices,
    leaves.map((leaf) => merkleLeafHash(leaf)),
    proof,
  )
/** The honest opening of rows 2 and 3 passes; the claim meets its code. */
const claimed = (claim: () => Claim) => () =>
  outcomeOf(
    () => verify(open(2, 3)),
    () => verify(claim()),
  )

export const trees: readonly StoppedAttack[] = [
  onProtocol({
    id: 'commitment/node-as-leaf',
    actor: 'miner',
    targets: 'B3',
    story:
      'An inner node is opened as if it were a row: 64 bytes that are two hashes, in a tree of half as many leaves.',
    rule: 'CNV-6',
    code: 'MERKLE_ROOT_MISMATCH',
    check: ROOT_COMPARED,
    run: claimed(() => ({
      root: tree().root,
      leafCount: 4,
      indices: [1],
      leaves: [Uint8Array.from([...node(0, 2), ...node(0, 3)])],
      proof: [node(1, 0), node(2, 1)],
    })),
  }),
  onProtocol({
    id: 'commitment/leaf-count',
    actor: 'miner',
    targets: 'B3',
    story: 'A tree of seven rows is opened as one of eight: the way up from row 0 is the same.',
    rule: 'CNV-6',
    code: 'MERKLE_ROOT_MISMATCH',
    check: ROOT_COMPARED,
    run: claimed(() => ({ ...open(0), leafCount: 8 })),
  }),
  onProtocol({
    id: 'commitment/duplicate-index',
    actor: 'miner',
    targets: 'B3',
    story:
      'One row is opened twice, the second time with bytes of the miner: both go up the same path, and only the first is compared.',
    rule: 'CNV-6',
    code: 'MERKLE_INDICES_NOT_INCREASING',
    check: { file: MERKLE, from: 'index > previous', to: 'true' },
    run: claimed(() => {
      const once = open(1)
      return {
        ...once,
        indices: [1, 1],
        leaves: [rows()[1]!, new Uint8Array(128)],
        proof: once.proof.flatMap((hash) => [hash, hash]),
      }
    }),
  }),
  onProtocol({
    id: 'commitment/unsorted-indices',
    actor: 'verifier',
    targets: 'P4',
    story:
      'The rows of one opening in another order are a second proof of the same thing: another commitment, another bounty.',
    rule: 'CNV-6',
    code: 'MERKLE_INDICES_NOT_INCREASING',
    check: { file: MERKLE, from: 'index > previous', to: 'true' },
    run: claimed(() => ({ ...open(2, 3), indices: [3, 2], leaves: [rows()[3]!, rows()[2]!] })),
  }),
  onProtocol({
    id: 'commitment/odd-index-past-the-end',
    actor: 'miner',
    targets: 'B3',
    story:
      'A root that holds one invented row and nothing else is opened at an odd index past the last row, where no sibling exists.',
    rule: 'CNV-6',
    code: 'MERKLE_INDEX_OUT_OF_RANGE',
    check: { file: MERKLE, from: 'Number.isInteger(index) && index >= 0 && index < leafCount', to: 'true' },
    run: claimed(() => {
      const leaf = new Uint8Array(128)
      const root = taggedHash('merkleRoot', u32le(7), merkleLeafHash(leaf))
      return { root, leafCount: 7, indices: [15], leaves: [leaf], proof: [] }
    }),
  }),
  onProtocol({
    id: 'commitment/index-past-2-32',
    actor: 'verifier',
    targets: 'P4',
    story: 'Row 2^32 + 2 is opened, which 32-bit arithmetic on the path takes for row 2.',
    rule: 'CNV-6',
    code: 'MERKLE_INDEX_OUT_OF_RANGE',
    check: { file: MERKLE, from: 'Number.isInteger(index) && index >= 0 && index < leafCount', to: 'true' },
    run: claimed(() => ({ ...open(2), indices: [2 ** 32 + 2] })),
  }),
  onProtocol({
    id: 'commitment/padded-proof',
    actor: 'miner',
    targets: 'B5',
    story: 'Hashes that nothing needs follow the proof: another encoding, so another proof hash, for no work.',
    rule: 'CNV-6',
    code: 'MERKLE_PROOF_LENGTH',
    check: { file: MERKLE, from: 'used === proof.length', to: 'true' },
    run: claimed(() => ({ ...open(2, 3), proof: [...open(2, 3).proof, new Uint8Array(32)] })),
  }),
]
