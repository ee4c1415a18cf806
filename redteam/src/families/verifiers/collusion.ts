/** Verifiers that agree beforehand, and what no rule can ask of them. */
import {
  equalBytes,
  isAudited,
  ROLE_MINER,
  readAuditedUnit,
  readRegistration,
  readUnitCounts,
  readVerdicts,
  runWeight,
  type StepRun,
  sampleSteps,
  stepRuns,
  taggedHash,
  u32le,
  verifierRatePpm,
} from '@nacre/protocol'
import {
  ACCUSER,
  AUDIT_PARAMS,
  audited,
  auditParams,
  FORGED,
  forged,
  fraudProof,
  OTHER_VERIFIER,
  verdictOn,
} from '../../../../packages/protocol/test/audit-fixture.ts'
import { MODEL } from '../../../../packages/protocol/test/ledger-fixture.ts'
import { CLIENT, VERIFIER } from '../../../../packages/protocol/test/market-fixture.ts'
import type { Attack } from '../../attack.ts'
import { refusal } from '../../fixtures/ledger.ts'
import { delivers, garbles } from '../../fixtures/market-net.ts'
import { uncheckedIn } from '../../fixtures/mutations.ts'
import { digestsOf, judged } from '../../fixtures/verdicts.ts'

/** Verifiers of an epoch, units of the sample, and units of one miner at stake where the rate has reached its floor. */
const VERIFIERS = 64
const UNITS = 400
const AT_STAKE = 400

/** The part of garbled units that somebody outside the coalition selects, for each size of the coalition. */
function detection(): { measured: number[]; theory: number[] } {
  const ratePpm = verifierRatePpm(AUDIT_PARAMS.audits.rateFloorPpm, VERIFIERS)
  const secrets = Array.from({ length: VERIFIERS }, (_, i) => taggedHash('verifierSecret', u32le(i)))
  const found = new Array<number>(VERIFIERS + 1).fill(0)
  for (let unit = 0; unit < UNITS; unit++) {
    const id = taggedHash('unitId', u32le(unit))
    // The last one that selects it: caught unless the coalition is larger than its index.
    const last = secrets.findLastIndex((secret) => isAudited(secret, id, ratePpm))
    for (let colluding = 0; colluding <= last; colluding++) found[colluding]!++
  }
  const measured = found.map((count) => count / UNITS)
  const theory = found.map((_, colluding) => 1 - (1 - ratePpm / 1e6) ** (VERIFIERS - colluding))
  return { measured, theory }
}

/** How often an audit misses the feed-forward step in the middle of a small unit: measured, and by the weights of the draw. */
function missesOf(trials: number): { measured: number; theory: number } {
  const shape = { promptTokens: 16, newTokens: 4, dims: MODEL.config }
  const { steps } = AUDIT_PARAMS.audits
  const runs = stepRuns(shape)
  const weightOf = (run: StepRun): number => {
    const { base, slope } = runWeight(shape, run)
    return run.count * base + (slope * run.count * (run.count + 1)) / 2
  }
  const total = runs.reduce((sum, run) => sum + weightOf(run), 0)
  const middle = runs.find(({ kind }) => kind === 'ffn')!
  const share = weightOf(middle) / middle.count / total
  let missed = 0
  for (let seed = 0; seed < trials; seed++) {
    const drawn = sampleSteps(taggedHash('auditSteps', u32le(seed)), shape, steps)
    if (!drawn.some(({ kind, layer, position }) => kind === 'ffn' && layer === middle.layer && position === 10))
      missed++
  }
  return { measured: missed / trials, theory: (1 - share) ** steps }
}

const CONDEMNED = uncheckedIn(
  'protocol',
  'audit/fraud-proof.ts',
  "return condemnUnit(context, jobId, unit, accountOf(sender), 'proof')",
  'return undefined',
)

export const collusion: readonly Attack[] = [
  {
    id: 'verifiers/garbles-its-work',
    actor: 'miner',
    targets: 'P1',
    story:
      'Delivers right answers over traces with one wrong bit. The verifier of a network of real nodes draws the step, accuses, and the miner is asked for nothing any more.',
    on: 'nodes',
    rule: 'AUD-6',
    code: 'ASK_MINER',
    check: CONDEMNED,
    run: () => delivers(garbles, { lines: ['audits.steps=64'] }),
  },
  {
    id: 'verifiers/colluding-majority',
    actor: 'coalition',
    targets: 'P1',
    story:
      "A miner's friends say that its garbled unit is valid; one verifier outside looks, and the miner makes no block any more.",
    on: 'protocol',
    rule: 'AUD-4',
    code: 'BLOCK_KEY_BARRED',
    check: CONDEMNED,
    run: async () => {
      const guilty = judged(undefined, forged)
      const { ledger, jobId, kept, miner } = guilty
      ledger.block([ledger.tx(VERIFIER, verdictOn(ledger, jobId, digestsOf(judged(), VERIFIER)))])
      ledger.prove(fraudProof(jobId, kept.open(FORGED)), OTHER_VERIFIER)
      const fair = judged()
      fair.ledger.block([fair.ledger.tx(VERIFIER, verdictOn(fair.ledger, fair.jobId, digestsOf(fair, VERIFIER)))])
      return { attack: await refusal(ledger, [], miner), honest: await refusal(fair.ledger, [], fair.miner) }
    },
  },
  {
    id: 'verifiers/collusion-at-the-floor',
    actor: 'coalition',
    targets: 'P1',
    story: 'A share rho of the verifiers never reports a miner whose audits have come down to the floor of 2 %.',
    on: 'protocol',
    because:
      'who says nothing cannot be told from who was not selected. Somebody else looks with chance 1 - (1 - 0.02)^(1 - rho). At the floor a miner has 400 units at stake, so garbling one pays only if that chance is below 1 / 400: with 57 or more of 64 verifiers, a sweep over all shares shows, and with 64 of 64 at any rate. The bond is not counted.',
    run: () => {
      const { measured, theory } = detection()
      const isNear = measured.every((part, i) => {
        const p = theory[i]!
        return Math.abs(part - p) <= 4 * Math.sqrt((p * (1 - p)) / UNITS) + 1e-12
      })
      const pays = theory.map((chance) => chance * AT_STAKE < 1)
      return isNear && pays.indexOf(true) === 57 && pays.slice(57).every(Boolean)
    },
  },
  {
    id: 'verifiers/all-asleep',
    actor: 'verifier',
    targets: 'P1',
    story: 'No verifier commits to a secret: a garbled unit settles and is paid.',
    on: 'protocol',
    because:
      'nobody can be made to look. A verifier that sleeps earns nothing from units; the client, and anybody who has the trace, can still have the miner condemned until its payment matures.',
    run: () => {
      const ledger = audited()
      const { miner, jobId } = ledger.deliver(forged)
      const before = ledger.balance(miner)
      ledger.blocks(AUDIT_PARAMS.block.maturityBlocks)
      return readAuditedUnit(ledger, jobId) === undefined && ledger.balance(miner) > before
    },
  },
  {
    id: 'verifiers/one-forged-step',
    actor: 'miner',
    targets: 'P1',
    story: 'Forges a single step out of all of a unit: an audit draws 16 of them.',
    on: 'protocol',
    because:
      'an audit finds it only if it is drawn: of the 253 steps of a small unit, a feed-forward step is missed by 78 audits of 100, as its weight says. A forger gains nothing by one step, and all that it has immature is at stake; only the full check of the client, or of a verifier that executes the unit, finds it for sure.',
    run: () => {
      const trials = 400
      const { measured, theory } = missesOf(trials)
      return measured > 0.5 && Math.abs(measured - theory) <= 4 * Math.sqrt((theory * (1 - theory)) / trials)
    },
  },
  {
    id: 'verifiers/dilutes-its-rate',
    actor: 'miner',
    targets: 'P1',
    story: 'Delivers hundreds of cheap units of its own correctly, so that a dear one is audited at the floor.',
    on: 'protocol',
    because:
      'the rate counts units and not what they pay. 400 units burn their prompts’ part each, and the bond with all that is immature stays at stake, whatever the forged unit pays.',
    run: () => {
      // One unit at stake is audited for sure, two by half: as 8 and 400 units by 1 and 0.02 on `nacre`.
      const ledger = audited(auditParams('audits.newKeyUnits=0', 'audits.rateUnits=1'))
      const rateOf = (jobId: Uint8Array): number => readAuditedUnit(ledger, jobId)!.ratePpm
      const cheap = Array.from({ length: 4 }, () => ledger.deliver(undefined, { promptTokens: [1], maxNewTokens: 1 }))
      const dear = ledger.deliver(forged)
      const { atStake } = readUnitCounts(ledger, dear.miner.publicKey)
      const isFirst = ({ miner }: typeof dear): boolean => equalBytes(miner.publicKey, dear.miner.publicKey)
      return (
        rateOf(cheap.find(isFirst)!.jobId) === 1_000_000 &&
        rateOf(dear.jobId) === Math.floor(1e6 / atStake) &&
        atStake > 2
      )
    },
  },
  {
    id: 'verifiers/full-house',
    actor: 'verifier',
    targets: 'P1',
    story:
      'Registers as many verifiers as an epoch has places for and commits with them first, in every epoch; they say nothing.',
    on: 'protocol',
    because:
      'places are taken in the order of the commitments. It costs audits.maxVerifiers bonds, 64 on `nacre`, for as long as it lasts; clients can still check and challenge.',
    run: async () => {
      const ledger = audited(auditParams('audits.maxVerifiers=1'))
      ledger.enterEpoch([VERIFIER])
      const { jobId } = ledger.deliver(forged)
      const isKeptOut = await refusal(ledger, [ledger.tx(OTHER_VERIFIER, verdictOn(ledger, jobId, []))])
      return isKeptOut === 'VERDICT_VERIFIER' && readVerdicts(ledger, jobId).length === 0
    },
  },
  {
    id: 'verifiers/audits-its-friends',
    actor: 'coalition',
    targets: 'E1',
    story: 'Client, miner and verifier under three keys: it orders units from itself and is paid for auditing them.',
    on: 'protocol',
    because:
      'keys do not show who holds them. The audits of a unit pay at most a quarter of what it burned, so each such unit loses at least three quarters of that.',
    run: () => {
      const at = judged()
      const { ledger, epoch, jobId, miner } = at
      const { burnedGrains, receiptHeight } = readAuditedUnit(ledger, jobId)!
      ledger.block([ledger.tx(VERIFIER, verdictOn(ledger, jobId, digestsOf(at, VERIFIER)))])
      ledger.reveal(epoch, [VERIFIER, OTHER_VERIFIER])
      const before = ledger.balance(VERIFIER)
      ledger.toHeight(receiptHeight + AUDIT_PARAMS.block.maturityBlocks)
      const earned = ledger.balance(VERIFIER) - before
      return earned > 0n && 4n * earned <= burnedGrains && ledger.balance(miner) > 0n
    },
  },
  {
    id: 'verifiers/accuses-itself',
    actor: 'coalition',
    targets: 'P4',
    story: 'Miner, client and accuser in one hand: it forges a unit, accuses itself and takes the bounty.',
    on: 'protocol',
    because: 'the accuser told the truth. The bounty is a tenth of the bond, so nine tenths of it burn each time.',
    run: () => {
      const ledger = audited()
      const { jobId, kept, miner } = ledger.deliver(forged)
      const wealth = (): bigint =>
        [CLIENT, ACCUSER, miner].reduce((sum, keys) => sum + ledger.balance(keys), 0n) +
        (readRegistration(ledger, ROLE_MINER, miner.publicKey)?.bond ?? 0n)
      const before = wealth() + ledger.job(jobId).held
      const bounty = ledger.balance(ACCUSER)
      ledger.prove(fraudProof(jobId, kept.open(FORGED)))
      ledger.blocks(AUDIT_PARAMS.block.maturityBlocks)
      const lost = before - wealth()
      return ledger.balance(ACCUSER) > bounty && 10n * lost >= 9n * AUDIT_PARAMS.bonds.minerGrains
    },
  },
]
