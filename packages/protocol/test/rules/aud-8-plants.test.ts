/**
 * AUD-8: a miner may plant faults, so that everybody sees whether anybody looks. A secret that it commits to an epoch before draws which of
 * its units; their traces may be wrong, their answers are not. Whoever shows the fault is heard, and the miner is once the verdicts are in:
 *
 *   plantCommit | assignment, receipt | fault shown: suspect | plantReveal: a plant, paid to nobody
 *                                                            | none in time: condemned as ever
 */
import { describe, expect, test } from 'vitest'
import {
  accusationCommitment,
  answeringRoot,
  auditedSteps,
  auditedTask,
  checkReceiptStep,
  drawsPlant,
  epochOf,
  equalBytes,
  executeUnit,
  isBarred,
  type Plant,
  paidTask,
  partOf,
  plantCommitment,
  plantWindows,
  ROLE_MINER,
  readAmount,
  readAuditedUnit,
  readFoundCounts,
  readPlanter,
  readRegistration,
  readSuspicion,
  readUnitCounts,
  type StepRef,
  taggedHash,
  transactionIdOfBytes,
  u32le,
  verdictDigests,
} from '../../src/index.ts'
import {
  ACCUSER,
  AUDIT_PARAMS,
  type AuditLedger,
  audited,
  auditParams,
  FORGED,
  forged,
  fraudProof,
  HONEST,
  honest,
  type Kept,
  OTHER_VERIFIER,
  secretOf,
  verdictOn,
} from '../audit-fixture.ts'
import { MODEL } from '../ledger-fixture.ts'
import { CLIENT, jobBody, minerKeys, VERIFIER } from '../market-fixture.ts'
import { accepted, filled, rejected } from './verbs.ts'

/** Every unit is drawn. */
const ALL = auditParams('audits.plantPpm=1000000')
const { minerGrains } = ALL.bonds
const { missedRevealPpm, bountyPpm, payPpm } = ALL.audits
const MINERS = [minerKeys(0), minerKeys(1)] as const
type Keys = (typeof MINERS)[number]
const OTHER_STEP: StepRef = { ...FORGED, layer: 0, position: 1 }

const plantSecret = (keys: Keys, epoch: number): Uint8Array =>
  taggedHash('plantSecret', keys.secretKey, u32le(epoch), filled(1))

/** Both miners commit to plants and both verifiers to secrets of the next epoch, in which the ledger is afterwards. */
function planting(params = ALL): { ledger: AuditLedger; epoch: number } {
  const ledger = audited(params)
  const { epochBlocks } = params.audits
  ledger.toHeight((epochOf(params, ledger.height) + 1) * epochBlocks)
  const epoch = epochOf(params, ledger.height) + 1
  ledger.block(MINERS.map((keys) => ledger.tx(keys, commit(keys, epoch))))
  expect(ledger.enterEpoch([VERIFIER, OTHER_VERIFIER])).toBe(epoch)
  // An assignment that the last block opened is of the epoch before.
  ledger.block()
  return { ledger, epoch }
}
const commit = (keys: Keys, epoch: number) =>
  ({
    kind: 'plantCommit',
    epoch,
    commitment: plantCommitment(keys.publicKey, epoch, plantSecret(keys, epoch)),
  }) as const
const revealed = (keys: Keys, epoch: number, plants: readonly Plant[]) =>
  ({ kind: 'plantReveal', epoch, secret: plantSecret(keys, epoch), plants }) as const

/** A planted unit of the epoch. */
function plant(keep: (trace: Kept['trace']) => Kept = forged, params = ALL) {
  const { ledger, epoch } = planting(params)
  const { jobId, kept, miner } = ledger.deliver(keep)
  const unit = readAuditedUnit(ledger, jobId)!
  expect(epochOf(params, unit.openedHeight)).toBe(epoch)
  const plants = [{ jobId, traceRoot: honest(kept.trace).traceRoot }]
  return { ledger, epoch, jobId, kept, miner, unit, plants, windows: plantWindows(params, epoch) }
}
/** Challenges are taken for longer than plants are kept back. */
const LATE = auditParams(
  'audits.plantPpm=1000000',
  'audits.challengeWindowBlocks=12',
  'block.maturityBlocks=40',
  'bonds.unbondingBlocks=60',
)

const accuse = (ledger: AuditLedger, keys: Keys, proof: ReturnType<typeof fraudProof>): Uint8Array =>
  ledger.tx(keys, { kind: 'accusation', commitment: accusationCommitment(keys.publicKey, proof) })

const conserves = (ledger: AuditLedger): void => {
  const { held, created } = ledger.audit()
  expect(held).toBe(created)
}
/** Nothing of any audit stays. */
const isEmpty = (ledger: AuditLedger): void =>
  expect(
    [...ledger.entries.keys()].filter((key) => /^(audit|planter|planters|suspicion|accusation|job|prompt)/.test(key)),
  ).toEqual([])

describe('a commitment', () => {
  test('is of an active miner with its full bond, to the next epoch, once', () => {
    const ledger = audited(ALL)
    ledger.toHeight((epochOf(ALL, ledger.height) + 1) * ALL.audits.epochBlocks)
    const next = epochOf(ALL, ledger.height) + 1
    const send = (keys: Keys, epoch: number): void => {
      try {
        ledger.preview([ledger.tx(keys, commit(keys, epoch))])
      } finally {
        ledger.forget()
      }
    }
    accepted(() => send(MINERS[0], next))
    rejected('PLANT_WINDOW', () => send(MINERS[0], next - 1))
    rejected('PLANT_WINDOW', () => send(MINERS[0], next + 1))
    rejected('PLANT_MINER', () => send(VERIFIER, next))
    ledger.block([ledger.tx(MINERS[0], commit(MINERS[0], next))])
    rejected('PLANT_MINER', () => send(MINERS[0], next))
    ledger.block([ledger.tx(MINERS[1], { kind: 'unbond', role: ROLE_MINER })])
    rejected('PLANT_MINER', () => send(MINERS[1], epochOf(ALL, ledger.height + 1) + 1))
  })

  test('does not exist where plants are off', () => {
    const ledger = audited(auditParams('audits.plantPpm=0'))
    rejected('PLANT_OFF', () => ledger.preview([ledger.tx(MINERS[0], commit(MINERS[0], 1))]))
  })

  test('draws by the unit id, which its miner cannot know before the assignment, in the share of the parameter', () => {
    const params = auditParams('audits.plantPpm=100000')
    const drawn = Array.from({ length: 4000 }, (_, i) => drawsPlant(params, filled(7), taggedHash('unitId', u32le(i))))
    const share = drawn.filter(Boolean).length / drawn.length
    expect(Math.abs(share - 0.1)).toBeLessThan(4 * Math.sqrt((0.1 * 0.9) / 4000))
  })
})

describe('a plant that is found and revealed', () => {
  test('costs nobody anything: no bar, the deposit returns, the client has its money back when the payment would mature', () => {
    const { ledger, epoch, jobId, kept, miner, plants, windows, unit } = plant()
    const accuser = ledger.balance(ACCUSER)
    const { summary } = ledger.prove(fraudProof(jobId, kept.open(FORGED)))
    expect(summary.audits).toMatchObject({ condemned: [], suspected: [{ jobId, finder: ACCUSER.publicKey }] })
    expect(ledger.balance(ACCUSER)).toBe(accuser - 2000n)
    expect(readRegistration(ledger, ROLE_MINER, miner.publicKey)!.bond).toBe(minerGrains)
    ledger.toHeight(windows.revealFrom - 1)
    const settled = readAuditedUnit(ledger, jobId)!
    expect(settled.paidGrains).toBeGreaterThan(0n)
    ledger.block([ledger.tx(miner, revealed(miner, epoch, plants))])
    expect(answeringRoot(ledger, jobId, settled)).toEqual(plants[0]!.traceRoot)
    ledger.toHeight(windows.revealEnd)
    expect(isBarred(ledger, miner.publicKey)).toBe(false)
    ledger.toHeight(settled.endHeight - 1)
    const before = { miner: ledger.balance(miner), client: ledger.balance(CLIENT) }
    ledger.block()
    expect(ledger.balance(miner)).toBe(before.miner)
    expect(ledger.balance(CLIENT)).toBe(before.client + settled.paidGrains)
    expect(settled.paidGrains + unit.burnedGrains).toBeLessThanOrEqual(unit.feeGrains)
    conserves(ledger)
    ledger.blocks(ALL.block.maturityBlocks)
    isEmpty(ledger)
  })

  test('its finders are paid like verdicts if their secrets chose it, and counted: found over planted', () => {
    const { ledger, epoch, jobId, kept, miner, plants, windows, unit } = plant()
    const proof = fraudProof(jobId, kept.open(FORGED))
    ledger.accuse(proof, VERIFIER)
    ledger.block([ledger.tx(VERIFIER, proof)])
    const verifierEpoch = epochOf(ALL, unit.receiptHeight)
    ledger.reveal(verifierEpoch, [VERIFIER, OTHER_VERIFIER])
    ledger.toHeight(windows.revealFrom - 1)
    ledger.block([ledger.tx(miner, revealed(miner, epoch, plants))])
    const { endHeight } = readAuditedUnit(ledger, jobId)!
    ledger.toHeight(endHeight - 1)
    const before = [VERIFIER, OTHER_VERIFIER].map((keys) => ledger.balance(keys))
    const { summary } = ledger.block()
    const pay = partOf(unit.burnedGrains, payPpm)
    expect(pay).toBeGreaterThan(0n)
    expect(pay).toBeLessThan(unit.burnedGrains)
    expect(summary.audits.verdictPay).toEqual([{ jobId, verifier: VERIFIER.publicKey, grains: pay }])
    expect([VERIFIER, OTHER_VERIFIER].map((keys) => ledger.balance(keys))).toEqual([before[0]! + pay, before[1]!])
    expect(readFoundCounts(ledger, VERIFIER.publicKey)).toEqual({ planted: 1, found: 1 })
    expect(readFoundCounts(ledger, OTHER_VERIFIER.publicKey)).toEqual({ planted: 1, found: 0 })
    conserves(ledger)
  })

  test('everybody who accused before the first proof could be read has found it, who copied has not', () => {
    const { ledger, jobId, kept } = plant()
    const own = fraudProof(jobId, kept.open(FORGED))
    const commitTo = (keys: Keys) => accuse(ledger, keys, own)
    const more = { ...own, salt: filled(9) }
    ledger.block([commitTo(ACCUSER), accuse(ledger, ACCUSER, more)])
    ledger.block([commitTo(VERIFIER)])
    ledger.block([ledger.tx(ACCUSER, own), commitTo(OTHER_VERIFIER)])
    ledger.block([ledger.tx(VERIFIER, own)])
    rejected('PLANT_FOUND', () => ledger.preview([ledger.tx(ACCUSER, more)]))
    ledger.forget()
    rejected('PLANT_FOUND', () => ledger.preview([ledger.tx(OTHER_VERIFIER, own)]))
    ledger.forget()
    ledger.block()
    rejected('PLANT_FOUND', () => ledger.preview([ledger.tx(OTHER_VERIFIER, own)]))
    expect(readSuspicion(ledger, jobId)!.finders).toEqual([ACCUSER.publicKey, VERIFIER.publicKey])
  })

  test('answers for its honest trace from then on', () => {
    const { ledger, epoch, jobId, kept, miner, plants, windows } = plant()
    ledger.toHeight(windows.revealFrom - 1)
    const lie = forged(kept.trace, OTHER_STEP)
    ledger.block([ledger.tx(miner, revealed(miner, epoch, [{ jobId, traceRoot: lie.traceRoot }]))])
    expect(plants[0]!.traceRoot).not.toEqual(lie.traceRoot)
    // What was wrong on purpose proves nothing any more, what is wrong in the trace that it stands by does.
    rejected('MERKLE_ROOT_MISMATCH', () => ledger.prove(fraudProof(jobId, kept.open(FORGED))))
    ledger.forget()
    const { summary } = ledger.prove(fraudProof(jobId, lie.open(OTHER_STEP)))
    expect(summary.audits.condemned).toMatchObject([{ jobId, reason: 'proof' }])
    expect(isBarred(ledger, miner.publicKey)).toBe(true)
    conserves(ledger)
  })

  test('a verifier whose steps were right keeps its verdict, whatever the honest trace has in their place (P5)', () => {
    const one = auditParams('audits.plantPpm=1000000', 'audits.steps=1')
    const { ledger, epoch, jobId, kept, miner, plants, windows, unit } = plant(forged, one)
    const verifierEpoch = epochOf(one, unit.receiptHeight)
    const secret = secretOf(VERIFIER, verifierEpoch)
    const [, , drawn] = auditedSteps(one, MODEL.config, secret, unit)
    const opening = kept.open(drawn!)
    const view = checkReceiptStep(MODEL, unit, auditedTask(ledger, jobId, unit), opening)
    const digests = verdictDigests(VERIFIER.publicKey, secret, unit, [view])
    ledger.block([ledger.tx(VERIFIER, verdictOn(ledger, jobId, digests))])
    ledger.reveal(verifierEpoch, [VERIFIER, OTHER_VERIFIER])
    ledger.toHeight(windows.revealFrom - 1)
    ledger.block([ledger.tx(miner, revealed(miner, epoch, plants))])
    const against = { kind: 'verdictProof', jobId, verifier: VERIFIER.publicKey, step: 2, salt: filled(3) } as const
    const { summary } = ledger.prove({ ...against, opening })
    expect(summary.audits).toMatchObject({ verifierFaults: [], falseAccusations: [{ sender: ACCUSER.publicKey }] })
    rejected('MERKLE_ROOT_MISMATCH', () => ledger.prove({ ...against, opening: honest(kept.trace).open(drawn!) }))
  })

  test('a right step shown against it is a false accusation', () => {
    const { ledger, jobId, kept } = plant()
    const { summary } = ledger.prove(fraudProof(jobId, kept.open(HONEST)))
    expect(summary.audits.falseAccusations).toHaveLength(1)
    expect(readSuspicion(ledger, jobId)).toBeUndefined()
  })

  test('a challenge of its wrong step goes unanswered without harm, and the bond returns', () => {
    const { ledger, epoch, jobId, miner, plants, windows } = plant()
    const bond = 1_000_000_000n
    const before = ledger.balance(CLIENT)
    ledger.block([ledger.tx(CLIENT, { kind: 'challenge', jobId, ref: FORGED, bond })])
    ledger.blocks(ALL.audits.responseBlocks)
    expect(ledger.balance(CLIENT)).toBeGreaterThan(before - bond)
    expect(readSuspicion(ledger, jobId)!.finders).toEqual([CLIENT.publicKey])
    ledger.toHeight(windows.revealFrom - 1)
    ledger.block([ledger.tx(miner, revealed(miner, epoch, plants))])
    ledger.toHeight(windows.revealEnd)
    expect(isBarred(ledger, miner.publicKey)).toBe(false)
    conserves(ledger)
  })

  test('a challenge that is open when it is revealed closes', () => {
    const { ledger, epoch, jobId, miner, plants, windows, unit } = plant(forged, LATE)
    const bond = 1_000_000_000n
    ledger.toHeight(windows.revealFrom - 2)
    ledger.block([ledger.tx(CLIENT, { kind: 'challenge', jobId, ref: FORGED, bond })])
    const before = ledger.balance(CLIENT)
    ledger.block([ledger.tx(miner, revealed(miner, epoch, plants))])
    expect(ledger.balance(CLIENT)).toBe(before + bond)
    ledger.blocks(2 * LATE.audits.responseBlocks)
    expect(isBarred(ledger, miner.publicKey)).toBe(false)
    expect(unit.receiptHeight).toBeLessThan(windows.revealFrom)
  })
})
describe('fraud stays fraud', () => {
  test('unrevealed: condemned with the last block of the reveals, and who showed it first has the bounty', () => {
    const { ledger, jobId, kept, miner, windows } = plant()
    ledger.prove(fraudProof(jobId, kept.open(FORGED)))
    ledger.toHeight(windows.revealEnd - 2)
    expect(isBarred(ledger, miner.publicKey)).toBe(false)
    const accuser = ledger.balance(ACCUSER)
    const { summary } = ledger.block()
    expect(summary.audits.condemned).toMatchObject([{ jobId, minerKey: miner.publicKey, reason: 'proof' }])
    expect(isBarred(ledger, miner.publicKey)).toBe(true)
    expect(ledger.balance(ACCUSER)).toBe(accuser + partOf(minerGrains, bountyPpm))
    conserves(ledger)
    ledger.blocks(2 * ALL.block.maturityBlocks)
    isEmpty(ledger)
  })

  test('revealed without being named as a plant: condemned', () => {
    const { ledger, epoch, jobId, kept, miner, windows } = plant()
    ledger.prove(fraudProof(jobId, kept.open(FORGED)))
    ledger.toHeight(windows.revealFrom - 1)
    ledger.block([ledger.tx(miner, revealed(miner, epoch, []))])
    ledger.toHeight(windows.revealEnd - 1)
    expect(isBarred(ledger, miner.publicKey)).toBe(true)
  })

  test('not drawn: cannot be named, and is condemned', () => {
    const few = auditParams('audits.plantPpm=1')
    const { ledger, epoch, jobId, kept, miner, plants, windows, unit } = plant(forged, few)
    expect(drawsPlant(few, plantSecret(miner, epoch), unit.unitId)).toBe(false)
    ledger.prove(fraudProof(jobId, kept.open(FORGED)))
    ledger.toHeight(windows.revealFrom - 1)
    rejected('PLANT_UNIT', () => ledger.preview([ledger.tx(miner, revealed(miner, epoch, plants))]))
    ledger.forget()
    ledger.block([ledger.tx(miner, revealed(miner, epoch, []))])
    ledger.toHeight(windows.revealEnd - 1)
    expect(isBarred(ledger, miner.publicKey)).toBe(true)
  })

  test('without a commitment, or shown only after the reveals: condemned at once', () => {
    const ledger = audited(ALL)
    const { jobId, kept, miner } = ledger.deliver(forged)
    ledger.prove(fraudProof(jobId, kept.open(FORGED)))
    expect(isBarred(ledger, miner.publicKey)).toBe(true)

    const late = plant()
    late.ledger.toHeight(late.windows.revealFrom - 1)
    late.ledger.block([late.ledger.tx(late.miner, revealed(late.miner, late.epoch, []))])
    late.ledger.prove(fraudProof(late.jobId, late.kept.open(FORGED)))
    expect(isBarred(late.ledger, late.miner.publicKey)).toBe(true)
  })

  test('a drawn unit is paid to nobody, planted or not, so cheating on those that are drawn earns nothing', () => {
    const { ledger, epoch, jobId, miner, windows } = plant(honest)
    ledger.toHeight(windows.revealFrom - 1)
    ledger.block([ledger.tx(miner, revealed(miner, epoch, []))])
    const { paidGrains, endHeight } = readAuditedUnit(ledger, jobId)!
    ledger.toHeight(endHeight - 1)
    const before = { miner: ledger.balance(miner), client: ledger.balance(CLIENT) }
    ledger.block()
    expect(ledger.balance(miner)).toBe(before.miner)
    expect(ledger.balance(CLIENT)).toBe(before.client + paidGrains)
  })

  test('a secret that is kept back costs a part of the bond', () => {
    const { ledger, epoch, miner, windows } = plant(honest)
    ledger.reveal(epoch, [VERIFIER, OTHER_VERIFIER])
    ledger.toHeight(windows.revealEnd - 2)
    const burned = readAmount(ledger, 'burned')
    const { summary } = ledger.block()
    const lost = partOf(minerGrains, missedRevealPpm)
    expect(lost).toBeGreaterThan(0n)
    expect(summary.audits.plantFaults).toContainEqual({ minerKey: miner.publicKey, burned: lost })
    expect(readRegistration(ledger, ROLE_MINER, miner.publicKey)!.bond).toBe(minerGrains - lost)
    expect(readAmount(ledger, 'burned')).toBe(burned + 2n * lost)
    rejected('PLANT_WINDOW', () => ledger.preview([ledger.tx(miner, revealed(miner, epoch, []))]))
    conserves(ledger)
  })
})

describe('a reveal', () => {
  test('is of the committed secret, in its window, of own units that it draws, each once, with another root', () => {
    const { ledger, epoch, jobId, miner, plants, windows, unit } = plant()
    const send = (body: Parameters<typeof ledger.tx>[1], keys: Keys = miner): void => {
      try {
        ledger.preview([ledger.tx(keys, body)])
      } finally {
        ledger.forget()
      }
    }
    const right = revealed(miner, epoch, plants)
    ledger.toHeight(windows.revealFrom - 2)
    rejected('PLANT_WINDOW', () => send(right))
    ledger.block()
    accepted(() => send(right))
    rejected('PLANT_SECRET', () => send({ ...right, secret: filled(2) }))
    rejected('PLANT_MINER', () => send(right, ACCUSER))
    rejected('PLANT_MINER', () => send({ ...right, epoch: epoch + 1 }))
    rejected('PLANT_UNIT', () => send({ ...right, plants: [...plants, ...plants] }))
    rejected('PLANT_UNIT', () => send({ ...right, plants: [{ jobId: filled(9), traceRoot: filled(1) }] }))
    rejected('PLANT_UNIT', () => send({ ...right, plants: [{ jobId, traceRoot: unit.traceRoot }] }))
    const other = MINERS.find((keys) => keys !== miner)!
    rejected('PLANT_UNIT', () => send(revealed(other, epoch, plants), other))
    ledger.block([ledger.tx(miner, right)])
    rejected('PLANT_MINER', () => send(right))
    expect(readPlanter(ledger, epoch, miner.publicKey)!.secret).toEqual(plantSecret(miner, epoch))
  })
})

describe('hostile planters', () => {
  test('cannot keep verifiers from finding by accusing their own plant before anybody can see it', () => {
    const { ledger, epoch } = planting()
    const jobId = ledger.post({ expiryHeight: ledger.height + 30 })
    ledger.block()
    const trace = executeUnit(MODEL, paidTask(ledger, jobId, ledger.job(jobId)))
    const kept = forged(trace)
    const proof = fraudProof(jobId, kept.open(FORGED))
    // Only the miner knows the root before its receipt: its accomplice waits out the delay beforehand.
    ledger.accuse(proof, ACCUSER)
    const tokens = [...trace.tokens.slice(trace.shape.promptTokens)]
    const miner = ledger.rank(jobId, 0)
    ledger.block([ledger.tx(miner, ledger.receiptBody(jobId, { traceRoot: kept.traceRoot, tokens }))])
    rejected('ACCUSATION_EARLY', () => ledger.preview([ledger.tx(ACCUSER, proof)]))
    ledger.forget()
    ledger.block([accuse(ledger, VERIFIER, proof)])
    ledger.block([ledger.tx(ACCUSER, proof)])
    ledger.block([ledger.tx(VERIFIER, proof)])
    expect(readSuspicion(ledger, jobId)!.finders).toEqual([ACCUSER.publicKey, VERIFIER.publicKey])
    expect(epochOf(ALL, readAuditedUnit(ledger, jobId)!.openedHeight)).toBe(epoch)
  })

  test('cannot fill the places of finders with keys that are no verifiers of the epoch, nor with the miner itself', () => {
    const { ledger, jobId, kept, miner } = plant()
    const proof = fraudProof(jobId, kept.open(FORGED))
    ledger.block([ACCUSER, CLIENT, miner, VERIFIER].map((keys) => accuse(ledger, keys, proof)))
    ledger.blocks(ALL.audits.accusationDelayBlocks - 1)
    ledger.block([ledger.tx(ACCUSER, proof)])
    for (const keys of [CLIENT, miner]) {
      rejected('PLANT_FOUND', () => ledger.preview([ledger.tx(keys, proof)]))
      ledger.forget()
    }
    ledger.block([ledger.tx(VERIFIER, proof)])
    expect(readSuspicion(ledger, jobId)!.finders).toEqual([ACCUSER.publicKey, VERIFIER.publicKey])
  })

  test('are not paid for an epoch whose secret they keep back: what it drew might be forged, and was not found', () => {
    const { ledger, jobId, miner, windows } = plant()
    ledger.toHeight(windows.revealEnd)
    const { paidGrains, endHeight } = readAuditedUnit(ledger, jobId)!
    expect(paidGrains).toBeGreaterThan(0n)
    ledger.toHeight(endHeight - 1)
    const before = { miner: ledger.balance(miner), client: ledger.balance(CLIENT) }
    ledger.block()
    expect(ledger.balance(miner)).toBe(before.miner)
    expect(ledger.balance(CLIENT)).toBe(before.client + paidGrains)
    expect(readUnitCounts(ledger, miner.publicKey)).toEqual({ atStake: 0, matured: 0 })
    conserves(ledger)
  })

  test('of several suspects that have settled: each client has its money back', () => {
    const { ledger } = planting()
    const posts = [0, 1, 2].map(() => ledger.tx(CLIENT, jobBody({ expiryHeight: ledger.height + 30 })))
    ledger.block(posts)
    ledger.block()
    const jobIds = posts.map((bytes) => transactionIdOfBytes(bytes))
    const ofMiner = (keys: Keys) =>
      jobIds.filter((jobId) => equalBytes(ledger.rank(jobId, 0).publicKey, keys.publicKey))
    const miner = MINERS.find((keys) => ofMiner(keys).length >= 2)!
    const own = ofMiner(miner)
    const suspects = own.map((jobId) => ({ jobId, miner, kept: ledger.deliverOnly(jobId, forged) }))
    const one = suspects[0]!
    const proofs = suspects.map(({ jobId, kept }) => fraudProof(jobId, kept.open(FORGED)))
    ledger.accuse(proofs)
    ledger.block(proofs.map((proof) => ledger.tx(ACCUSER, proof)))
    const { openedHeight } = readAuditedUnit(ledger, one.jobId)!
    const { revealEnd } = plantWindows(ALL, epochOf(ALL, openedHeight))
    ledger.toHeight(revealEnd - 2)
    const units = suspects.map(({ jobId }) => readAuditedUnit(ledger, jobId)!)
    for (const { paidGrains } of units) expect(paidGrains).toBeGreaterThan(0n)
    const client = ledger.balance(CLIENT)
    const { summary } = ledger.block()
    expect(isBarred(ledger, one.miner.publicKey)).toBe(true)
    const paid = units.map(({ paidGrains }) => paidGrains)
    expect(summary.audits.condemned.map(({ returned }) => returned)).toEqual(paid)
    expect(ledger.balance(CLIENT)).toBe(client + paid.reduce((sum, each) => sum + each, 0n))
    conserves(ledger)
  })

  test('cannot use up questions about the honest trace by asking them of the planted one', () => {
    const { ledger, epoch, jobId, miner, plants, windows } = plant(forged, LATE)
    const bond = 1_000_000_000n
    ledger.toHeight(windows.revealFrom - 2)
    ledger.block([ledger.tx(CLIENT, { kind: 'challenge', jobId, ref: FORGED, bond })])
    ledger.block([ledger.tx(miner, revealed(miner, epoch, plants))])
    ledger.block([ledger.tx(CLIENT, { kind: 'challenge', jobId, ref: FORGED, bond })])
    ledger.blocks(2 * LATE.audits.responseBlocks)
    expect(isBarred(ledger, miner.publicKey)).toBe(true)
    conserves(ledger)
  })

  test('who is miner and verifier in one key neither finds its own plants nor is counted as missing them', () => {
    const both = audited(ALL)
    for (const keys of MINERS) both.block([both.tx(keys, { kind: 'verifierRegister' })])
    both.toHeight((epochOf(ALL, both.height) + 1) * ALL.audits.epochBlocks)
    const epoch = epochOf(ALL, both.height) + 1
    both.block(MINERS.map((keys) => both.tx(keys, commit(keys, epoch))))
    both.enterEpoch([VERIFIER, ...MINERS])
    both.block()
    const { jobId, kept, miner } = both.deliver(forged)
    const { receiptHeight } = readAuditedUnit(both, jobId)!
    const proof = fraudProof(jobId, kept.open(FORGED))
    both.prove(proof, miner)
    both.reveal(epochOf(ALL, receiptHeight), [VERIFIER, ...MINERS])
    both.toHeight(plantWindows(ALL, epoch).revealFrom - 1)
    both.block([both.tx(miner, revealed(miner, epoch, [{ jobId, traceRoot: honest(kept.trace).traceRoot }]))])
    both.toHeight(readAuditedUnit(both, jobId)!.endHeight - 1)
    const { summary } = both.block()
    expect(summary.audits.verdictPay).toEqual([])
    expect(readFoundCounts(both, miner.publicKey)).toEqual({ planted: 0, found: 0 })
    expect(readFoundCounts(both, VERIFIER.publicKey)).toEqual({ planted: 1, found: 0 })
  })
})

test('the windows leave room for every receipt and verdict, and end before a payment matures', () => {
  const { from, revealFrom, revealEnd } = plantWindows(AUDIT_PARAMS, 3)
  expect(revealFrom).toBeGreaterThan(from + AUDIT_PARAMS.audits.epochBlocks + AUDIT_PARAMS.audits.verdictBlocks)
  expect(revealEnd - 1).toBeLessThan(from + 1 + AUDIT_PARAMS.block.maturityBlocks)
  rejected('PARAM_CONTRADICTION', () => audited(auditParams('audits.plantPpm=1', 'jobs.assignmentWindowBlocks=8')))
})
