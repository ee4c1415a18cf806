/** Plain proofs of the baseline, on networks whose provenance is `open`: numbers that wrap, and bytes that no matrix has. */
import { pearl } from '@nacre/protocol'
import { committed, HEADER, type Shape, SMALL, spaced } from '../../../../packages/protocol/test/pearl-fixture.ts'
import type { Outcome, StoppedAttack } from '../../attack.ts'
import { once, onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'

/** 1088 columns: the last chunk of A goes on after the matrix. */
const RAGGED: Shape = { rows: [0, 1], columns: spaced(16, 1), m: 10, n: 32, k: 1088, rank: 32 }
const RULE = 'chapter 12'
const VERIFY = protocolFile('pearl/verify-plain-proof.ts')

interface Opened {
  readonly jobKey: Uint8Array
  readonly proof: pearl.PlainProof
}
const opened = (shape: Shape, row: number, column: number): (() => Opened) =>
  once(() => {
    const work = committed(shape)
    return { jobKey: work.jobKey, proof: pearl.openTile(work, row, column) }
  })
const small = opened(SMALL, 9, 33)
const ragged = opened(RAGGED, 8, 0)

/** The honest proof holds; the claim meets its code. */
const proofInstead = (of: () => Opened, claim: (opened: Opened) => pearl.PlainProof) => (): Promise<Outcome> =>
  outcomeOf(
    () => pearl.verifyPlainProof(HEADER, of().proof),
    () => pearl.verifyPlainProof(HEADER, claim(of())),
  )

/** A proof over other chunks of A, with the root that they lead to. */
function overOtherChunks({ proof, jobKey }: Opened, leafData: readonly Uint8Array[]): pearl.PlainProof {
  const { totalLeaves, leafIndices, siblings } = proof.a
  const root = pearl.rootOfChunks(jobKey, totalLeaves, leafIndices, leafData, siblings)
  return { ...proof, a: { ...proof.a, leafData, root } }
}

export const pearlProofs: readonly StoppedAttack[] = [
  onProtocol({
    id: 'commitment/pearl-rows-past-2-32',
    actor: 'miner',
    targets: 'B3',
    story:
      'The number of rows is 2^32 larger than that of the matrix: a cast to 32 bits makes it small again, after the seed was drawn.',
    rule: RULE,
    code: 'PEARL_DIMENSIONS',
    check: { file: VERIFY, from: 'value >= 1 && value <= limit', to: 'true' },
    run: proofInstead(small, ({ proof }) => ({ ...proof, m: 2 ** 32 + proof.m })),
  }),
  onProtocol({
    id: 'commitment/pearl-indices-past-2-32',
    actor: 'miner',
    targets: 'B3',
    story: 'A tile begins just below 2^32, so that its later rows wrap around to the first ones of the matrix.',
    rule: RULE,
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
    rule: RULE,
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
    rule: RULE,
    code: 'PEARL_LEAF_COUNT',
    check: { file: VERIFY, from: 'totalLeaves === chunks', to: 'true' },
    run: proofInstead(small, ({ proof }) => ({ ...proof, a: { ...proof.a, totalLeaves: proof.a.totalLeaves + 1 } })),
  }),
]
