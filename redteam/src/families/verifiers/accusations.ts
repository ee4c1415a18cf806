/** Accusations that are false, stolen, or of oneself. */
import { accountOf, type FraudProof, type StepOpening } from '@nacre/protocol'
import {
  ACCUSER,
  AUDIT_PARAMS,
  type AuditLedger,
  audited,
  FORGED,
  forged,
  fraudProof,
  HONEST,
  honest as honestly,
} from '../../../../packages/protocol/test/audit-fixture.ts'
import { keysOf, transfer } from '../../../../packages/protocol/test/ledger-fixture.ts'
import { CLIENT, minerKeys } from '../../../../packages/protocol/test/market-fixture.ts'
import type { Attack } from '../../attack.ts'
import { refusal } from '../../fixtures/ledger.ts'
import { unchecked, uncheckedIn } from '../../fixtures/mutations.ts'

const { accusationDepositGrains, maxProofsPerBlock } = AUDIT_PARAMS.audits

/** A forged unit, and the proof against it. */
function fraud() {
  const ledger = audited()
  const { jobId, kept, miner } = ledger.deliver(forged)
  return { ledger, jobId, kept, miner, proof: fraudProof(jobId, kept.open(FORGED)) }
}

/** Commits to a proof, waits, and sees what the next block says of it. */
function shown(ledger: AuditLedger, proof: FraudProof): Promise<string | undefined> {
  ledger.accuse(proof)
  return refusal(ledger, [ledger.tx(ACCUSER, proof)])
}

/** The opening with one bit of an opened leaf changed, so that its step is wrong. */
function tampered(opening: StepOpening): StepOpening {
  const at = opening.subtrees.findLastIndex(({ leaves }) => leaves.length > 0)
  const subtrees = opening.subtrees.map((subtree, i) =>
    i === at
      ? { ...subtree, leaves: subtree.leaves.map((leaf, j) => (j === 0 ? leaf.with(0, leaf[0]! ^ 1) : leaf)) }
      : subtree,
  )
  return { ...opening, subtrees }
}

/** Whether somebody who has money for one deposit can accuse a second time. */
async function accusesAgain(keep: typeof honestly, shows: typeof HONEST): Promise<string | undefined> {
  const ledger = audited()
  const poor = keysOf(121)
  ledger.block([ledger.tx(CLIENT, transfer(accountOf(poor.publicKey), accusationDepositGrains + 10_000n))])
  const { jobId, kept } = ledger.deliver(keep)
  ledger.prove(fraudProof(jobId, kept.open(shows)), poor)
  const again = { kind: 'accusation', commitment: new Uint8Array(32).fill(1) } as const
  return refusal(ledger, [ledger.tx(poor, again)])
}

export const accusations: readonly Attack[] = [
  {
    id: 'verifiers/false-accusation',
    actor: 'outsider',
    targets: 'P5',
    story:
      'Accuses honest units, so that all nodes run their steps. Each accusation costs its deposit, until there is none left.',
    on: 'protocol',
    rule: 'AUD-6',
    code: 'TX_INSUFFICIENT_FUNDS',
    check: uncheckedIn('protocol', 'audit/fraud-proof.ts', 'accusation.lose()', 'accusation.keep()'),
    run: async () => ({
      attack: await accusesAgain(honestly, HONEST),
      honest: await accusesAgain(forged, FORGED),
    }),
  },
  {
    id: 'verifiers/made-up-evidence',
    actor: 'outsider',
    targets: 'P5',
    story:
      'Changes one bit of an opening of an honest unit, so that its step is wrong, and has the miner barred for it.',
    on: 'protocol',
    rule: 'AUD-4',
    code: 'MERKLE_ROOT_MISMATCH',
    check: unchecked('merkle.ts', 'equalBytes(rootHash(leafCount, known[0]!.hash), root)'),
    run: async () => {
      const ledger = audited()
      const { jobId, kept } = ledger.deliver()
      const guilty = fraud()
      return {
        attack: await shown(ledger, fraudProof(jobId, tampered(kept.open(HONEST)))),
        honest: await shown(guilty.ledger, guilty.proof),
      }
    },
  },
  {
    id: 'verifiers/steals-the-proof',
    actor: 'miner',
    targets: 'P4',
    story: "Reads somebody's fraud proof in the mempool and puts its own copy into its block, to have the bounty.",
    on: 'protocol',
    rule: 'AUD-6',
    code: 'ACCUSATION_UNCOMMITTED',
    check: uncheckedIn(
      'protocol',
      'audit/accusations.ts',
      "throw new ProtocolError('ACCUSATION_UNCOMMITTED', 'the sender has not committed to this proof beforehand')",
      'return { keep: () => undefined, lose: () => undefined }',
    ),
    run: async () => {
      const { ledger, proof } = fraud()
      ledger.accuse(proof)
      const show = (keys: typeof ACCUSER) => refusal(ledger, [ledger.tx(keys, proof)])
      return { attack: await show(CLIENT), honest: await show(ACCUSER) }
    },
  },
  {
    id: 'verifiers/commits-in-haste',
    actor: 'miner',
    targets: 'P4',
    story: 'Holds back the proof that it has read, commits to a copy in its own block, and shows that in the next.',
    on: 'protocol',
    rule: 'AUD-6',
    code: 'ACCUSATION_EARLY',
    check: unchecked('audit/accusations.ts', 'height >= first'),
    run: async () => {
      const { ledger, proof } = fraud()
      ledger.accuse(proof)
      ledger.revert()
      const attack = await refusal(ledger, [ledger.tx(ACCUSER, proof)])
      ledger.block()
      return { attack, honest: await refusal(ledger, [ledger.tx(ACCUSER, proof)]) }
    },
  },
  {
    id: 'verifiers/one-fraud-two-bounties',
    actor: 'coalition',
    targets: 'P2',
    story: 'Two keys accuse one unit, each for a bounty.',
    on: 'protocol',
    rule: 'AUD-4',
    code: 'AUDIT_UNIT',
    check: uncheckedIn(
      'protocol',
      'audit/fraud-proof.ts',
      'unit === undefined || unit.isCondemned',
      'unit === undefined',
    ),
    run: async () => {
      const { ledger, proof } = fraud()
      ledger.accuse(proof)
      ledger.accuse(proof, CLIENT)
      const honest = await refusal(ledger, [ledger.tx(CLIENT, proof)])
      ledger.block([ledger.tx(ACCUSER, proof)])
      return { honest, attack: await refusal(ledger, [ledger.tx(CLIENT, proof)]) }
    },
  },
  {
    id: 'verifiers/commits-twice',
    actor: 'outsider',
    targets: 'P3',
    story:
      'Commits to one proof twice, so that one record stands for two deposits and one of them comes back from nowhere.',
    on: 'protocol',
    rule: 'AUD-6',
    code: 'ACCUSATION_KNOWN',
    check: unchecked('audit/accusations.ts', 'readAccusation(draft, sender, commitment) === undefined'),
    run: async () => {
      const { ledger } = fraud()
      const commit = (byte: number) =>
        ledger.tx(ACCUSER, { kind: 'accusation', commitment: new Uint8Array(32).fill(byte) })
      ledger.block([commit(1)])
      return { attack: await refusal(ledger, [commit(1)]), honest: await refusal(ledger, [commit(2)]) }
    },
  },
  {
    id: 'verifiers/farms-bounties',
    actor: 'coalition',
    targets: 'P4',
    story: 'Accuses its own miner for the bounty and registers the key again, to do the same once more.',
    on: 'protocol',
    rule: 'AUD-6',
    code: 'TX_REGISTRATION',
    check: unchecked('ledger/apply-transaction.ts', '!isBarred(draft, publicKey)'),
    run: async () => {
      const { ledger, proof, miner } = fraud()
      ledger.prove(proof)
      const fresh = minerKeys(5)
      ledger.block([ledger.tx(CLIENT, transfer(accountOf(fresh.publicKey), 2n * AUDIT_PARAMS.bonds.minerGrains))])
      const register = (keys: typeof miner) => refusal(ledger, [ledger.tx(keys, { kind: 'minerRegister' })])
      return { attack: await register(miner), honest: await register(fresh) }
    },
  },
  {
    id: 'verifiers/floods-proofs',
    actor: 'outsider',
    targets: 'P8',
    story: 'Fills a block with accusations: every node has to run a step for each before it can go on.',
    on: 'protocol',
    rule: 'AUD-4',
    code: 'BLOCK_TOO_MANY_PROOFS',
    check: unchecked('audit/block-audits.ts', 'this.proofs < most'),
    run: async () => {
      const ledger = audited()
      const { jobId, kept } = ledger.deliver()
      const proofs = Array.from({ length: maxProofsPerBlock + 1 }, (_, position) =>
        fraudProof(jobId, kept.open({ ...HONEST, position })),
      )
      ledger.accuse(proofs)
      const show = (count: number) =>
        refusal(
          ledger,
          proofs.slice(0, count).map((proof) => ledger.tx(ACCUSER, proof)),
        )
      return { attack: await show(maxProofsPerBlock + 1), honest: await show(maxProofsPerBlock) }
    },
  },
]
