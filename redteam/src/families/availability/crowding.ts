/** Places in blocks that an attacker buys, so that others find none. */
import {
  bytesToHex,
  executeUnit,
  isBarred,
  type KeyPair,
  lastChallengeHeight,
  paidTask,
  readAmount,
  readAuditedUnit,
  type StepRef,
  transactionIdOfBytes,
} from '@nacre/protocol'
import {
  ACCUSER,
  AUDIT_PARAMS,
  type AuditLedger,
  audited,
  FORGED,
  forged,
  fraudProof,
  HONEST,
  honest,
  type Kept,
} from '../../../../packages/protocol/test/audit-fixture.ts'
import { MODEL } from '../../../../packages/protocol/test/ledger-fixture.ts'
import { CLIENT, jobBody, OTHER_CLIENT, VERIFIER } from '../../../../packages/protocol/test/market-fixture.ts'
import type { Attack } from '../../attack.ts'
import { refusal } from '../../fixtures/ledger.ts'
import { surrounded } from '../../fixtures/market-net.ts'

const { maxChallengesPerBlock, maxChallengesPerUnit, maxProofsPerBlock, accusationDepositGrains } = AUDIT_PARAMS.audits
const BOND = 50_000_000n

interface Unit {
  readonly jobId: Uint8Array
  readonly kept: Kept
  readonly miner: KeyPair
}

/** Units that one operator orders and delivers in one block. The first is forged. */
function deliversMany(ledger: AuditLedger, count: number): Unit[] {
  const post = Array.from({ length: count }, () =>
    ledger.tx(CLIENT, jobBody({ promptTokens: [1, 2, 3], maxNewTokens: 2, expiryHeight: ledger.height + 30 })),
  )
  ledger.block(post)
  ledger.blocks(2) // at most so many clear in one block
  const known = new Map<string, KeyPair>()
  /** One object for each key: the ledger counts nonces by it. */
  const rankOf = (jobId: Uint8Array): KeyPair => {
    const keys = ledger.rank(jobId, 0)
    const hex = bytesToHex(keys.publicKey)
    known.set(hex, known.get(hex) ?? keys)
    return known.get(hex)!
  }
  const units = post.map((bytes, i) => {
    const jobId = transactionIdOfBytes(bytes)
    const trace = executeUnit(MODEL, paidTask(ledger, jobId, ledger.job(jobId)))
    const kept = i === 0 ? forged(trace, { ...FORGED, position: 2 }) : honest(trace)
    return { jobId, kept, miner: rankOf(jobId), tokens: [...trace.tokens.slice(3)] }
  })
  ledger.block(
    units.map(({ jobId, kept, miner, tokens }) =>
      ledger.tx(miner, ledger.receiptBody(jobId, { traceRoot: kept.traceRoot, tokens })),
    ),
  )
  return units
}

export const crowding: readonly Attack[] = [
  {
    id: 'availability/deaf-peers-of-an-honest-miner',
    actor: 'coalition',
    targets: 'P1',
    story:
      'Surrounds a verifier with peers that say they are the honest miners, by claims replayed or signed with another key, or that claim nothing; they say nothing else, and come back under new names: so that it gets no openings, challenges on the chain, and loses a bond for each answer.',
    on: 'nodes',
    rule: 'NET-6',
    code: 'SIGNATURE_INVALID',
    check: {
      file: 'packages/node/src/miner-claims.ts',
      from: "check(isProven, 'SIGNATURE_INVALID', 'the miner key has not signed this claim for this peer')",
      to: '',
    },
    run: async () => {
      const { verdicts, responses, penalties } = await surrounded(32, 'strangers')
      return {
        attack: responses > 0 ? undefined : [...penalties].join(),
        honest: verdicts > 0 ? undefined : 'NO_VERDICT',
      }
    },
  },
  {
    id: 'availability/deaf-peers-with-the-key',
    actor: 'miner',
    targets: 'P1',
    story:
      'Miners with right answers surround a verifier with peers of their own that have proven whose they are, say nothing, and come back under new names: it gets no openings, challenges on the chain, and each answer earns the miner the bond, at least the fee of the job.',
    on: 'nodes',
    because:
      'nobody can be made to open anything but by a challenge. Two of the eight peers that are asked are such as hold the key, so the miner needs to be most of the other peers of the verifier too, or the only one that serves openings: any other that executes the unit again opens it. A bond is lost for each unit and step, four at most, and the unit is still shown to be right.',
    run: async () => (await surrounded(32, 'miners')).responses > 0,
  },
  {
    id: 'availability/crowds-out-challenges',
    actor: 'coalition',
    targets: 'P1',
    story:
      'Client and miner in one: fills every block of the challenge window with challenges of its own units, which it answers itself, so that nobody else can challenge the one that it forged and does not open.',
    on: 'protocol',
    because:
      'a block has few places for challenges, since every answer has to fit too, and bonds of answered challenges come back to the miner. It has to outbid everybody in each block of the window, 296 of them on `nacre`, with as many units of its own; who would challenge needs to outbid it once.',
    run: async () => {
      const ledger = audited()
      const window = AUDIT_PARAMS.jobs.auditWindowBlocks + AUDIT_PARAMS.audits.challengeWindowBlocks
      const units = deliversMany(ledger, Math.ceil((window * maxChallengesPerBlock) / maxChallengesPerUnit))
      const target = units[0]!
      const last = lastChallengeHeight(AUDIT_PARAMS, readAuditedUnit(ledger, target.jobId)!)
      const places = units.flatMap((unit) =>
        Array.from({ length: maxChallengesPerUnit }, (_, position) => ({
          unit,
          ref: { ...HONEST, position } as StepRef,
        })),
      )
      const codes: (string | undefined)[] = []
      let open: typeof places = []
      while (ledger.height < last) {
        const answers = open.map(({ unit: { jobId, kept, miner }, ref }) =>
          ledger.tx(miner, { kind: 'response', jobId, opening: kept.open(ref) }),
        )
        open = places.splice(0, maxChallengesPerBlock)
        const own = open.map(({ unit: { jobId }, ref }) =>
          ledger.tx(CLIENT, { kind: 'challenge', jobId, ref, bond: BOND }),
        )
        const others = ledger.tx(VERIFIER, {
          kind: 'challenge',
          jobId: target.jobId,
          ref: { ...FORGED, position: 2 },
          bond: BOND,
        })
        codes.push(await refusal(ledger, [...answers, ...own, others]))
        ledger.block([...answers, ...own])
      }
      ledger.block(
        open.map(({ unit: { jobId, kept, miner }, ref }) =>
          ledger.tx(miner, { kind: 'response', jobId, opening: kept.open(ref) }),
        ),
      )
      const late = ledger.tx(VERIFIER, {
        kind: 'challenge',
        jobId: target.jobId,
        ref: { ...FORGED, position: 2 },
        bond: BOND,
      })
      codes.push(await refusal(ledger, [late]))
      ledger.blocks(AUDIT_PARAMS.block.maturityBlocks)
      const isKeptOut = codes.slice(0, -1).every((code) => code === 'BLOCK_TOO_MANY_PROOFS')
      return isKeptOut && codes.at(-1) === 'CHALLENGE_WINDOW' && !isBarred(ledger, target.miner.publicKey)
    },
  },
  {
    id: 'availability/crowds-out-proofs',
    actor: 'coalition',
    targets: 'P1',
    story: 'Fills the places for proofs of a block with false accusations of its own units, in front of the true one.',
    on: 'protocol',
    because:
      'every node runs a step for each proof, so a block has few. Each place costs the deposit of the accusation, which burns: 4 NCR a block on `nacre`, and it has to be bought in every block until the payment matures.',
    run: async () => {
      const ledger = audited()
      const [target, cover] = [ledger.deliver(forged), ledger.deliver()]
      const proof = fraudProof(target.jobId, target.kept.open(FORGED))
      const noise = Array.from({ length: maxProofsPerBlock }, (_, position) =>
        fraudProof(cover.jobId, cover.kept.open({ ...HONEST, position })),
      )
      ledger.accuse(proof)
      ledger.accuse(noise, OTHER_CLIENT)
      const burned = readAmount(ledger, 'burned')
      const filled = () => noise.map((each) => ledger.tx(OTHER_CLIENT, each))
      const code = await refusal(ledger, [...filled(), ledger.tx(ACCUSER, proof)])
      ledger.block(filled())
      return (
        code === 'BLOCK_TOO_MANY_PROOFS' &&
        readAmount(ledger, 'burned') - burned >= BigInt(maxProofsPerBlock) * accusationDepositGrains
      )
    },
  },
]
