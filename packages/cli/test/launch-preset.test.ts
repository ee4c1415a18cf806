/** `launch audit` of parameter sets: findings, supply figures, the head-start model against its integral. */
import { cumulativeEmission, overrideParams, type Params, presets } from '@nacre/protocol'
import { expect, test } from 'vitest'
import { auditJson, auditLaunch } from '../src/launch/audit.ts'
import { gini, nakamoto } from '../src/launch/concentration.ts'
import { paramFindings } from '../src/launch/findings.ts'
import { percent } from '../src/launch/format.ts'
import { auditHeadStart, headStartShare, insiderPart } from '../src/launch/head-start.ts'
import { auditHtml } from '../src/launch/html.ts'
import { splitOf } from '../src/launch/split.ts'
import { auditSupply } from '../src/launch/supply.ts'
import { barChart, lineChart, thinned, tickText } from '../src/launch/svg.ts'
import { auditText } from '../src/launch/text.ts'

const { nacre, devnet } = presets
const TEAM = 'ab'.repeat(20)

/** Finding ids by verdict. */
function verdicts(params: Params): { pass: string[]; warn: string[]; fail: string[] } {
  const findings = paramFindings(params, auditSupply(params), auditHeadStart(params, new Float64Array()))
  const ids = (verdict: string): string[] => findings.filter((each) => each.verdict === verdict).map(({ id }) => id)
  return { pass: ids('PASS'), warn: ids('WARN'), fail: ids('FAIL') }
}

test('nacre passes everything but the beacon, which a launch sets', () => {
  expect(verdicts(nacre)).toMatchObject({ warn: [], fail: ['genesis-beacon'] })
  const launched = overrideParams(nacre, [`network.genesisBeacon=${'5a'.repeat(32)}`])
  expect(verdicts(launched)).toEqual({
    pass: [
      'premine',
      'team-share',
      'launch-delay',
      'genesis-beacon',
      'ramp',
      'head-start',
      'faucet',
      'fake-demand',
      'bindings',
      'provenance',
    ],
    warn: [],
    fail: [],
  })
})

test('on a test network early coins are warnings, and a faucet is allowed', () => {
  expect(verdicts(devnet)).toEqual({
    pass: ['premine', 'team-share', 'faucet', 'fake-demand', 'bindings', 'provenance'],
    warn: ['launch-delay', 'genesis-beacon', 'ramp', 'head-start'],
    fail: [],
  })
})

test.each([
  [
    [`emission.premineGrains=1`, `emission.teamAccount=${TEAM}`],
    ['premine', 'genesis-beacon'],
  ],
  [
    [`emission.teamSharePpm=1`, `emission.teamAccount=${TEAM}`],
    ['team-share', 'genesis-beacon'],
  ],
  [['emission.ramp=none'], ['genesis-beacon', 'ramp', 'head-start']],
  [['network.launchDelayMs=0'], ['launch-delay', 'genesis-beacon']],
  [['bindings.singleUse=off'], ['genesis-beacon', 'bindings']],
  [['emission.mintCapPpm=1000001'], ['genesis-beacon', 'fake-demand']],
  [['bindings.provenance=client-signed'], ['genesis-beacon', 'provenance']],
])('%j fails the right findings', (overrides, fail) => {
  expect(verdicts(overrideParams(nacre, overrides)).fail).toEqual(fail)
})

test('short notice, a short ramp and demand that costs nothing are warnings', () => {
  expect(verdicts(overrideParams(nacre, ['network.launchDelayMs=3600000'])).warn).toEqual(['launch-delay'])
  expect(verdicts(overrideParams(nacre, ['emission.rampBlocks=4450'])).warn).toContain('ramp')
  expect(verdicts(overrideParams(nacre, ['fees.burnPpm=0'])).warn).toEqual(['fake-demand'])
})

test('values that the protocol refuses today fail too', () => {
  const bindings = { ...nacre.bindings, provenance: 'open' } as const
  const emission = { ...nacre.emission, faucetGrains: 1n }
  expect(verdicts({ ...nacre, bindings, emission }).fail).toEqual(['genesis-beacon', 'faucet', 'provenance'])
})

test('premine and team share as parts of the first year and of the final supply', () => {
  const tenth = nacre.emission.supplyGrains / 10n
  const params = overrideParams(nacre, [
    `emission.premineGrains=${tenth}`,
    'emission.teamSharePpm=200000',
    `emission.teamAccount=${TEAM}`,
  ])
  const supply = auditSupply(params)
  const year = cumulativeEmission(params, 162_556)
  expect(supply.firstYearGrains).toBe(tenth + year)
  expect(supply.premine.percentOfFinal).toBeCloseTo(100 / 11, 10)
  expect(supply.premine.percentOfFirstYear).toBeCloseTo((100 * Number(tenth)) / Number(tenth + year), 10)
  expect(supply.teamFirstYear.grains).toBe(year / 5n)
  // The insider is the team: it owns at least both.
  const least = supply.premine.percentOfFirstYear + supply.teamFirstYear.percentOfFirstYear
  expect(headStartShare(params)(10, 7)).toBeGreaterThan(least)
  expect(headStartShare(params)(10, 7)).toBeLessThan(least + 0.3)
})

test('half of a supply: the first height that has it, or none', () => {
  const { half } = auditSupply(nacre)
  const double = (height: number): bigint => 2n * cumulativeEmission(nacre, height)
  expect(double(half!.height) >= nacre.emission.supplyGrains).toBe(true)
  expect(double(half!.height - 1) < nacre.emission.supplyGrains).toBe(true)
  // Hyperbolic without a ramp: half at the curve's length.
  expect(auditSupply(overrideParams(nacre, ['emission.ramp=none'])).half?.height).toBe(650_226)
  const slow = overrideParams(nacre, ['emission.curve=constant', 'emission.curveBlocks=1000000000'])
  expect(auditSupply(slow).half?.height).toBeGreaterThan(499_000_000)
  const endless = { ...nacre, emission: { ...nacre.emission, curveBlocks: 2 ** 40 } }
  expect(auditSupply(endless).half).toBeUndefined()
})

test('the parts of the subsidies sum up, and a factor of one leaves nothing in the pot', () => {
  const { audit, minerPaid } = splitOf(nacre)
  expect(audit.rows.map(({ label }) => label)).toEqual(['1 day', '1 week', '30 days', '91 days', '1 year'])
  expect(audit.leftOut).toEqual(['4 years'])
  for (const row of audit.rows) {
    expect(row.minerDirect + row.released + row.deferredPot + row.verifiers + row.team).toBe(row.emitted)
    expect(row.emitted).toBe(cumulativeEmission(nacre, row.height))
  }
  const { minerDirect, released } = audit.rows.at(-1)!
  expect(minerPaid.reduce((sum, paid) => sum + paid, 0)).toBeCloseTo(Number(minerDirect + released), -4)
  const whole = splitOf(overrideParams(devnet, ['emission.bootstrapFactorPpm=1000000'])).audit.rows[0]!
  expect(whole.deferredPot + whole.released).toBe(0n)
  expect(whole.minerPercent).toBeCloseTo(98, 6)
})

/** Under a constant subsidy the insider's share is the mean of its part over the year, which has a closed form. */
function constantShare(k: number, d: number): number {
  const insider = 0.001
  const growth = (factor: number, from: number, to: number): number => {
    const ratio = 0.01 / (insider * factor)
    const below = (days: number): number => Math.log(2 ** (-days / 7) + ratio)
    return (7 / Math.LN2) * (below(from) - below(to))
  }
  const fullAt = 7 * Math.log2((1 - insider) / 0.01)
  return (100 * (d + growth(k, 0, 30) + growth(1, 30, fullAt) + insider * (365 - d - fullAt))) / 365
}

test('the head-start model is its integral where that has a closed form', () => {
  const share = headStartShare(overrideParams(nacre, ['emission.curve=constant', 'emission.ramp=none']))
  for (const k of [2, 5, 10, 20, 50]) {
    for (const d of [1, 3, 7, 14, 30]) expect(share(k, d)).toBeCloseTo(constantShare(k, d), 2)
  }
})

test('the reference case: about 0.2 % under the ramp and 4.7 % under the bare hyperbola', () => {
  const { reference } = auditHeadStart(nacre, splitOf(nacre).minerPaid)
  expect(reference.percent).toBeCloseTo(0.211, 3)
  expect(reference.percentWithoutRamp).toBeCloseTo(4.655, 3)
  expect(reference.percentOfPaid).toBeCloseTo(0.201, 3)
  const bare = auditHeadStart(overrideParams(nacre, ['emission.ramp=none']), new Float64Array()).reference
  expect(bare.percent).toBe(reference.percentWithoutRamp)
  expect(bare).toMatchObject({ percentWithoutRamp: undefined, percentOfPaid: undefined })
})

test.each([
  ['nacre', nacre],
  ['devnet', devnet],
])('the table of %s grows with the kernel and with the head start', (_name, params) => {
  const { percent: table } = auditHeadStart(params, new Float64Array())
  table.forEach((row, i) => {
    row.forEach((value, j) => {
      if (i > 0) expect(value).toBeGreaterThan(table[i - 1]![j]!)
      if (j > 0) expect(value).toBeGreaterThan(row[j - 1]!)
    })
  })
})

test('the insider alone, then against the public, then with everybody on its kernel', () => {
  expect(insiderPart(10, 7, 6.9)).toBe(1)
  expect(insiderPart(10, 7, 7)).toBeCloseTo(0.5, 12)
  expect(insiderPart(10, 7, 37)).toBeCloseTo(0.001 / (0.001 + 0.01 * 2 ** (30 / 7)), 12)
  expect(insiderPart(10, 7, 300)).toBeCloseTo(0.001, 12)
})

test.each([
  [[], 0, 0],
  [[0n, 0n], 0, 0],
  [[5n], 0, 1],
  [[1n, 1n, 1n, 1n], 0, 3],
  [[0n, 0n, 0n, 8n], 0.75, 1],
  [[1n, 2n, 3n, 4n], 0.25, 2],
  [[4n, 1n, 3n, 2n], 0.25, 2],
  [[1n, 1n], 0, 2],
  [[10n ** 18n, 3n * 10n ** 18n], 0.25, 1],
])('Gini and Nakamoto of %s', (amounts, expectedGini, expectedNakamoto) => {
  expect(gini(amounts)).toBeCloseTo(expectedGini, 12)
  expect(nakamoto(amounts)).toBe(expectedNakamoto)
})

test('the report is one page without outside resources, equal for equal input', () => {
  const make = (): string => auditHtml(auditLaunch(nacre, { subject: 'preset <nacre>', overrides: [] }), nacre)
  const html = make()
  expect(make()).toBe(html)
  expect(html).not.toMatch(/<script|<link|<img|@import|url\(|https?:/)
  expect(html).not.toMatch(/NaN|Infinity|undefined/)
  expect(html).toContain('preset &lt;nacre&gt;')
  expect(html.match(/<figure>/g)).toHaveLength(5)
})

test('text and JSON say the same', () => {
  const audit = auditLaunch(nacre, { subject: 'preset nacre', overrides: [] })
  const json = JSON.parse(auditJson(audit))
  expect(json.supply.finalGrains).toBe('210000000000000000')
  expect(json.findings).toHaveLength(10)
  const text = auditText(audit)
  expect(text).toMatch(/10 findings: 9 PASS, 0 WARN, 1 FAIL/)
  expect(text).toMatch(/1 year +162,556 +362,067,675 NCR +17\.2 % +20 %/)
  expect(text).not.toMatch(/NaN|undefined/)
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(110)
})

test('charts of nothing, of one point and of many', () => {
  const axes = { xLabel: 'x', yLabel: 'y' }
  expect(lineChart([], axes)).toContain('nothing to draw')
  expect(lineChart([{ label: 'zero', x: [1], y: [0] }], { ...axes, yLog: true })).toContain('nothing to draw')
  expect(lineChart([{ label: 'one', x: [3], y: [4] }], axes)).not.toContain('NaN')
  expect(lineChart([{ label: 'flat', x: [0, 1], y: [2, 2] }], { ...axes, yLog: true })).not.toContain('NaN')
  expect(barChart([])).toContain('nothing to draw')
  expect(barChart([{ label: '<a>', value: 0, text: '0' }])).toContain('&lt;a&gt;')
  expect(thinned([1, 3, 5, 7], 2)).toEqual([2, 6])
  expect(thinned([1, 2], 5)).toEqual([1, 2])
  expect([0, 0.0001, 0.25, 1500, 15_000, 2e9].map(tickText)).toEqual(['0', '1e-4', '0.25', '1500', '15k', '2G'])
  expect([0, 99.96, 100, 0.1234].map(percent)).toEqual(['0 %', '> 99.9 %', '100 %', '0.123 %'])
})
