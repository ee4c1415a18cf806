/**
 * AUD-5: a verdict carries, for each drawn step, a digest under its verifier's key and secret of the step's integer accumulators, which are
 * in no trace. Whoever has not run the step cannot make it, and once the secret is known one step shows it.
 */
import { describe, expect, test } from 'vitest'
import {
  type AuditedUnit,
  auditedSteps,
  auditedTask,
  checkReceiptStep,
  deliveryId,
  epochWindows,
  partOf,
  ROLE_VERIFIER,
  readAmount,
  readAuditedUnit,
  readRegistration,
  readVerdicts,
  stepAccumulators,
  stepDigest,
  type VerdictProof,
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
  type Kept,
  OTHER_VERIFIER,
  secretOf,
  verdictOn,
} from '../audit-fixture.ts'
import { MODEL } from '../ledger-fixture.ts'
import { CLIENT, minerKeys, VERIFIER } from '../market-fixture.ts'
import { accepted, filled, rejected } from './verbs.ts'

const { steps, payPpm, falseVerdictPpm, bountyPpm, accusationDepositGrains } = AUDIT_PARAMS.audits
const { verifierGrains } = AUDIT_PARAMS.bonds

const stepsOf = (keys: typeof VERIFIER, epoch: number, unit: AuditedUnit) =>
  auditedSteps(AUDIT_PARAMS, MODEL.config, secretOf(keys, epoch), unit)

/** What an honest verifier says: it checks every audited step. */
function digestsOf(
  ledger: AuditLedger,
  jobId: Uint8Array,
  kept: Kept,
  keys: typeof VERIFIER,
  epoch: number,
): Uint8Array[] {
  const unit = readAuditedUnit(ledger, jobId)!
  const views = stepsOf(keys, epoch, unit).map((ref) =>
    checkReceiptStep(MODEL, unit, auditedTask(ledger, jobId, unit), kept.open(ref)),
  )
  return verdictDigests(keys.publicKey, secretOf(keys, epoch), unit, views.slice(2))
}

/** A unit in an epoch with both verifiers. */
function setUp(keep?: (trace: Kept['trace']) => Kept): {
  ledger: AuditLedger
  epoch: number
  jobId: Uint8Array
  kept: Kept
  unit: AuditedUnit
} {
  const ledger = audited()
  const epoch = ledger.enterEpoch([VERIFIER, OTHER_VERIFIER])
  const { jobId, kept } = ledger.deliver(keep)
  return { ledger, epoch, jobId, kept, unit: readAuditedUnit(ledger, jobId)! }
}
const garbage = Array.from({ length: steps }, (_, i) => new Uint8Array(8).fill(i))

describe('who may say what when', () => {
  test('verifiers of the epoch of the receipt, once, with a digest for each draw, before reveals begin', () => {
    const { ledger, epoch, jobId, kept } = setUp()
    const send = (keys = VERIFIER, digests = garbage): void => {
      try {
        ledger.preview([ledger.tx(keys, verdictOn(ledger, jobId, digests))])
      } finally {
        ledger.forget()
      }
    }
    accepted(send)
    rejected('VERDICT_VERIFIER', () => send(CLIENT))
    rejected('VERDICT_SIZE', () => send(VERIFIER, garbage.slice(1)))
    // Another receipt of the same unit, and the same one in another block: on the other side of a fork.
    const onBranch = (change: Partial<AuditedUnit>) => () => {
      const delivery = deliveryId({ ...readAuditedUnit(ledger, jobId)!, ...change })
      ledger.forget()
      ledger.preview([ledger.tx(VERIFIER, { ...verdictOn(ledger, jobId, garbage), delivery })])
    }
    accepted(onBranch({}))
    rejected('VERDICT_DELIVERY', onBranch({ traceRoot: filled(7) }))
    rejected('VERDICT_DELIVERY', onBranch({ answerHash: filled(7) }))
    rejected('VERDICT_DELIVERY', onBranch({ unitId: filled(7) }))
    rejected('VERDICT_DELIVERY', onBranch({ receiptHeight: ledger.height + 1 }))
    ledger.forget()
    rejected('AUDIT_UNIT', () => ledger.preview([ledger.tx(VERIFIER, verdictOn(ledger, filled(1), garbage))]))
    ledger.forget()
    ledger.block([ledger.tx(VERIFIER, verdictOn(ledger, jobId, digestsOf(ledger, jobId, kept, VERIFIER, epoch)))])
    rejected('VERDICT_DOUBLE', send)
    const { revealFrom } = epochWindows(AUDIT_PARAMS, epoch)
    ledger.toHeight(revealFrom - 2)
    accepted(() => send(OTHER_VERIFIER))
    ledger.block()
    rejected('EPOCH_WINDOW', () => send(OTHER_VERIFIER))
  })

  test('no key judges its own unit', () => {
    const ledger = audited()
    for (const keys of [minerKeys(0), minerKeys(1)]) ledger.block([ledger.tx(keys, { kind: 'verifierRegister' })])
    ledger.enterEpoch([minerKeys(0), minerKeys(1)])
    const { jobId, miner } = ledger.deliver()
    rejected('VERDICT_VERIFIER', () => ledger.preview([ledger.tx(miner, verdictOn(ledger, jobId, garbage))]))
  })
})

describe('pay', () => {
  test('standing verdicts share a part of what the unit burned when its payment matures, exact to the grain', () => {
    const { ledger, epoch, jobId, kept, unit } = setUp()
    const both = [VERIFIER, OTHER_VERIFIER]
    ledger.block(
      both.map((keys) => ledger.tx(keys, verdictOn(ledger, jobId, digestsOf(ledger, jobId, kept, keys, epoch)))),
    )
    ledger.reveal(epoch, both)
    ledger.toHeight(unit.receiptHeight + AUDIT_PARAMS.block.maturityBlocks - 1)
    const before = { pool: readAmount(ledger, 'verifierPool'), balances: both.map((keys) => ledger.balance(keys)) }
    const { summary } = ledger.block()
    const due = partOf(unit.burnedGrains, payPpm)
    const each = due / 2n
    expect(each).toBeGreaterThan(0n)
    expect(before.pool).toBeGreaterThan(due)
    expect(both.map((keys) => ledger.balance(keys))).toEqual(before.balances.map((balance) => balance + each))
    expect(readAmount(ledger, 'verifierPool')).toBe(before.pool - 2n * each + summary.verifierShare)
    expect(summary.audits.verdictPay).toEqual(
      both.map(({ publicKey }) => ({ jobId, verifier: publicKey, grains: each })),
    )
    expect(ledger.audit().held).toBe(ledger.audit().created)
    expect(readVerdicts(ledger, jobId)).toEqual([])
  })

  test('never more than the unit burned, so own jobs under own audits lose whatever they cost', () => {
    const { unit } = setUp()
    expect(partOf(unit.burnedGrains, payPpm)).toBeLessThan(unit.burnedGrains)
    expect(unit.burnedGrains).toBeLessThanOrEqual(partOf(unit.feeGrains, AUDIT_PARAMS.fees.burnPpm))
  })

  test('nothing without the secret, for a unit that it had not chosen, or for a condemned one', () => {
    const { ledger, epoch, jobId } = setUp()
    ledger.block([ledger.tx(VERIFIER, verdictOn(ledger, jobId, garbage))])
    ledger.reveal(epoch, [OTHER_VERIFIER])
    expect(payOf(ledger)).toEqual([])

    const rare = audited(auditParams('audits.newKeyUnits=0', 'audits.rateUnits=0', 'audits.rateFloorPpm=1'))
    const at = rare.enterEpoch()
    const other = rare.deliver()
    rare.block([rare.tx(VERIFIER, verdictOn(rare, other.jobId, garbage))])
    rare.reveal(at)
    expect(payOf(rare)).toEqual([])

    const wrong = setUp(forged)
    wrong.ledger.block([wrong.ledger.tx(VERIFIER, verdictOn(wrong.ledger, wrong.jobId, garbage))])
    wrong.ledger.prove(fraudProof(wrong.jobId, wrong.kept.open(FORGED)))
    wrong.ledger.reveal(wrong.epoch)
    expect(payOf(wrong.ledger)).toEqual([])
  })

  test('as far as the pool reaches', () => {
    const ledger = audited(auditParams('emission.verifierSharePpm=0', 'fees.verifierPpm=0'))
    const epoch = ledger.enterEpoch()
    const { jobId, kept } = ledger.deliver()
    ledger.block([ledger.tx(VERIFIER, verdictOn(ledger, jobId, digestsOf(ledger, jobId, kept, VERIFIER, epoch)))])
    ledger.reveal(epoch)
    expect(payOf(ledger)).toEqual([])
    expect(ledger.audit().held).toBe(ledger.audit().created)
  })

  const payOf = (ledger: AuditLedger): unknown[] =>
    Array.from({ length: AUDIT_PARAMS.block.maturityBlocks }, () => ledger.block().summary.audits.verdictPay).flat()
})

describe('a false verdict', () => {
  const dispute = (jobId: Uint8Array, step: number, kept: Kept, unit: AuditedUnit, epoch: number): VerdictProof => ({
    kind: 'verdictProof',
    jobId,
    verifier: VERIFIER.publicKey,
    step,
    salt: filled(0x5a),
    opening: kept.open(stepsOf(VERIFIER, epoch, unit)[step]!),
  })

  test.each(['made up', 'copied'])(
    'that is %s: one step shows it, the verifier loses half of its bond and the epoch',
    (how) => {
      const { ledger, epoch, jobId, kept, unit } = setUp()
      const digests = how === 'copied' ? digestsOf(ledger, jobId, kept, OTHER_VERIFIER, epoch) : garbage
      ledger.block([ledger.tx(VERIFIER, verdictOn(ledger, jobId, digests))])
      const proof = dispute(jobId, 2, kept, unit, epoch)
      rejected('VERDICT_UNKNOWN', () => ledger.preview([ledger.tx(ACCUSER, proof)]), 'not revealed')
      ledger.forget()
      ledger.reveal(epoch)
      ledger.accuse(proof)
      const before = { accuser: ledger.balance(ACCUSER), burned: readAmount(ledger, 'burned') }
      const { summary } = ledger.block([ledger.tx(ACCUSER, proof)])
      const taken = partOf(verifierGrains, falseVerdictPpm)
      const bounty = partOf(taken, bountyPpm)
      expect(ledger.balance(ACCUSER)).toBe(before.accuser + accusationDepositGrains + bounty - 1000n)
      expect(readAmount(ledger, 'burned')).toBe(before.burned + taken - bounty + settledBurn(summary))
      expect(readRegistration(ledger, ROLE_VERIFIER, VERIFIER.publicKey)?.bond).toBe(verifierGrains - taken)
      expect(summary.audits.verifierFaults).toEqual([
        { verifier: VERIFIER.publicKey, reason: 'false verdict', bounty, burned: taken - bounty },
      ])
      for (let i = 0; i < AUDIT_PARAMS.block.maturityBlocks; i++)
        expect(ledger.block().summary.audits.verdictPay).toEqual([])
    },
  )

  test('"right" about a unit whose drawn step is wrong, though the digests are those of the step', () => {
    // The forger changes the output of the step that the verifier draws first.
    const ledger = audited()
    const epoch = ledger.enterEpoch()
    const jobId = ledger.post({ expiryHeight: ledger.height + 30 })
    ledger.block()
    let step = FORGED
    for (let i = 0; i < 3; i++) {
      const fork = ledger.deliverOnly(jobId, (trace) => forged(trace, step))
      const unit = readAuditedUnit(ledger, jobId)!
      const first = stepsOf(VERIFIER, epoch, unit)[2]!
      if (String(Object.values(first)) !== String(Object.values(step))) {
        step = first
        ledger.revert()
        continue
      }
      ledger.block([ledger.tx(VERIFIER, verdictOn(ledger, jobId, garbage))])
      ledger.reveal(epoch)
      const { summary } = ledger.prove(dispute(jobId, 2, fork, unit, epoch))
      expect(summary.audits.verifierFaults).toHaveLength(1)
      return
    }
    expect.unreachable('the steps depend on the unit id, not on the trace')
  })

  test('accused though it is right, costs the accuser its deposit (P5)', () => {
    const { ledger, epoch, jobId, kept, unit } = setUp()
    ledger.block([ledger.tx(VERIFIER, verdictOn(ledger, jobId, digestsOf(ledger, jobId, kept, VERIFIER, epoch)))])
    ledger.reveal(epoch, [VERIFIER, OTHER_VERIFIER])
    const proofs = Array.from({ length: 4 }, (_, i) => dispute(jobId, i, kept, unit, epoch))
    const before = ledger.balance(ACCUSER)
    for (const proof of proofs.slice(0, 2)) {
      const { summary } = ledger.prove(proof)
      expect(summary.audits.falseAccusations).toEqual([{ jobId, sender: ACCUSER.publicKey }])
      expect(summary.audits.verifierFaults).toEqual([])
    }
    expect(ledger.balance(ACCUSER)).toBe(before - 2n * accusationDepositGrains - 4n * 1000n)
    for (let step = 0; step < steps + 2; step++) {
      const ref = stepsOf(VERIFIER, epoch, unit)[step]!
      const view = checkReceiptStep(MODEL, unit, auditedTask(ledger, jobId, unit), kept.open(ref))
      if (step >= 2)
        expect(
          stepDigest(VERIFIER.publicKey, secretOf(VERIFIER, epoch), unit.unitId, step - 2, stepAccumulators(view)),
        ).toEqual(readVerdicts(ledger, jobId)[0]!.digests[step - 2])
    }
  })

  test('is about a step of that audit, and of a verdict that exists', () => {
    const { ledger, epoch, jobId, kept, unit } = setUp()
    ledger.block([ledger.tx(VERIFIER, verdictOn(ledger, jobId, garbage))])
    ledger.reveal(epoch)
    const good = dispute(jobId, 2, kept, unit, epoch)
    const bad: [Parameters<typeof rejected>[0], VerdictProof][] = [
      ['VERDICT_STEP', { ...good, step: steps + 2 }],
      ['VERDICT_STEP', { ...good, opening: kept.open({ kind: 'shape', layer: 0, group: 0, position: 0 }) }],
      ['VERDICT_UNKNOWN', { ...good, verifier: OTHER_VERIFIER.publicKey }],
      ['VERDICT_UNKNOWN', { ...good, jobId: filled(1) }],
      ['ACCUSATION_UNCOMMITTED', good],
      ['STEP_OPENING', { ...good, opening: { ...good.opening, subtrees: [] } }],
    ]
    for (const [code, proof] of bad) {
      if (code !== 'ACCUSATION_UNCOMMITTED') ledger.accuse(proof)
      rejected(code, () => ledger.preview([ledger.tx(ACCUSER, proof)]))
      ledger.forget()
    }
  })
})

const settledBurn = ({ settled }: { settled: readonly { burned: bigint }[] }): bigint =>
  settled.reduce((sum, { burned }) => sum + burned, 0n)
