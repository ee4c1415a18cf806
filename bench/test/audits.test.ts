/** What `npm run measure:audits` counts, on the small model (AUD-1, AUD-2, AUD-4, P5): no false alarms, cheaters, selection, statistics. */
import { createFastHash, createKernels, createUnitEngine } from '@nacre/engine'
import { executeUnit, overrideParams, presets, type UnitTask, unitModel } from '@nacre/protocol'
import { describe, expect, test } from 'vitest'
import { CHEATS, cheaters, KEPT_LAYERS, KEPT_TRACE } from '../src/audits/cheaters.ts'
import { campaign, detection, forgedUnit } from '../src/audits/detection.ts'
import { adaptiveRate, bestRun, collusion, type Forger, fixedRate, leastBond } from '../src/audits/deterrence.ts'
import { honestRuns } from '../src/audits/honest.ts'
import { measureAudits } from '../src/audits/measure.ts'
import { files } from '../src/audits/report.ts'
import { stepSelection, unitSelection } from '../src/audits/selection.ts'
import { binomialCounts, chiSquare, logGamma, pearson, quantileOf, wilson } from '../src/audits/statistics.ts'
import { delivered, wrongSteps } from '../src/audits/units.ts'
import { describeMachine } from '../src/machine.ts'

const hash = await createFastHash()
const model = unitModel()
const engine = createUnitEngine({ model, kernels: await createKernels(), hash })
const params = overrideParams(presets.unit, ['units.maxNewTokens=16'])
const task: UnitTask = {
  promptTokens: Array.from({ length: 16 }, (_, i) => (i * 37) % 256),
  maxNewTokens: 8,
  decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false },
}
const common = { model, hash, task, params }

test('audited steps of random honest jobs give no alarm', () => {
  const result = honestRuns({ model, engine, hash, params, steps: 1200 })
  expect(result.alarms).toBe(0)
  expect(result.drawn).toBeGreaterThanOrEqual(1200)
  // Embeddings are hardly ever drawn: `shape` checks them all.
  const unseen = Object.entries(result.byKind).filter(([, count]) => count === 0)
  expect(unseen.filter(([kind]) => kind !== 'embed')).toEqual([])
  expect(result.sampled).toBeGreaterThan(10)
  expect(result.stopped).toBeGreaterThan(0)
})

test('a forger is wrong in the steps that it forges and in no other, and found as theory says', () => {
  const unit = forgedUnit(common, 0.1)
  expect(unit.forged).toBeGreaterThan(10)
  expect(unit.wrong.wrong).toBe(unit.forged)
  const [units, audits] = [2, 300]
  // Five standard deviations.
  for (const { theory, found } of detection({ ...common, fractions: [0.02, 0.1], units, audits }))
    expect(Math.abs(found.value - theory)).toBeLessThan(5 * Math.sqrt((theory * (1 - theory)) / (units * audits)))
})

test('over units it is caught at the rates of the ledger', () => {
  const { points } = campaign(
    { ...common, fractions: [], audits: 0, verifiers: 3, atStake: 40, units: [2, 8, 30], miners: 200 },
    0.2,
  )
  for (const { theory, found } of points)
    expect(Math.abs(found.value - theory)).toBeLessThan(5 * Math.sqrt((theory * (1 - theory)) / 200) + 1e-9)
  expect(points[0]!.theory).toBeGreaterThan(0.1)
  expect(points.at(-1)!.theory).toBeLessThan(1)
})

test('miners that save work are caught within the 99 % quantile of theory, seeds 0 to 99', () => {
  const stages = [
    { name: 'new', matured: 0, atStake: 0 },
    { name: 'busy', matured: 100, atStake: 40 },
  ]
  const rows = cheaters({ ...common, stages, verifiers: 2, miners: 100 })
  expect(rows.map(({ name }) => name)).toEqual(CHEATS.map(({ name }) => name))
  for (const { audits, units } of rows)
    for (const { within, quantile, miners, observedMax } of [audits, ...units]) {
      expect(miners).toBe(100)
      expect(quantile).toBeGreaterThan(0)
      expect(observedMax).toBeGreaterThan(0)
      // 99 are expected at least; fewer than 94 happen in one of 14,000 rows. The seeds are fixed.
      expect(within.value).toBeGreaterThanOrEqual(94 / 100)
    }
  const chanceOf = (name: string): number => rows.find((row) => row.name === name)!.chance
  expect(chanceOf('garbles everything')).toBeGreaterThan(0.9999)
  expect(chanceOf(KEPT_TRACE)).toBe(1)
  expect(chanceOf(KEPT_LAYERS)).toBeGreaterThan(0.7)
})

test('an honest trace has no wrong step', () => {
  expect(wrongSteps(delivered(model, task, executeUnit(model, task), hash)).wrong).toBe(0)
})

test('selection prefers no unit, no secret and no step', () => {
  for (const ratePpm of [50_000, 500_000]) {
    const { selected, secrets, units, ...tests } = unitSelection(ratePpm, 300, 100)
    expect(Math.abs(selected - (secrets * units * ratePpm) / 1e6)).toBeLessThan(5 * Math.sqrt(0.25 * secrets * units))
    for (const { p } of [tests.perUnit, tests.perSecret, tests.together]) expect(p).toBeGreaterThan(1e-4)
  }
  const both = stepSelection(model.config, 16, 8, 2500, 16)
  expect(both.map(({ weighing }) => weighing)).toEqual(['macs', 'reach'])
  for (const { perStep, perDraw } of both) {
    expect(perStep.degrees).toBeGreaterThan(50)
    for (const { p } of [perStep, perDraw]) expect(p).toBeGreaterThan(1e-4)
  }
})

describe('statistics', () => {
  test('chi-square by its tables', () => {
    // The 95 % points of Abramowitz and Stegun, table 26.8.
    for (const [degrees, point] of [
      [1, 3.84146],
      [2, 5.99146],
      [10, 18.307],
      [30, 43.773],
      [100, 124.342],
    ] as const)
      expect(chiSquare(point, degrees).p).toBeCloseTo(0.05, 4)
    expect(chiSquare(2808, 2808).p).toBeCloseTo(0.5, 1)
    expect(chiSquare(0, 5).p).toBe(1)
    expect(logGamma(10)).toBeCloseTo(Math.log(362_880), 10)
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 10)
  })

  test('a biased die is found, a fair one is not', () => {
    expect(pearson([100, 100, 100, 100, 100, 100], [100, 100, 100, 100, 100, 100]).p).toBe(1)
    expect(pearson([160, 88, 88, 88, 88, 88], [100, 100, 100, 100, 100, 100]).p).toBeLessThan(1e-6)
    expect(binomialCounts([50, 50, 50], 100, 0.5).p).toBe(1)
    expect(binomialCounts([90, 50, 50], 100, 0.5).p).toBeLessThan(1e-6)
  })

  test('intervals and quantiles', () => {
    const half = wilson(50, 100)
    expect([half.low, half.high]).toEqual([expect.closeTo(0.4038, 4), expect.closeTo(0.5962, 4)])
    expect(wilson(0, 100).high).toBeCloseTo(0.037, 3)
    // Geometric: 1 - 0.5^k >= 0.99 from k = 7 on.
    expect(quantileOf((k) => 0.5 ** k, 0.99)).toBe(7)
  })
})

describe('deterrence', () => {
  const forger = (change: Partial<Forger>): Forger => ({
    ...{ policy: fixedRate(0.01), verifiers: 1, chance: 1, saved: 0.8, atStake: 0, most: 500, ...change },
  })

  test('a fixed rate of 1 % pays a hit-and-run miner, the adaptive one does not', () => {
    const { units, gain } = bestRun(forger({}), 10)
    expect(units).toBeGreaterThan(10)
    expect(gain).toBeGreaterThan(5)
    // By hand: k C - (1 - 0.99^k) (k + S).
    expect(gain).toBeCloseTo(units * 0.8 - (1 - 0.99 ** units) * (units + 10), 9)
    for (const atStake of [0, 400])
      expect(bestRun(forger({ policy: adaptiveRate(params, atStake), atStake }), 0)).toEqual({ units: 0, gain: 0 })
  })

  test('the least bond is where the gain ends', () => {
    const each = forger({ chance: 0.5 })
    const bond = leastBond(each)
    expect(bond).toBeGreaterThan(50)
    expect(bestRun(each, bond + 0.01).units).toBe(0)
    expect(bestRun(each, bond - 0.5).units).toBeGreaterThan(0)
    expect(leastBond(forger({ chance: 0 }))).toBe(Number.POSITIVE_INFINITY)
  })

  test('verifiers that collude take away their part, and all of it only together', () => {
    for (const colluding of [0, 3, 4]) {
      const { theory, counted } = collusion(0.2, 4, colluding, 1500)
      expect(Math.abs(counted.value - theory)).toBeLessThan(5 * Math.sqrt((theory * (1 - theory)) / 1500) + 1e-9)
    }
    expect(collusion(1, 4, 3, 20).counted.value).toBe(1)
    expect(collusion(1, 4, 4, 20).counted.value).toBe(0)
    expect(collusion(0.2, 4, 0, 1).theory).toBeCloseTo(0.2, 5)
  })
})

test('the report says what was measured', () => {
  const measured = measureAudits({ ...common, engine, isQuick: true, print: () => undefined })
  const result = {
    ...({ format: 'nacre-audits/1', date: '2026-01-02T03:04:05.000Z', quick: true, seconds: 1.4 } as const),
    ...{ machine: { ...describeMachine(), cpu: 'a processor' }, model: 'unit-model', preset: 'unit', kernels: 'none' },
    ...measured,
  }
  const all = files(result)
  expect([...all.keys()]).toEqual([
    'audits.md',
    'audits.json',
    'audits-cost.svg',
    'audits-detection.svg',
    'audits-campaigns.svg',
  ])
  const text = all.get('audits.md')!
  expect(text).toContain('Machine: a processor,')
  expect(text).toContain('**False alarms: 0.**')
  for (const { name, chance } of measured.cheaters) {
    expect(text).toContain(`| ${name} |`)
    expect(chance).toBeGreaterThan(0)
  }
  expect(text).not.toMatch(/NaN|undefined|Infinity/)
  for (const [name, svg] of all) if (name.endsWith('.svg')) expect(svg).not.toMatch(/NaN|undefined|Infinity/)
  expect(JSON.parse(all.get('audits.json')!)).toMatchObject({ format: 'nacre-audits/1', steps: 16 })
  for (const { ms, overEngine, overReference } of measured.cost.rows)
    for (const { median } of [ms, overEngine, overReference]) expect(median).toBeGreaterThan(0)
}, 120_000)
