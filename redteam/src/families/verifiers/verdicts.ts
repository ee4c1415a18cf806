/** Verifiers that say "valid" without looking. */
import { epochWindows, secretCommitment } from '@nacre/protocol'
import {
  ACCUSER,
  AUDIT_PARAMS,
  audited,
  OTHER_VERIFIER,
  secretOf,
  verdictOn,
} from '../../../../packages/protocol/test/audit-fixture.ts'
import { CLIENT, minerKeys, VERIFIER } from '../../../../packages/protocol/test/market-fixture.ts'
import type { Attack, Outcome } from '../../attack.ts'
import { refusal } from '../../fixtures/ledger.ts'
import { unchecked, uncheckedIn } from '../../fixtures/mutations.ts'
import { digestsOf, disputes, type Judged, judged, MADE_UP, nextCommit, verdictProof } from '../../fixtures/verdicts.ts'

/** Two epochs of such verdicts, each disputed; then whether the verifier has a place in the next. */
const twice = (say: (at: Judged) => readonly Uint8Array[]): Promise<string | undefined> => {
  const ledger = audited()
  for (let i = 0; i < 2; i++) {
    const at = judged(ledger)
    disputes(at, say(at))
  }
  return refusal(ledger, [ledger.tx(VERIFIER, nextCommit(ledger, VERIFIER))])
}
const own = (at: Judged): Uint8Array[] => digestsOf(at, VERIFIER)

const DIGEST_COMPARED = uncheckedIn(
  'protocol',
  'audit/verdicts.ts',
  'return !equalBytes(stepDigest(',
  'return false && !equalBytes(stepDigest(',
)

/** What a verdict meets in the block after the receipt. */
const says = async (
  attack: (at: Judged) => Promise<string | undefined>,
  honest: (at: Judged) => Promise<string | undefined> = fair,
): Promise<Outcome> => {
  const at = judged()
  return { attack: await attack(at), honest: await honest(judged()) }
}
const fair = (at: Judged) => refusal(at.ledger, [at.ledger.tx(VERIFIER, verdictOn(at.ledger, at.jobId, own(at)))])

export const verdicts: readonly Attack[] = [
  {
    id: 'verifiers/always-valid',
    actor: 'verifier',
    targets: 'P1',
    story:
      'Says "valid" about every unit with digests that it made up. Each costs half of its bond once shown, and after two it verifies no more.',
    on: 'protocol',
    rule: 'AUD-5',
    code: 'EPOCH_VERIFIER',
    check: DIGEST_COMPARED,
    run: async () => ({ attack: await twice(() => MADE_UP), honest: await twice(own) }),
  },
  {
    id: 'verifiers/copies-digests',
    actor: 'verifier',
    targets: 'P1',
    story:
      'Reads the verdict of another verifier in the mempool and says the same. It fares like one that makes them up.',
    on: 'protocol',
    rule: 'AUD-5',
    code: 'EPOCH_VERIFIER',
    check: DIGEST_COMPARED,
    run: async () => ({ attack: await twice((at) => digestsOf(at, OTHER_VERIFIER)), honest: await twice(own) }),
  },
  {
    id: 'verifiers/copies-the-secret',
    actor: 'verifier',
    targets: 'P1',
    story:
      "Commits to another verifier's commitment and reveals its secret after it, so that that one's work counts as its own.",
    on: 'protocol',
    rule: 'AUD-1',
    code: 'EPOCH_SECRET',
    check: uncheckedIn(
      'protocol',
      'audit/selection.ts',
      "taggedHash('verifierSecret', verifier, u32le(epoch), secret)",
      "taggedHash('verifierSecret', u32le(epoch), secret)",
    ),
    run: async () => {
      const ledger = audited()
      const { epoch, ...commit } = nextCommit(ledger, OTHER_VERIFIER) as Extract<
        ReturnType<typeof nextCommit>,
        { kind: 'verifierCommit' }
      >
      ledger.block([OTHER_VERIFIER, VERIFIER].map((keys) => ledger.tx(keys, { epoch, ...commit })))
      const secret = secretOf(OTHER_VERIFIER, epoch)
      ledger.toHeight(epochWindows(AUDIT_PARAMS, epoch).revealFrom - 1)
      const reveal = (keys: typeof VERIFIER) => ledger.tx(keys, { kind: 'verifierReveal', epoch, secret })
      const honest = await refusal(ledger, [reveal(OTHER_VERIFIER)])
      ledger.block([reveal(OTHER_VERIFIER)])
      return { honest, attack: await refusal(ledger, [reveal(VERIFIER)]) }
    },
  },
  {
    id: 'verifiers/waits-for-the-secrets',
    actor: 'verifier',
    targets: 'P1',
    story: 'Gives its verdict after others have revealed their secrets, by which their digests can be followed.',
    on: 'protocol',
    rule: 'AUD-5',
    code: 'EPOCH_WINDOW',
    check: unchecked('audit/verdicts.ts', 'height < revealFrom'),
    run: () =>
      says((at) => {
        at.ledger.reveal(at.epoch, [OTHER_VERIFIER])
        return refusal(at.ledger, [at.ledger.tx(VERIFIER, verdictOn(at.ledger, at.jobId, own(at)))])
      }),
  },
  {
    id: 'verifiers/no-secret',
    actor: 'outsider',
    targets: 'P1',
    story: 'Gives a verdict without having committed to a secret: nobody could ever check which steps it looked at.',
    on: 'protocol',
    rule: 'AUD-5',
    code: 'VERDICT_VERIFIER',
    check: unchecked('audit/verdicts.ts', 'readAuditor(draft, epoch, sender) !== undefined'),
    run: () => says((at) => refusal(at.ledger, [at.ledger.tx(CLIENT, verdictOn(at.ledger, at.jobId, MADE_UP))])),
  },
  {
    id: 'verifiers/judges-itself',
    actor: 'miner',
    targets: 'P1',
    story: 'Miner and verifier under one key: it judges its own unit and is paid for both.',
    on: 'protocol',
    rule: 'AUD-5',
    code: 'VERDICT_VERIFIER',
    check: unchecked('audit/verdicts.ts', '!equalBytes(sender, unit.minerKey)'),
    run: async () => {
      const ledger = audited()
      const keys = [minerKeys(0), minerKeys(1)]
      ledger.block(keys.map((each) => ledger.tx(each, { kind: 'verifierRegister' })))
      ledger.enterEpoch(keys)
      const { jobId, miner } = ledger.deliver()
      const attack = await refusal(ledger, [ledger.tx(miner, verdictOn(ledger, jobId, MADE_UP))])
      return { attack, honest: await fair(judged()) }
    },
  },
  {
    id: 'verifiers/two-shares',
    actor: 'verifier',
    targets: 'P2',
    story: 'Gives its verdict twice, to have two shares of what the unit pays for audits.',
    on: 'protocol',
    rule: 'AUD-5',
    code: 'VERDICT_DOUBLE',
    check: unchecked('audit/verdicts.ts', '!verdicts.some(({ verifier }) => equalBytes(verifier, sender))'),
    run: () =>
      says((at) => {
        at.ledger.block([at.ledger.tx(VERIFIER, verdictOn(at.ledger, at.jobId, own(at)))])
        return refusal(at.ledger, [at.ledger.tx(VERIFIER, verdictOn(at.ledger, at.jobId, own(at)))])
      }),
  },
  {
    id: 'verifiers/says-nothing',
    actor: 'verifier',
    targets: 'P1',
    story: 'A verdict without digests: "valid", and nothing that could be shown to be false.',
    on: 'protocol',
    rule: 'AUD-5',
    code: 'VERDICT_SIZE',
    check: unchecked('audit/verdicts.ts', 'digests.length === steps'),
    run: () => says((at) => refusal(at.ledger, [at.ledger.tx(VERIFIER, verdictOn(at.ledger, at.jobId, []))])),
  },
  {
    id: 'verifiers/picks-its-secret',
    actor: 'verifier',
    targets: 'P1',
    story: 'Commits to its secret when the units of the epoch are known, to one that selects none of its friends.',
    on: 'protocol',
    rule: 'AUD-1',
    code: 'EPOCH_WINDOW',
    check: unchecked('audit/secrets.ts', 'epoch === next'),
    run: async () => {
      const ledger = audited()
      const { epoch } = judged(ledger)
      const late = {
        kind: 'verifierCommit',
        epoch,
        commitment: secretCommitment(ACCUSER.publicKey, epoch, MADE_UP[0]!),
      } as const
      ledger.block([ledger.tx(ACCUSER, { kind: 'verifierRegister' })])
      const attack = await refusal(ledger, [ledger.tx(ACCUSER, late)])
      return { attack, honest: await refusal(ledger, [ledger.tx(ACCUSER, nextCommit(ledger, ACCUSER))]) }
    },
  },
  {
    id: 'verifiers/accuses-of-another-step',
    actor: 'outsider',
    targets: 'P5',
    story: 'Accuses an honest verifier with a step that it did not draw, and of which it therefore has no digest.',
    on: 'protocol',
    rule: 'AUD-5',
    code: 'VERDICT_STEP',
    check: unchecked('audit/verdicts.ts', 'isSameStep(ref, opening.ref)'),
    run: async () => {
      const shown = async (digests: (at: Judged) => readonly Uint8Array[], index: number) => {
        const at = judged()
        const { ledger } = at
        ledger.block([ledger.tx(VERIFIER, verdictOn(at.ledger, at.jobId, digests(at)))])
        ledger.reveal(at.epoch, [VERIFIER, OTHER_VERIFIER])
        const proof = verdictProof(at, index)
        ledger.accuse(proof)
        return refusal(ledger, [ledger.tx(ACCUSER, proof)])
      }
      return { attack: await shown(own, 0), honest: await shown(() => MADE_UP, 2) }
    },
  },
  {
    id: 'verifiers/one-lie-two-bounties',
    actor: 'coalition',
    targets: 'P2',
    story: 'Shows one false verdict twice, for two bounties out of what is left of the bond.',
    on: 'protocol',
    rule: 'AUD-5',
    code: 'VERDICT_UNKNOWN',
    check: uncheckedIn('protocol', 'audit/verdicts.ts', 'writeAuditor(draft, epoch, verifier, undefined)', ''),
    run: async () => {
      const at = judged()
      const { ledger } = at
      ledger.block([ledger.tx(VERIFIER, verdictOn(at.ledger, at.jobId, MADE_UP))])
      ledger.reveal(at.epoch, [VERIFIER, OTHER_VERIFIER])
      const proof = verdictProof(at)
      ledger.accuse(proof)
      ledger.accuse(proof, CLIENT)
      const honest = await refusal(ledger, [ledger.tx(CLIENT, proof)])
      ledger.block([ledger.tx(ACCUSER, proof)])
      return { honest, attack: await refusal(ledger, [ledger.tx(CLIENT, proof)]) }
    },
  },
]
