/**
 * AUD-1: which units a verifier audits, and which steps of them, follows from a secret that it commits to before the epoch and reveals
 * after it. Nobody can foresee it, and everybody can check it afterwards.
 *
 *   epoch e - 1      epoch e           verdicts       reveals
 *   commitment   |   receipts      |   of the end  |  secret     |  kept back: costs a part of the bond
 *
 * How steps are drawn from a seed: packages/protocol/test/steps.test.ts.
 */
import { describe, expect, test } from 'vitest'
import {
  auditedSteps,
  epochOf,
  epochWindows,
  isAudited,
  partOf,
  ROLE_VERIFIER,
  readAmount,
  readAuditedUnit,
  readAuditor,
  readAuditors,
  readRegistration,
  reviewVerifier,
  secretCommitment,
  stepCount,
  taggedHash,
  u32le,
  verifierRatePpm,
} from '../../src/index.ts'
import { AUDIT_PARAMS, audited, auditParams, OTHER_VERIFIER, secretOf, verdictOn } from '../audit-fixture.ts'
import { MODEL } from '../ledger-fixture.ts'
import { CLIENT, VERIFIER } from '../market-fixture.ts'
import { accepted, filled, rejected } from './verbs.ts'

const { epochBlocks, verdictBlocks, revealBlocks, missedRevealPpm } = AUDIT_PARAMS.audits
const { verifierGrains } = AUDIT_PARAMS.bonds
const commit = (epoch: number, commitment = filled(1)) => ({ kind: 'verifierCommit', epoch, commitment }) as const
const reveal = (epoch: number, secret: Uint8Array) => ({ kind: 'verifierReveal', epoch, secret }) as const

test('the windows of an epoch follow one another', () => {
  const w = epochWindows(AUDIT_PARAMS, 3)
  expect(w.commitFrom).toBe(2 * epochBlocks)
  expect(w.from).toBe(3 * epochBlocks)
  expect(w.revealFrom).toBe(4 * epochBlocks + verdictBlocks)
  expect(w.revealEnd).toBe(w.revealFrom + revealBlocks)
  expect(w.end).toBe(4 * epochBlocks + AUDIT_PARAMS.block.maturityBlocks)
  expect([epochOf(AUDIT_PARAMS, w.from - 1), epochOf(AUDIT_PARAMS, w.from)]).toEqual([2, 3])
})

describe('commitment', () => {
  const long = auditParams('audits.epochBlocks=12', 'bonds.unbondingBlocks=48', 'audits.maxVerifiers=1')

  test('in the epoch before, once, by active verifiers', () => {
    const ledger = audited(long)
    const next = epochOf(long, ledger.height + 1) + 1
    const send = (epoch: number, keys = VERIFIER): void => {
      try {
        ledger.preview([ledger.tx(keys, commit(epoch))])
      } finally {
        ledger.forget()
      }
    }
    accepted(() => send(next))
    for (const epoch of [next - 1, next + 1, 0, 2 ** 32 - 1]) rejected('EPOCH_WINDOW', () => send(epoch))
    rejected('EPOCH_VERIFIER', () => send(next, CLIENT))
    ledger.block([ledger.tx(VERIFIER, commit(next))])
    rejected('EPOCH_VERIFIER', () => send(next))
    ledger.block([ledger.tx(OTHER_VERIFIER, { kind: 'unbond', role: ROLE_VERIFIER })])
    rejected('EPOCH_VERIFIER', () => send(next, OTHER_VERIFIER))
  })

  test('the last block of the epoch before still takes it, the first of the epoch does not', () => {
    for (const late of [0, 1]) {
      const ledger = audited()
      const epoch = epochOf(AUDIT_PARAMS, ledger.height) + 2
      ledger.toHeight(epochWindows(AUDIT_PARAMS, epoch).from - 2 + late)
      const run = (): unknown => ledger.block([ledger.tx(VERIFIER, commit(epoch))])
      if (late === 0) accepted(run)
      else rejected('EPOCH_WINDOW', run)
    }
  })

  test('an epoch has room for audits.maxVerifiers', () => {
    const ledger = audited(long)
    const epoch = epochOf(long, ledger.height + 1) + 1
    ledger.block([ledger.tx(VERIFIER, commit(epoch))])
    rejected('EPOCH_FULL', () => ledger.block([ledger.tx(OTHER_VERIFIER, commit(epoch))]))
  })

  test('binds verifier, epoch and secret', () => {
    const of = (key: number, epoch: number, secret: number): Uint8Array =>
      secretCommitment(filled(key), epoch, filled(secret))
    const all = [of(1, 1, 1), of(2, 1, 1), of(1, 2, 1), of(1, 1, 2)]
    expect(new Set(all.map(String)).size).toBe(4)
  })
})

describe('reveal', () => {
  test('only of what was committed to, only in its window, only once', () => {
    const ledger = audited()
    const epoch = ledger.enterEpoch()
    const secret = secretOf(VERIFIER, epoch)
    const { revealFrom, revealEnd } = epochWindows(AUDIT_PARAMS, epoch)
    const send = (value = secret, keys = VERIFIER): void => {
      try {
        ledger.preview([ledger.tx(keys, reveal(epoch, value))])
      } finally {
        ledger.forget()
      }
    }
    ledger.toHeight(revealFrom - 2)
    rejected('EPOCH_WINDOW', send)
    ledger.block()
    accepted(send)
    rejected('EPOCH_SECRET', () => send(filled(1)))
    rejected('EPOCH_VERIFIER', () => send(secret, OTHER_VERIFIER))
    ledger.toHeight(revealEnd - 2)
    ledger.block([ledger.tx(VERIFIER, reveal(epoch, secret))])
    rejected('EPOCH_VERIFIER', send)
    expect(readAuditor(ledger, epoch, VERIFIER.publicKey)?.secret).toEqual(secret)
  })

  test('a secret kept back costs a part of the bond and the place in the epoch', () => {
    const ledger = audited()
    const epoch = ledger.enterEpoch([VERIFIER, OTHER_VERIFIER])
    ledger.reveal(epoch, [OTHER_VERIFIER])
    ledger.toHeight(epochWindows(AUDIT_PARAMS, epoch).revealEnd - 1)
    const burned = readAmount(ledger, 'burned')
    const { summary } = ledger.block()
    const lost = partOf(verifierGrains, missedRevealPpm)
    expect(lost).toBeGreaterThan(0n)
    expect(summary.audits.verifierFaults).toEqual([
      { verifier: VERIFIER.publicKey, reason: 'secret kept back', bounty: 0n, burned: lost },
    ])
    expect(readAmount(ledger, 'burned')).toBe(burned + lost)
    expect(readRegistration(ledger, ROLE_VERIFIER, VERIFIER.publicKey)?.bond).toBe(verifierGrains - lost)
    expect(readRegistration(ledger, ROLE_VERIFIER, OTHER_VERIFIER.publicKey)?.bond).toBe(verifierGrains)
    expect(readAuditor(ledger, epoch, VERIFIER.publicKey)).toBeUndefined()
    rejected('EPOCH_VERIFIER', () => ledger.block([ledger.tx(VERIFIER, reveal(epoch, secretOf(VERIFIER, epoch)))]))
    ledger.forget()
    // Nothing of the epoch stays.
    ledger.toHeight(epochWindows(AUDIT_PARAMS, epoch).end)
    expect(readAuditors(ledger, epoch)).toEqual([])
    expect([...ledger.entries.keys()].filter((key) => key.startsWith('auditor'))).toEqual([])
  })

  test('a verifier that has lost half of its bond commits to nothing more', () => {
    const ledger = audited(auditParams('audits.missedRevealPpm=500001'))
    const epoch = ledger.enterEpoch()
    ledger.toHeight(epochWindows(AUDIT_PARAMS, epoch).revealEnd)
    rejected('EPOCH_VERIFIER', () => ledger.enterEpoch(), 'at least half of their bond')
  })
})

describe('selection', () => {
  const secrets = Array.from({ length: 40 }, (_, i) => taggedHash('answer', u32le(i)))
  const units = Array.from({ length: 500 }, (_, i) => taggedHash('unitId', u32le(i)))

  test('hits its rate, whatever the rate (chi-square over 20,000 draws, 1 degree of freedom, p > 0.001)', () => {
    for (const ratePpm of [20_000, 100_000, 333_333, 900_000]) {
      const draws = secrets.length * units.length
      const hits = secrets.flatMap((secret) => units.filter((unit) => isAudited(secret, unit, ratePpm))).length
      const expected = (draws * ratePpm) / 1e6
      const chi = (hits - expected) ** 2 / expected + (hits - expected) ** 2 / (draws - expected)
      expect(chi, `${ratePpm} ppm: ${hits} of ${draws}`).toBeLessThan(10.83)
    }
  })

  test('favours no unit and no secret (chi-square, p > 0.001)', () => {
    const ratePpm = 250_000
    const chosen = secrets.map((secret) => units.map((unit) => isAudited(secret, unit, ratePpm)))
    const chiOf = (counts: number[], n: number): number =>
      counts.reduce((sum, count) => sum + (count - n / 4) ** 2 / (n * 0.25 * 0.75), 0)
    // 99.9 % quantiles of chi-square with 40 and 500 degrees of freedom.
    expect(
      chiOf(
        chosen.map((row) => row.filter(Boolean).length),
        units.length,
      ),
    ).toBeLessThan(73.4)
    const byUnit = units.map((_, u) => chosen.filter((row) => row[u]).length)
    expect(chiOf(byUnit, secrets.length)).toBeLessThan(603.4)
  })

  test('nothing at rate 0, everything at rate 1; a higher rate only adds', () => {
    const [secret] = secrets
    const at = (ratePpm: number): Set<number> =>
      new Set(units.flatMap((unit, i) => (isAudited(secret!, unit, ratePpm) ? [i] : [])))
    expect(at(0).size).toBe(0)
    expect(at(1_000_000).size).toBe(units.length)
    expect([...at(400_000)].filter((unit) => !at(500_000).has(unit))).toEqual([])
  })

  test('the steps are shape, input, and draws of the secret for this very unit', () => {
    const ledger = audited()
    const { jobId } = ledger.deliver()
    const unit = readAuditedUnit(ledger, jobId)!
    const steps = (secret: Uint8Array, change = {}) =>
      auditedSteps(AUDIT_PARAMS, MODEL.config, secret, { ...unit, ...change })
    const own = steps(filled(1))
    expect(own).toHaveLength(2 + AUDIT_PARAMS.audits.steps)
    expect(own.slice(0, 2).map(({ kind }) => kind)).toEqual(['shape', 'input'])
    expect(steps(filled(1))).toEqual(own)
    expect(steps(filled(2))).not.toEqual(own)
    expect(steps(filled(1), { unitId: filled(3) })).not.toEqual(own)
    expect(stepCount({ promptTokens: 16, newTokens: 4, dims: MODEL.config })).toBeGreaterThan(200)
  })
})

test('after the reveal anybody sees what a verifier chose, and what it left out or was not asked for', () => {
  // Four at stake and no new key's bonus: the second unit on is drawn, not certain.
  const ledger = audited(
    auditParams(
      'audits.newKeyUnits=0',
      'audits.rateUnits=0',
      'audits.rateFloorPpm=400000',
      'audits.epochBlocks=12',
      'bonds.unbondingBlocks=48',
    ),
  )
  const epoch = ledger.enterEpoch([VERIFIER, OTHER_VERIFIER])
  const jobIds = Array.from({ length: 4 }, () => ledger.deliver().jobId)
  const secret = secretOf(VERIFIER, epoch)
  const each = verifierRatePpm(400_000, 2)
  const isChosen = (jobId: Uint8Array): boolean => isAudited(secret, readAuditedUnit(ledger, jobId)!.unitId, each)
  const inEpoch = jobIds.filter((id) => epochOf(ledger.params, readAuditedUnit(ledger, id)!.receiptHeight) === epoch)
  expect(inEpoch.length).toBeGreaterThan(2)
  const digests = Array.from({ length: ledger.params.audits.steps }, () => new Uint8Array(8))
  ledger.block(inEpoch.slice(1).map((jobId) => ledger.tx(VERIFIER, verdictOn(ledger, jobId, digests))))
  const review = () => reviewVerifier(ledger.params, ledger, epoch, VERIFIER.publicKey, jobIds)
  expect(review()).toBeUndefined()
  ledger.reveal(epoch)
  const judged = inEpoch.slice(1)
  expect(review()).toEqual({
    audited: judged.filter(isChosen),
    missing: inEpoch.slice(0, 1).filter(isChosen),
    unasked: judged.filter((jobId) => !isChosen(jobId)),
  })
})
