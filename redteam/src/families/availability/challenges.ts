/** Openings that are kept back, late, or of something else; and challenges that are a weapon themselves. */
import { epochWindows, type KeyPair, lastChallengeHeight, readAuditedUnit, type StepRef } from '@nacre/protocol'
import {
  AUDIT_PARAMS,
  type AuditLedger,
  audited,
  FORGED,
  forged,
  HONEST,
  type Kept,
  OTHER_VERIFIER,
  secretOf,
} from '../../../../packages/protocol/test/audit-fixture.ts'
import { CLIENT, OTHER_CLIENT, VERIFIER } from '../../../../packages/protocol/test/market-fixture.ts'
import type { Attack } from '../../attack.ts'
import { refusal } from '../../fixtures/ledger.ts'
import { delivers, withholds } from '../../fixtures/market-net.ts'
import { unchecked, uncheckedIn } from '../../fixtures/mutations.ts'

const { responseBlocks, maxChallengesPerUnit, maxChallengesPerBlock, revealBlocks } = AUDIT_PARAMS.audits
const BOND = 50_000_000n
const at = (position: number): StepRef => ({ ...HONEST, position })

const ask = (jobId: Uint8Array, ref: StepRef = HONEST, bond = BOND) =>
  ({ kind: 'challenge', jobId, ref, bond }) as const
const open = (jobId: Uint8Array, kept: Kept, ref: StepRef = HONEST) =>
  ({ kind: 'response', jobId, opening: kept.open(ref) }) as const

/** A delivered unit of which `ref` is challenged. */
function challenged(keep?: (trace: Kept['trace']) => Kept, ref: StepRef = HONEST) {
  const ledger = audited()
  const delivered = ledger.deliver(keep)
  ledger.block([ledger.tx(VERIFIER, ask(delivered.jobId, ref))])
  return { ledger, ...delivered }
}
const responds = ({ ledger, jobId, kept, miner }: ReturnType<typeof challenged>, ref?: StepRef) =>
  refusal(ledger, [ledger.tx(miner, open(jobId, kept, ref))])

/** Whether a challenge is taken in the block after the receipt. */
const asks = (ledger: AuditLedger, body: ReturnType<typeof ask>, keys: KeyPair = VERIFIER) =>
  refusal(ledger, [ledger.tx(keys, body)])

const DEADLINE = uncheckedIn('protocol', 'audit/challenges.ts', 'if (dueHeight > height) {', 'if (true) {')

export const challenges: readonly Attack[] = [
  {
    id: 'availability/withholds-from-a-verifier',
    actor: 'miner',
    targets: 'P1',
    story:
      'On a network of real nodes, garbles what it delivers and opens nothing: the verifier challenges it on the chain, and it is asked for nothing any more.',
    on: 'nodes',
    rule: 'AUD-3',
    code: 'ASK_MINER',
    check: DEADLINE,
    run: () => delivers(withholds),
  },
  {
    id: 'availability/deaf-peers-around-a-verifier',
    actor: 'coalition',
    targets: 'P1',
    story:
      'Garbles and opens nothing, and surrounds the verifier with peers of its own, some that hold its key and many strangers, that let every request run into its deadline, three more for each that is asked, so that the time to challenge is over before it has asked them all.',
    on: 'nodes',
    rule: 'AUD-3',
    code: 'ASK_MINER',
    check: uncheckedIn(
      'verifier',
      'unit-auditor.ts',
      'if (chosen !== undefined) challengeUnit',
      'if (false) challengeUnit',
    ),
    run: () =>
      delivers(withholds, { deafPeers: 16, lines: ['jobs.auditWindowBlocks=5', 'audits.challengeWindowBlocks=1'] }),
  },
  {
    id: 'availability/withholds-openings',
    actor: 'miner',
    targets: 'P1',
    story: 'Answers no request for openings and no challenge, since nobody can prove what nobody has seen.',
    on: 'protocol',
    rule: 'AUD-3',
    code: 'BLOCK_KEY_BARRED',
    check: DEADLINE,
    run: async () => {
      const silent = challenged()
      silent.ledger.blocks(responseBlocks)
      const fair = challenged()
      fair.ledger.block([fair.ledger.tx(fair.miner, open(fair.jobId, fair.kept))])
      fair.ledger.blocks(responseBlocks)
      return {
        attack: await refusal(silent.ledger, [], silent.miner),
        honest: await refusal(fair.ledger, [], fair.miner),
      }
    },
  },
  {
    id: 'availability/late-opening',
    actor: 'miner',
    targets: 'P1',
    story: 'Answers a challenge a block after its deadline.',
    on: 'protocol',
    rule: 'AUD-3',
    code: 'AUDIT_UNIT',
    check: DEADLINE,
    run: async () => {
      const late = challenged()
      late.ledger.blocks(responseBlocks - 1)
      const honest = await responds(late)
      late.ledger.block()
      return { honest, attack: await responds(late) }
    },
  },
  {
    id: 'availability/opens-another-step',
    actor: 'miner',
    targets: 'P1',
    story: 'Answers a challenge of a forged step with the opening of a right one.',
    on: 'protocol',
    rule: 'AUD-3',
    code: 'RESPONSE_UNASKED',
    check: uncheckedIn('protocol', 'audit/challenges.ts', 'dueHeight > 0 && isSameStep(ref, step)', 'dueHeight > 0'),
    run: async () => ({ attack: await responds(challenged(forged, FORGED)), honest: await responds(challenged()) }),
  },
  {
    id: 'availability/opens-the-forged-step',
    actor: 'miner',
    targets: 'P1',
    story: 'Opens the forged step itself, since a response is an opening under the trace root.',
    on: 'protocol',
    rule: 'AUD-3',
    code: 'STEP_MISMATCH',
    check: uncheckedIn(
      'protocol',
      'audit/challenges.ts',
      'checkReceiptStep(stepModel(unit.modelId), answering, auditedTask(draft, jobId, unit), opening)',
      '',
    ),
    run: async () => ({
      attack: await responds(challenged(forged, FORGED), FORGED),
      honest: await responds(challenged(undefined, FORGED), FORGED),
    }),
  },
  {
    id: 'availability/challenges-by-everybody',
    actor: 'outsider',
    targets: 'P5',
    story: 'Fills a unit with challenges from keys without a role, so that there is no room for those who would look.',
    on: 'protocol',
    rule: 'AUD-3',
    code: 'CHALLENGE_SENDER',
    check: unchecked('audit/challenges.ts', 'mayChallenge(draft, sender, unit)'),
    run: async () => {
      const ledger = audited()
      const { jobId } = ledger.deliver()
      return { attack: await asks(ledger, ask(jobId), OTHER_CLIENT), honest: await asks(ledger, ask(jobId), CLIENT) }
    },
  },
  {
    id: 'availability/challenges-for-nothing',
    actor: 'verifier',
    targets: 'P5',
    story: 'Challenges every step with a bond of one grain, each of which costs the miner a transaction of kilobytes.',
    on: 'protocol',
    rule: 'AUD-3',
    code: 'CHALLENGE_BOND',
    check: unchecked('audit/challenges.ts', 'bond >= least'),
    run: async () => {
      const ledger = audited()
      const { jobId } = ledger.deliver()
      return { attack: await asks(ledger, ask(jobId, HONEST, 1n)), honest: await asks(ledger, ask(jobId)) }
    },
  },
  {
    id: 'availability/challenges-twice',
    actor: 'verifier',
    targets: 'P5',
    story: 'Challenges a step that is challenged already, so that one answer does not do for both.',
    on: 'protocol',
    rule: 'AUD-3',
    code: 'CHALLENGE_DOUBLE',
    check: unchecked('audit/challenges.ts', '!challenges.some((each) => isSameStep(each.ref, ref))'),
    run: async () => {
      const { ledger, jobId } = challenged()
      return {
        attack: await asks(ledger, ask(jobId), OTHER_VERIFIER),
        honest: await asks(ledger, ask(jobId, at(3)), OTHER_VERIFIER),
      }
    },
  },
  {
    id: 'availability/challenges-without-end',
    actor: 'verifier',
    targets: 'P5',
    story: 'Challenges one unit step by step, block after block.',
    on: 'protocol',
    rule: 'AUD-3',
    code: 'CHALLENGE_LIMIT',
    check: unchecked('audit/challenges.ts', 'own < maxChallengesPerUnit'),
    run: async () => {
      const ledger = audited()
      const { jobId } = ledger.deliver()
      ledger.block(Array.from({ length: maxChallengesPerUnit }, (_, i) => ledger.tx(VERIFIER, ask(jobId, at(i)))))
      return { attack: await asks(ledger, ask(jobId, at(10))), honest: await asks(ledger, ask(jobId, at(10)), CLIENT) }
    },
  },
  {
    id: 'availability/challenges-too-late-to-answer',
    actor: 'verifier',
    targets: 'P5',
    story: 'Challenges in the last moment, so that the payment matures before an answer can be due.',
    on: 'protocol',
    rule: 'AUD-3',
    code: 'CHALLENGE_WINDOW',
    check: unchecked('audit/challenges.ts', 'height <= last'),
    run: async () => {
      const ledger = audited()
      const { jobId } = ledger.deliver()
      ledger.toHeight(lastChallengeHeight(AUDIT_PARAMS, readAuditedUnit(ledger, jobId)!) - 1)
      const honest = await asks(ledger, ask(jobId))
      ledger.block()
      return { honest, attack: await asks(ledger, ask(jobId)) }
    },
  },
  {
    id: 'availability/more-questions-than-answers-fit',
    actor: 'coalition',
    targets: 'P5',
    story: 'Fills one block with more challenges than blocks have room for responses.',
    on: 'protocol',
    rule: 'AUD-3',
    code: 'BLOCK_TOO_MANY_PROOFS',
    check: unchecked('audit/block-audits.ts', 'this.challenges < most'),
    run: async () => {
      const ledger = audited()
      const { jobId } = ledger.deliver()
      const all = (count: number) =>
        refusal(
          ledger,
          Array.from({ length: count }, (_, i) => ledger.tx(i % 2 === 0 ? VERIFIER : CLIENT, ask(jobId, at(i)))),
        )
      return { attack: await all(maxChallengesPerBlock + 1), honest: await all(maxChallengesPerBlock) }
    },
  },
  {
    id: 'availability/keeps-its-secret',
    actor: 'verifier',
    targets: 'P1',
    story:
      'Keeps its secret until nobody can check any more what it should have looked at, and reveals it then for its pay.',
    on: 'protocol',
    rule: 'AUD-1',
    code: 'EPOCH_VERIFIER',
    check: uncheckedIn('protocol', 'audit/secrets.ts', 'writeAuditor(draft, closing!, verifier, undefined)', ''),
    run: async () => {
      const ledger = audited()
      const epoch = ledger.enterEpoch()
      const reveal = () =>
        refusal(ledger, [ledger.tx(VERIFIER, { kind: 'verifierReveal', epoch, secret: secretOf(VERIFIER, epoch) })])
      ledger.toHeight(epochWindows(AUDIT_PARAMS, epoch).revealFrom)
      const honest = await reveal()
      ledger.blocks(revealBlocks)
      return { honest, attack: await reveal() }
    },
  },
  {
    id: 'availability/leaves-the-answer-out',
    actor: 'coalition',
    targets: 'P5',
    story: 'Challenges an honest miner and makes all blocks until the deadline, without its response.',
    on: 'protocol',
    because:
      'a chain knows only what its blocks hold. It takes every block of audits.responseBlocks in a row, 64 on `nacre`, and of the time that full ones add: with a share q of the work the chance is q to the power of 64. A miner with a share of its own makes one of them.',
    run: async () => {
      const { ledger, miner } = challenged()
      ledger.blocks(responseBlocks)
      return (await refusal(ledger, [], miner)) === 'BLOCK_KEY_BARRED'
    },
  },
]
