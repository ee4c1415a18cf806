/** Plain proofs of the baseline, on networks whose provenance is `open`: numbers that wrap, and bytes that no matrix has. */
import type { StoppedAttack } from '../../attack.ts'
import { onProtocol, protocolFile } from '../../fixtures/outcome.ts'
import { BASELINE, overOtherChunks, proofInstead, ragged, small } from '../../fixtures/plain-proofs.ts'

const VERIFY = protocolFile('pearl/verify-plain-proof.ts')

export const pearlProofs: readonly StoppedAttack[] = [
  onProtocol({
    id: 'commitment/pearl-rows-past-2-32',
    actor: 'miner',
    targets: 'B3',
    story:
      'The number of rows is 2^32 larger than that of the matrix: a cast to 32 bits makes it small again, after the seed was drawn.',
    rule: BASELINE,
    code: 'PEARL_DIMENSIONS',
    check: { file: VERIFY, from: 'value >= 1 && value <= limit', to: 'true' },
    run: proofInstead(small, ({ proof }) => ({ ...proof, m: 2 ** 32 + proof.m })),
  }),
  onProtocol({
    id: 'commitment/pearl-indices-past-2-32',
    actor: 'miner',
    targets: 'B3',
    story: 'A tile begins just below 2^32, so that its later rows wrap around to the first ones of the matrix.',
    rule: BASELINE,
    code: 'PEARL_INDICES',
    check: { file: protocolFile('pearl/pattern.ts'), from: 'index > previous', to: 'true' },
    run: proofInstead(small, ({ proof }) => ({
      ...proof,
      a: { ...proof.a, rowIndices: proof.a.rowIndices.toReversed() },
    })),
  }),
  onProtocol({
    id: 'commitment/pearl-padding',
    actor: 'miner',
    targets: 'B5',
    story: 'The bytes after the matrix are not zero: they change the root and no product, a nonce.',
    rule: BASELINE,
    code: 'PEARL_PADDING',
    check: { file: VERIFY, from: '  checkPadding(needed, leafData, bytes)\n', to: '' },
    run: proofInstead(ragged, (claim) => {
      const { leafData } = claim.proof.a
      return overOtherChunks(claim, leafData.with(-1, leafData.at(-1)!.with(-1, 9)))
    }),
  }),
  onProtocol({
    id: 'commitment/pearl-leaf-count',
    actor: 'miner',
    targets: 'B3',
    story: 'The operand is said to have another number of chunks than its rows fill.',
    rule: BASELINE,
    code: 'PEARL_LEAF_COUNT',
    check: { file: VERIFY, from: 'totalLeaves === chunks', to: 'true' },
    run: proofInstead(small, ({ proof }) => ({ ...proof, a: { ...proof.a, totalLeaves: proof.a.totalLeaves + 1 } })),
  }),
  onProtocol({
    id: 'commitment/pearl-siblings-left-over',
    actor: 'miner',
    targets: 'B5',
    story: 'Chaining values that no chunk needs follow the opening: other bytes for the same proof.',
    rule: BASELINE,
    code: 'PEARL_OPENING',
    check: { file: protocolFile('pearl/tree.ts'), from: 'used === siblings.length', to: 'true' },
    run: proofInstead(small, ({ proof }) => ({
      ...proof,
      a: { ...proof.a, siblings: [...proof.a.siblings, new Uint8Array(32)] },
    })),
  }),
]
