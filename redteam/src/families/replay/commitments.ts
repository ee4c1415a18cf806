/** Commitments, proofs and verdicts of somebody else, or the own ones a second time. */
import {
  accusationCommitment,
  applyBlockBody,
  epochOf,
  epochWindows,
  headerCodec,
  type KeyPair,
  secretCommitment,
} from '@nacre/protocol'
import {
  ACCUSER,
  AUDIT_PARAMS,
  audited,
  FORGED,
  forged,
  fraudProof,
  HONEST,
  OTHER_VERIFIER,
  secretOf,
  verdictOn,
} from '../../../../packages/protocol/test/audit-fixture.ts'
import { MemoryState, testKeys } from '../../../../packages/protocol/test/chain-fixture.ts'
import { FAUCET, transactionOf } from '../../../../packages/protocol/test/ledger-fixture.ts'
import { OTHER_CLIENT, VERIFIER } from '../../../../packages/protocol/test/market-fixture.ts'
import type { StoppedAttack } from '../../attack.ts'
import { deliveredUnit, honestDigests, preview, sentInstead } from '../../fixtures/audited-ledger.ts'
import { firstBlock } from '../../fixtures/first-block.ts'
import { onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'

const ACCUSATIONS = protocolFile('audit/accusations.ts')
const CHALLENGES = protocolFile('audit/challenges.ts')
const SECRETS = protocolFile('audit/secrets.ts')
const BOND = 50_000_000n

/** A garbled unit with a proof that the accuser has not committed to. */
function provable() {
  const ledger = audited()
  const { jobId, kept, miner } = ledger.deliver(forged)
  return { ledger, jobId, kept, miner, proof: fraudProof(jobId, kept.open(FORGED)) }
}
const challenge = (jobId: Uint8Array, position = HONEST.position) =>
  ({ kind: 'challenge', jobId, ref: { ...HONEST, position }, bond: BOND }) as const

export const commitments: readonly StoppedAttack[] = [
  onProtocol({
    id: 'replay/copied-accusation',
    actor: 'outsider',
    targets: 'P4',
    story: 'A thief copies an accusation when it appears, and its proof when that appears, to take the bounty.',
    rule: 'AUD-6',
    code: 'ACCUSATION_UNCOMMITTED',
    check: {
      file: ACCUSATIONS,
      from: "taggedHash('accusation', sender, proof.salt,",
      to: "taggedHash('accusation', proof.salt,",
    },
    run: () => {
      const { ledger, proof } = provable()
      const commitment = accusationCommitment(ACCUSER.publicKey, proof)
      ledger.block([ACCUSER, OTHER_CLIENT].map((keys) => ledger.tx(keys, { kind: 'accusation', commitment })))
      ledger.blocks(AUDIT_PARAMS.audits.accusationDelayBlocks - 1)
      return sentInstead(ledger, [ACCUSER, proof], [OTHER_CLIENT, proof])
    },
  }),
  onProtocol({
    id: 'replay/copied-proof',
    actor: 'outsider',
    targets: 'P4',
    story: 'A thief sees a proof that waits, commits to it under its own key, and shows it in the next block.',
    rule: 'AUD-6',
    code: 'ACCUSATION_EARLY',
    check: { file: ACCUSATIONS, from: 'height >= first', to: 'true' },
    run: () => {
      const { ledger, proof } = provable()
      ledger.accuse(proof)
      ledger.block([
        ledger.tx(OTHER_CLIENT, {
          kind: 'accusation',
          commitment: accusationCommitment(OTHER_CLIENT.publicKey, proof),
        }),
      ])
      return sentInstead(ledger, [ACCUSER, proof], [OTHER_CLIENT, proof])
    },
  }),
  onProtocol({
    id: 'replay/accused-twice',
    actor: 'verifier',
    targets: 'P3',
    story: 'One accusation is sent twice: two deposits in, one record, two of them back.',
    rule: 'AUD-6',
    code: 'ACCUSATION_KNOWN',
    check: { file: ACCUSATIONS, from: 'readAccusation(draft, sender, commitment) === undefined', to: 'true' },
    run: () => {
      const { ledger, proof } = provable()
      const accuse = [
        ACCUSER,
        { kind: 'accusation', commitment: accusationCommitment(ACCUSER.publicKey, proof) },
      ] as const
      return outcomeOf(
        () => preview(ledger, accuse),
        () => preview(ledger, accuse, accuse),
      )
    },
  }),
  onProtocol({
    id: 'replay/second-bounty',
    actor: 'coalition',
    targets: 'P3',
    story: 'Two accusers prove the same unit wrong, each for a bounty.',
    rule: 'AUD-4',
    code: 'AUDIT_UNIT',
    check: { file: protocolFile('audit/fraud-proof.ts'), from: ' || unit.isCondemned', to: '' },
    run: () => {
      const { ledger, proof } = provable()
      const accusers: KeyPair[] = [ACCUSER, OTHER_CLIENT]
      ledger.block(
        accusers.map((keys) =>
          ledger.tx(keys, { kind: 'accusation', commitment: accusationCommitment(keys.publicKey, proof) }),
        ),
      )
      ledger.blocks(AUDIT_PARAMS.audits.accusationDelayBlocks - 1)
      return outcomeOf(
        () => preview(ledger, [ACCUSER, proof]),
        () => preview(ledger, [ACCUSER, proof], [OTHER_CLIENT, proof]),
      )
    },
  }),
  onProtocol({
    id: 'replay/evidence-twice',
    actor: 'coalition',
    targets: 'P3',
    story: 'The same two headers are shown in a second transaction, for another bounty.',
    rule: 'BLK-3',
    code: 'TX_EQUIVOCATION',
    check: {
      file: protocolFile('ledger/apply-transaction.ts'),
      from: "check(!isBarred(draft, minerKey), 'TX_EQUIVOCATION'",
      to: "check(true, 'TX_EQUIVOCATION'",
    },
    run: async () => {
      const one = await firstBlock()
      const { context, block, genesis } = one
      const again = one.signedHeader({ timeMs: one.NOW_MS + 1 })
      const [evidenceA, evidenceB] = [block.header, again].map((header) => headerCodec.encode(header))
      const body = { kind: 'equivocation', evidenceA: evidenceA!, evidenceB: evidenceB! } as const
      const show = (times: number): void => {
        const state = new MemoryState(context)
        const all = Array.from({ length: times }, (_, i) =>
          transactionOf(FAUCET, BigInt(i), body, 1000n, genesis.chainId),
        )
        const header = { ...block.header, minerKey: testKeys(2).publicKey }
        applyBlockBody(context, header, all, state, state.ltHash)
      }
      return outcomeOf(
        () => show(1),
        () => show(2),
      )
    },
  }),
  onProtocol({
    id: 'replay/copied-secret',
    actor: 'verifier',
    targets: 'P6',
    story:
      'A verifier copies another one’s commitment, and its secret when that is revealed: one secret, two shares of the pay.',
    rule: 'AUD-1',
    code: 'EPOCH_SECRET',
    check: {
      file: protocolFile('audit/selection.ts'),
      from: "taggedHash('verifierSecret', verifier, u32le(epoch), secret)",
      to: "taggedHash('verifierSecret', u32le(epoch), secret)",
    },
    run: () => {
      const ledger = audited()
      const epoch = epochOf(AUDIT_PARAMS, ledger.height + 1) + 1
      const secret = secretOf(VERIFIER, epoch)
      const commitment = secretCommitment(VERIFIER.publicKey, epoch, secret)
      ledger.block(
        [VERIFIER, OTHER_VERIFIER].map((keys) => ledger.tx(keys, { kind: 'verifierCommit', epoch, commitment })),
      )
      ledger.toHeight(epochWindows(AUDIT_PARAMS, epoch).revealFrom - 1)
      const reveal = { kind: 'verifierReveal', epoch, secret } as const
      return sentInstead(ledger, [VERIFIER, reveal], [OTHER_VERIFIER, reveal])
    },
  }),
  onProtocol({
    id: 'replay/second-commitment',
    actor: 'verifier',
    targets: 'P6',
    story: 'A verifier commits again, to keep two secrets and reveal the one that suits it.',
    rule: 'AUD-1',
    code: 'EPOCH_VERIFIER',
    check: { file: SECRETS, from: 'readAuditor(draft, epoch, sender) === undefined', to: 'true' },
    run: () => {
      const ledger = audited()
      const epoch = epochOf(AUDIT_PARAMS, ledger.height + 1) + 1
      const commit = (byte: number) => {
        const commitment = secretCommitment(VERIFIER.publicKey, epoch, new Uint8Array(32).fill(byte))
        return [VERIFIER, { kind: 'verifierCommit', epoch, commitment }] as const
      }
      return outcomeOf(
        () => preview(ledger, commit(1)),
        () => preview(ledger, commit(1), commit(2)),
      )
    },
  }),
  onProtocol({
    id: 'replay/verdict-of-another-branch',
    actor: 'miner',
    targets: 'P5',
    story:
      'Signs two receipts of one unit, one honest and one forged, for two sides of a fork, and shows a verifier’s true verdict on the one where the other is on the chain: there it is false, and half of the verifier’s bond is at stake.',
    rule: 'AUD-5',
    code: 'VERDICT_DELIVERY',
    check: { file: protocolFile('audit/verdicts.ts'), from: 'equalBytes(delivery, deliveryId(unit))', to: 'true' },
    run: () => {
      const [here, there] = [deliveredUnit(), deliveredUnit(forged)]
      const verdict = [VERIFIER, verdictOn(here.ledger, here.jobId, honestDigests(here))] as const
      return outcomeOf(
        () => preview(here.ledger, verdict),
        () => preview(there.ledger, verdict),
      )
    },
  }),
  onProtocol({
    id: 'replay/second-verdict',
    actor: 'verifier',
    targets: 'P2',
    story: 'A verifier gives its verdict on a unit twice, for two shares of the pay.',
    rule: 'AUD-5',
    code: 'VERDICT_DOUBLE',
    check: {
      file: protocolFile('audit/verdicts.ts'),
      from: '!verdicts.some(({ verifier }) => equalBytes(verifier, sender))',
      to: 'true',
    },
    run: () => {
      const delivered = deliveredUnit()
      const { ledger, jobId } = delivered
      const verdict = [VERIFIER, verdictOn(ledger, jobId, honestDigests(delivered))] as const
      return outcomeOf(
        () => preview(ledger, verdict),
        () => preview(ledger, verdict, verdict),
      )
    },
  }),
  onProtocol({
    id: 'replay/challenged-twice',
    actor: 'verifier',
    targets: 'P5',
    story:
      'A step that has been asked for is asked for again by another verifier: each answer costs an honest miner room in a block.',
    rule: 'AUD-3',
    code: 'CHALLENGE_DOUBLE',
    check: { file: CHALLENGES, from: '!challenges.some((each) => isSameStep(each.ref, ref))', to: 'true' },
    run: () => {
      const ledger = audited()
      const { jobId } = ledger.deliver()
      ledger.block([ledger.tx(VERIFIER, challenge(jobId))])
      return sentInstead(ledger, [OTHER_VERIFIER, challenge(jobId, 5)], [OTHER_VERIFIER, challenge(jobId)])
    },
  }),
  onProtocol({
    id: 'replay/answered-twice',
    actor: 'miner',
    targets: 'P3',
    story: 'A challenge is answered twice in one block, to be paid its bond twice.',
    rule: 'AUD-3',
    code: 'RESPONSE_UNASKED',
    check: { file: CHALLENGES, from: 'dueHeight > 0 && isSameStep(ref, step)', to: 'isSameStep(ref, step)' },
    run: () => {
      const ledger = audited()
      const { jobId, kept, miner } = ledger.deliver()
      ledger.block([ledger.tx(VERIFIER, challenge(jobId))])
      const answer = [miner, { kind: 'response', jobId, opening: kept.open(HONEST) }] as const
      return outcomeOf(
        () => preview(ledger, answer),
        () => preview(ledger, answer, answer),
      )
    },
  }),
]
