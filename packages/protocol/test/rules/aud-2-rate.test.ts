/**
 * AUD-2: the more units a miner has at stake, the smaller the part that is audited; a new key, or one without its full bond, is audited
 * always.
 *
 *   rate = clamp(rateUnits / units at stake, rateFloorPpm, 1)     p: (1 - p)^verifiers = 1 - rate
 */
import { expect, test } from 'vitest'
import {
  auditRatePpm,
  overrideParams,
  ROLE_MINER,
  readAuditedUnit,
  readUnitCounts,
  StateDraft,
  verifierRatePpm,
  writeRegistration,
  writeUnitCounts,
} from '../../src/index.ts'
import { AUDIT_PARAMS, audited, auditParams } from '../audit-fixture.ts'
import { minerKeys } from '../market-fixture.ts'
import { filled } from './verbs.ts'

const KEY = filled(9)
const { minerGrains } = AUDIT_PARAMS.bonds
const rate = (
  counts: { atStake: number; matured: number },
  bond: bigint | undefined = minerGrains,
  unbondingHeight = 0,
): number => {
  const draft = new StateDraft({ get: () => undefined })
  if (bond >= 0n) writeRegistration(draft, ROLE_MINER, KEY, { bond, registeredHeight: 1, unbondingHeight })
  writeUnitCounts(draft, KEY, counts)
  return auditRatePpm(AUDIT_PARAMS, draft, KEY)
}

test('eight over the units at stake, this one included, between the floor and certainty', () => {
  const at = (others: number): number => rate({ atStake: others, matured: 1000 })
  expect([0, 7].map(at)).toEqual([1_000_000, 1_000_000])
  expect([8, 15, 79].map(at)).toEqual([888_888, 500_000, 100_000])
  expect([399, 400, 100_000].map(at)).toEqual([20_000, 20_000, 20_000])
})

test('always for a new key, a reduced bond, one on its way back, or none', () => {
  const many = { atStake: 399, matured: 8 }
  expect(rate(many)).toBe(20_000)
  expect(rate({ ...many, matured: 7 })).toBe(1_000_000)
  expect(rate(many, minerGrains - 1n)).toBe(1_000_000)
  expect(rate(many, minerGrains, 50)).toBe(1_000_000)
  expect(rate(many, -1n)).toBe(1_000_000)
})

test('rate and floor 0 audit new keys only', () => {
  const params = overrideParams(AUDIT_PARAMS, ['audits.rateUnits=0', 'audits.rateFloorPpm=0'])
  const draft = new StateDraft({ get: () => undefined })
  writeRegistration(draft, ROLE_MINER, KEY, { bond: minerGrains, registeredHeight: 1, unbondingHeight: 0 })
  expect(auditRatePpm(params, draft, KEY)).toBe(1_000_000)
  writeUnitCounts(draft, KEY, { atStake: 0, matured: 8 })
  expect(auditRatePpm(params, draft, KEY)).toBe(0)
})

test('split over verifiers, the chance that somebody looks is the rate: never less, at most n ppm more', () => {
  for (const verifiers of [1, 2, 3, 10, 64, 256])
    for (const ratePpm of [0, 1, 20_000, 500_000, 999_999, 1_000_000]) {
      const each = verifierRatePpm(ratePpm, verifiers) / 1e6
      const somebody = 1 - (1 - each) ** verifiers
      expect(somebody).toBeGreaterThanOrEqual(ratePpm / 1e6 - 1e-12)
      if (ratePpm < 1_000_000) expect(somebody).toBeLessThan(ratePpm / 1e6 + verifiers * 1e-6 + 1e-12)
    }
  expect(verifierRatePpm(123_456, 1)).toBe(123_456)
  expect(verifierRatePpm(1_000_000, 64)).toBe(1_000_000)
  expect(verifierRatePpm(500_000, 0)).toBe(0)
})

test('a receipt fixes its rate, and counts until its payment matures', () => {
  const ledger = audited(auditParams('audits.newKeyUnits=0', 'audits.rateUnits=1', 'jobs.maxLifetimeBlocks=60'))
  const both = [minerKeys(0), minerKeys(1)].map(({ publicKey }) => publicKey)
  const counts = () => both.map((key) => readUnitCounts(ledger, key))
  const sum = (what: 'atStake' | 'matured'): number => counts().reduce((total, each) => total + each[what], 0)
  const jobIds = Array.from({ length: 3 }, () => ledger.deliver().jobId)
  const rates = jobIds.map((jobId) => readAuditedUnit(ledger, jobId)!.ratePpm)
  expect(rates[0]).toBe(1_000_000)
  expect(rates.at(-1)).toBeLessThan(1_000_000)
  expect(sum('atStake')).toBe(3)
  ledger.blocks(AUDIT_PARAMS.block.maturityBlocks)
  expect([sum('atStake'), sum('matured')]).toEqual([0, 3])
})
